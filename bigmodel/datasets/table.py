"""Uploaded tables: rows of text → names and typed columns. What cannot be used says so in one sentence.

What is mended instead (a missing header, dates, gaps, too many rows) is told in notices.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bigmodel.datasets import Notice, Reading, Table, drain
from bigmodel.datasets.encode import FEWEST_ROWS, notice, some
from bigmodel.datasets.files import Sheet, open_sheet
from bigmodel.datasets.prepare import DATE, HUGE, MISSING, days, number
from bigmodel.datasets.texts import UNSPACED
from bigmodel.errors import DataError

MOST_ROWS = 50_000
MOST_COLUMNS = 500
MOST_CELLS = 4_000_000
"""Rows × columns that are kept."""
MOST_PREDICTED = 1_000_000
"""Rows × columns that are read to be predicted."""
EVERY = 2**62
"""As many rows of a file as it has, in their order."""

NO_NUMBER = {"none", "nil", "-", "--", "无", "缺失"}
"""Gaps among numbers; among words they may well be a class."""
TARGETS = (
    "target",
    "label",
    "class",
    "species",
    "outcome",
    "diagnosis",
    "标签",
    "类别",
    "目标",
    "分类",
    "category",
    "y",
)
_OFTEN = 20_000
_CELLS = 1_000_000
"""Rows, and cells, between two events while a file streams by."""


def reading(path: str) -> Generator[Reading, None, Table]:
    """See `bigmodel.datasets.read_table`; an event now and then, so that whoever waits can be told or can leave."""
    sheet = open_sheet(_there(path), MOST_ROWS)
    notices = [notice(key, **values) for key, values in sheet.said]
    names, rows = _header(sheet, notices)
    sample, often = _Sample(names), max(1, min(_OFTEN, _CELLS // len(names)))
    for row in rows:
        sample.add(row)
        if sample.seen % often == 0:
            yield Reading("rows", sample.seen)
    sample.check(notices, sheet.sampled)
    body = sample.rows
    typed: dict[str, _Column] = {}
    for k, name in enumerate(sample.names):
        yield Reading("columns", k, len(sample.names))
        typed[name] = _typed([row[k] for row in body], sheet.comma)
    _tell(typed, notices)
    columns, types = tuple(typed), tuple(column.kind for column in typed.values())
    yield Reading("columns", len(typed), len(typed))
    values = pd.DataFrame({name: column.values for name, column in typed.items()})
    yield Reading("columns", len(typed), len(typed))
    cells = pd.DataFrame({name: column.shown for name, column in typed.items()})
    yield Reading("columns", len(typed), len(typed))
    target = _guess(columns, types, values)
    return Table(columns, types, len(body), target, tuple(notices), values, cells, sheet.comma)


def read(path: str) -> Table:
    """See `bigmodel.datasets.read_table`."""
    return drain(reading(path))


def reading_rows(path: str) -> Generator[Reading, None, tuple[pd.DataFrame, bool]]:
    """See `bigmodel.datasets.read_rows`; an event now and then, and at the end also whether the file has more rows."""
    sheet = open_sheet(_there(path), EVERY)
    names, rows = _header(sheet, [])
    room, kept, more = max(1, min(MOST_ROWS, MOST_PREDICTED // len(names))), list[list[str]](), False
    for row in rows:
        more = len(kept) == room
        if more:
            break
        kept.append([row[k] if k < len(row) else "" for k in range(len(names))])
        if len(kept) % _OFTEN == 0:
            yield Reading("rows", len(kept))
    if not kept:
        raise DataError("data.header_only", columns=len(names))
    return pd.DataFrame(kept, columns=names, dtype=object), more


def read_rows(path: str) -> pd.DataFrame:
    """See `bigmodel.datasets.read_rows`."""
    return drain(reading_rows(path))[0]


class _Column(NamedTuple):
    """A column: its type, its values for learning, its cells for people, and what was mended."""

    kind: str
    values: pd.Series[Any]
    shown: pd.Series[Any]
    mended: set[str]


class _Sample:
    """The rows that are kept of those that stream by: each has the same chance. Columns over the limit are left out."""

    def __init__(self, names: list[str]) -> None:
        self.width = len(names)
        telling = [k for k, name in enumerate(names) if name.lower() in TARGETS] if self.width > MOST_COLUMNS else []
        wanted = dict.fromkeys([self.width - 1, *telling, *range(self.width)])
        self.places = sorted(list(wanted)[:MOST_COLUMNS])
        self.names = [names[k] for k in self.places]
        self.room = min(MOST_ROWS, MOST_CELLS // len(self.names))
        self.seen = self.uneven = 0
        self._kept: list[tuple[int, list[str]]] = []
        self._random = random.Random(0)

    def add(self, row: list[str]) -> None:
        """Look at the next row."""
        self.uneven += len(row) != self.width
        place = self.seen if self.seen < self.room else int(self._random.random() * (self.seen + 1))
        if place < self.room:
            kept = (self.seen, [row[k] if k < len(row) else "" for k in self.places])
            self._kept[place : place + 1] = [kept]
        self.seen += 1

    @property
    def rows(self) -> list[list[str]]:
        """The rows that are kept, in the order of the file."""
        return [row for _, row in sorted(self._kept, key=lambda kept: kept[0])]

    def check(self, notices: list[Notice], sampled: int) -> None:
        """Raise DataError if that is no table to learn from; say what was left out of it. `sampled`: the number of rows
        that the file has, where not all of them came by."""
        if not self.seen:
            raise DataError("data.header_only", columns=self.width)
        if self.width < 2:
            raise DataError("data.one_column", column=self.names[0])
        if self.seen < FEWEST_ROWS:
            raise DataError("data.few", rows=self.seen, least=FEWEST_ROWS)
        if self.uneven:
            notices.append(notice("uneven", rows=self.uneven))
        if sampled or self.seen > self.room:
            notices.append(notice("sampled", rows=sampled or self.seen, kept=len(self._kept)))
        if self.width > len(self.names):
            notices.append(notice("columns", columns=self.width, kept=len(self.names)))


def _there(path: str) -> Path:
    if not Path(path).is_file():
        raise DataError("data.missing", file=path)
    return Path(path)


def _header(sheet: Sheet, notices: list[Notice]) -> tuple[list[str], Iterator[list[str]]]:
    """The names of the columns, none twice and none empty, and the rows that are to be looked at."""
    first = next(sheet.rows, None)
    if first is None:
        raise DataError("data.empty")
    rows = sheet.rows
    numbers = [number(cell) is not None for cell in first]
    if not sheet.named and (all(numbers) or (sheet.blank and any(numbers))):
        notices.append(notice("no_header"))
        first, rows = [""] * len(first), chain([first], rows)
    names: list[str] = []
    taken: set[str] = set()
    times: dict[str, int] = {}
    for place, given in enumerate(first, start=1):
        base = given or f"column {place}"
        name = base
        while name in taken:
            times[base] = times.get(base, 1) + 1
            name = f"{base} ({times[base]})"
        names.append(name)
        taken.add(name)
    changed = [name for name, given in zip(names, first, strict=True) if given and name != given]
    if changed:
        notices.append(notice("renamed", columns=some(changed)))
    unnamed = [name for name, given in zip(names, first, strict=True) if not given]
    if unnamed and len(unnamed) < len(names):
        notices.append(notice("unnamed", columns=some(unnamed)))
    return names, rows


def _typed(cells: list[str], comma: bool) -> _Column:
    """One column. One cell in twenty may break the rule of its type and is then a gap."""
    given = [None if cell.lower() in MISSING else cell for cell in cells]
    present = [cell for cell in given if cell is not None]
    if not present:
        return _same("empty", pd.Series([np.nan] * len(cells)))
    numbers = [None if cell is None else number(cell, comma) for cell in given]
    found = sum(value is not None for value in numbers)
    wanted = sum(cell.lower() not in NO_NUMBER for cell in present)
    if found and found >= 0.95 * wanted:
        column = pd.Series([np.nan if n is None else n for n in numbers], dtype=float)
        mended = {"not_numbers"} if found < wanted else set()
        infinite = column.abs() > HUGE
        mended |= {"infinite"} if infinite.any() else set()
        return _same("number", column.mask(infinite), mended)
    dates = [cell if cell is not None and DATE.fullmatch(cell) else None for cell in given]
    if sum(date is not None for date in dates) >= 0.95 * len(present):
        return _Column("date", days(dates), pd.Series(given, dtype=object), {"dates"})
    return _same(_words(present), pd.Series(given, dtype=object))


def _same(kind: str, values: pd.Series[Any], mended: set[str] | None = None) -> _Column:
    return _Column(kind, values, values, mended or set())


def _words(present: list[str]) -> str:
    """The type of a column of words: categories repeat, text has several words a cell, names and numbers of things
    ("id") do neither."""
    distinct = len(set(present))
    few = present[:200]
    # Of the letters that are written without spaces, two make about a word.
    length = sum(len(cell.split()) + len(UNSPACED.findall(cell)) / 2 for cell in few) / len(few)
    if distinct <= 0.5 * len(present) or (distinct <= 50 and length < 4):
        return "category"
    return "text" if length >= 3 else "id"


def _tell(typed: dict[str, _Column], notices: list[Notice]) -> None:
    """One notice for each thing that was mended or will be left out, with the columns it happened to."""
    for key in ("infinite", "not_numbers", "dates"):
        columns = [name for name, column in typed.items() if key in column.mended]
        if columns:
            notices.append(notice(key, columns=some(columns)))
    empty = [name for name, column in typed.items() if column.kind == "empty"]
    if empty:
        notices.append(notice("empty", columns=some(empty)))
    names = [name for name, column in typed.items() if column.kind == "id"]
    if names:
        notices.append(notice("names", columns=some(names)))


def _guess(names: tuple[str, ...], types: tuple[str, ...], values: pd.DataFrame) -> str:
    """The likely target: a telling name, else the last column of few values, else the last of all."""
    few = [name for name, kind in zip(names, types, strict=True) if kind in ("category", "number")]
    few = [name for name in few if 2 <= values[name].nunique() <= 20]
    named = [name for telling in TARGETS for name in few if name.lower() == telling]
    return (named or few[::-1] or [names[-1]])[0]
