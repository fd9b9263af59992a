"""Uploaded tables: bytes → text → cells → typed columns → a Dataset. What cannot be used says so in one sentence.

What is mended instead (a missing header, dates, gaps, rare classes, too many rows) is told in notices.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bigmodel.datasets import Dataset, DatasetConfig, Notice, Part, Table, split_rows
from bigmodel.errors import DataError

MOST_BYTES = 50 * 2**20
MOST_ROWS = 50_000
MOST_COLUMNS = 500
MOST_NUMBERS = 20_000_000
"""Rows × features after encoding."""
FEWEST_ROWS = 10
MOST_CLASSES = 100
FEWEST_OF_CLASS = 3
"""One row of a class for each part."""
MOST_CATEGORIES = 30
"""Columns that one categorical column may become; its rarer values share one."""
HUGE = 1e30
"""Larger values cannot be scaled and count as infinite."""

MISSING = {"", "na", "n/a", "nan", "null", "?"}
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
DATE = re.compile(r"\d{1,4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,4}日?([ T]\d{1,2}:\d{2}.*)?")


def read(path: str) -> Table:
    """See `bigmodel.datasets.read_table`."""
    if not Path(path).is_file():
        raise DataError("data.missing", file=path)
    notices: list[Notice] = []
    cells, delimiter = _cells(_text(Path(path)))
    header, body = _header(cells, notices)
    if len(header) < 2:
        raise DataError("data.one_column", column=header[0])
    if len(body) < FEWEST_ROWS:
        raise DataError("data.few", rows=len(body), least=FEWEST_ROWS)
    if len(body) > MOST_ROWS:
        notices.append(notice("sampled", rows=len(body), kept=MOST_ROWS))
        chosen = np.random.default_rng(0).choice(len(body), MOST_ROWS, replace=False)
        body = [body[k] for k in sorted(chosen)]
    places = list(range(len(header)))
    if len(header) > MOST_COLUMNS:
        notices.append(notice("columns", columns=len(header), kept=MOST_COLUMNS))
        places = [*places[: MOST_COLUMNS - 1], places[-1]]
    typed = {header[k]: _typed([row[k] for row in body], delimiter == ";") for k in places}
    _tell(typed, notices)
    names, types = tuple(typed), tuple(kind for kind, _, _ in typed.values())
    values = pd.DataFrame({name: column for name, (_, column, _) in typed.items()})
    return Table(names, types, len(body), _guess(names, types, values), tuple(notices), values)


def encode(table: Table, target: str, config: DatasetConfig) -> Dataset:
    """See `bigmodel.datasets.table_dataset`."""
    frame: Any = table.values
    notices = list(table.notices)
    if target not in table.columns:
        raise DataError("data.no_target", target=target, columns=", ".join(table.columns[:20]))
    kinds = dict(zip(table.columns, table.types, strict=True))
    frame, classes = _classes(frame, target, kinds[target], notices)
    numbers = [c for c in table.columns if c != target and kinds[c] in ("number", "date")]
    categories = [c for c in table.columns if c != target and kinds[c] == "category"]
    if not numbers and not categories:
        raise DataError("data.no_features", target=target)
    frame = _fit_in(
        frame, len(numbers) + sum(min(MOST_CATEGORIES, frame[c].nunique() + 1) for c in categories), notices
    )
    gaps = [c for c in numbers + categories if frame[c].isna().any()]
    if gaps:
        notices.append(notice("gaps", columns=_some(gaps)))
    wide = [c for c in categories if frame[c].nunique() > MOST_CATEGORIES]
    if wide:
        notices.append(notice("categories", columns=_some(wide), most=MOST_CATEGORIES))
    y = frame[target].map({value: k for k, value in enumerate(classes)}).to_numpy(np.int64)
    parts = split_rows(y, config)
    encoder = _encoder(numbers, categories).fit(frame.iloc[parts[0]])
    train, valid, test = (Part(np.asarray(encoder.transform(frame.iloc[r]), np.float32), y[r]) for r in parts)
    features = tuple(map(str, encoder.get_feature_names_out()))
    mean, scale = np.zeros(len(features)), np.ones(len(features))
    if numbers:
        scaler = encoder.named_transformers_["numbers"][-1]
        mean[: len(numbers)], scale[: len(numbers)] = scaler.mean_, scaler.scale_
    said = tuple(_name(value) for value in classes)
    return Dataset("upload", features, said, train, valid, test, mean, scale, tuple(notices))


def notice(key: str, **values: object) -> Notice:
    """A notice with its values."""
    return Notice(key, tuple(values.items()))


def _text(path: Path) -> str:
    """The file as text: UTF-8 with or without a mark, UTF-16 with one, GB 18030, else Latin-1."""
    if path.stat().st_size > MOST_BYTES:
        raise DataError("data.large", size=path.stat().st_size / 2**20, most=MOST_BYTES / 2**20)
    raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    if b"\0" in raw:
        raise DataError("data.binary", file=path.name)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode(_old_encoding(raw), errors="replace")


def _old_encoding(raw: bytes) -> str:
    """GB 18030 if the text decodes as it and its high bytes come in pairs, as they do in Chinese; else Latin-1."""
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return "cp1252"
    runs = re.findall(rb"[\x80-\xff]+", raw)
    paired = sum(len(run) for run in runs if len(run) % 2 == 0)
    return "gb18030" if paired >= 0.7 * sum(map(len, runs)) else "cp1252"


def _cells(text: str) -> tuple[list[list[str]], str]:
    """The rows that are not blank, cell by cell, and the delimiter: the one that cuts the first rows most evenly."""
    if not text.strip():
        raise DataError("data.empty")
    sample = text[:50_000].splitlines(keepends=True)[:50]

    def evenness(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in _rows(sample, delimiter) if row]
        return (sum(width == widths[0] > 1 for width in widths), widths[0]) if widths else (0, 0)

    delimiter = max(",\t;|", key=evenness)
    rows = [[cell.strip() for cell in row] for row in _rows(io.StringIO(text, newline=""), delimiter)]
    return [row for row in rows if any(row)], delimiter


def _rows(lines: Iterable[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        raise DataError("data.broken") from None


def _header(cells: list[list[str]], notices: list[Notice]) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, none twice and none empty, and the rows below, all equally long."""
    first, body = cells[0], cells[1:]
    if all(_number(cell) is not None for cell in first):
        notices.append(notice("no_header"))
        first, body = [""] * len(first), cells
    if not body:
        raise DataError("data.header_only", columns=len(first))
    names: list[str] = []
    for place, name in enumerate(first, start=1):
        names.append(_unused(name or f"column {place}", names))
    changed = [name for name, given in zip(names, first, strict=True) if given and name != given]
    if changed:
        notices.append(notice("renamed", columns=_some(changed)))
    uneven = sum(len(row) != len(names) for row in body)
    if uneven:
        notices.append(notice("uneven", rows=uneven))
    return names, [(row + [""] * len(names))[: len(names)] for row in body]


def _unused(name: str, taken: Sequence[str]) -> str:
    return next(n for n in (name, *(f"{name} ({k})" for k in range(2, len(taken) + 3))) if n not in taken)


def _number(cell: str, comma: bool = False) -> float | None:
    """The number a cell holds; with `comma`, 1.234,5 is one too."""
    try:
        return float(cell.replace(".", "").replace(",", ".") if comma and "," in cell else cell)
    except ValueError:
        return None


def _typed(cells: list[str], comma: bool) -> tuple[str, pd.Series[Any], set[str]]:
    """(type, values, what was mended) of one column. One cell in twenty may break the rule and is then a gap."""
    given = [None if cell.lower() in MISSING else cell for cell in cells]
    present = [cell for cell in given if cell is not None]
    if not present:
        return "empty", pd.Series([np.nan] * len(cells)), set()
    numbers = [None if cell is None else _number(cell, comma) for cell in given]
    found = sum(number is not None for number in numbers)
    wanted = sum(cell.lower() not in NO_NUMBER for cell in present)
    if found and found >= 0.95 * wanted:
        column = pd.Series([np.nan if n is None else n for n in numbers], dtype=float)
        mended = {"not_numbers"} if found < wanted else set()
        infinite = column.abs() > HUGE
        mended |= {"infinite"} if infinite.any() else set()
        return "number", column.mask(infinite), mended
    dates = [cell if cell is not None and DATE.fullmatch(cell) else None for cell in given]
    if sum(date is not None for date in dates) >= 0.95 * len(present):
        return "date", _days(dates), {"dates"}
    distinct = len(set(present))
    rare = distinct > 50 and distinct > 0.5 * len(present)
    return "text" if rare else "category", pd.Series(given, dtype=object), set()


def _days(dates: list[str | None]) -> pd.Series[Any]:
    """Days since 1970, with fractions."""
    plain = pd.Series(
        [None if date is None else re.sub(r"\s*[年月]\s*", "-", date).replace("日", "") for date in dates]
    )
    moments = pd.to_datetime(plain, errors="coerce", format="mixed", utc=True)
    days: pd.Series[Any] = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    return days


def _tell(typed: dict[str, tuple[str, pd.Series[Any], set[str]]], notices: list[Notice]) -> None:
    """One notice for each thing that was mended or will be left out, with the columns it happened to."""
    for key in ("infinite", "not_numbers", "dates"):
        columns = [name for name, (_, _, mended) in typed.items() if key in mended]
        if columns:
            notices.append(notice(key, columns=_some(columns)))
    for kind in ("empty", "text"):
        columns = [name for name, (found, _, _) in typed.items() if found == kind]
        if columns:
            notices.append(notice(kind, columns=_some(columns)))


def _guess(names: tuple[str, ...], types: tuple[str, ...], values: pd.DataFrame) -> str:
    """The likely target: a telling name, else the last column of few values, else the last of all."""
    few = [name for name, kind in zip(names, types, strict=True) if kind in ("category", "number")]
    few = [name for name in few if 2 <= values[name].nunique() <= 20]
    named = [name for telling in TARGETS for name in few if name.lower() == telling]
    return (named or few[::-1] or [names[-1]])[0]


def _classes(frame: pd.DataFrame, target: str, kind: str, notices: list[Notice]) -> tuple[pd.DataFrame, list[Any]]:
    """The rows that can be learned from, and the classes in order."""
    known = frame[frame[target].notna()]
    if known.empty:
        raise DataError("data.target_empty", target=target)
    if len(known) < len(frame):
        notices.append(notice("target_gaps", target=target, rows=len(frame) - len(known)))
    counts = known[target].value_counts()
    if len(counts) < 2:
        raise DataError("data.one_class", target=target, value=_name(counts.index[0]))
    if kind == "date" or (kind == "number" and _continuous(known[target], len(counts))):
        raise DataError("data.continuous", target=target, distinct=len(counts))
    if len(counts) > MOST_CLASSES:
        raise DataError("data.many_classes", target=target, classes=len(counts), most=MOST_CLASSES)
    common = counts[counts >= FEWEST_OF_CLASS].index
    if len(common) < 2:
        raise DataError("data.thin_classes", target=target, least=FEWEST_OF_CLASS)
    if len(common) < len(counts):
        notices.append(notice("rare_classes", classes=len(counts) - len(common), least=FEWEST_OF_CLASS))
    kept = known[known[target].isin(common)]
    if len(kept) < FEWEST_ROWS:
        raise DataError("data.few", rows=len(kept), least=FEWEST_ROWS)
    return kept.reset_index(drop=True), sorted(common)


def _continuous(values: pd.Series[Any], distinct: int) -> bool:
    """Whether numbers measure something rather than name classes."""
    whole = bool((values == values.round()).all())
    return distinct > 20 and (not whole or distinct > MOST_CLASSES or len(values) < 5 * distinct)


def _fit_in(frame: pd.DataFrame, features: int, notices: list[Notice]) -> pd.DataFrame:
    """As many rows as fit in memory once encoded."""
    room = MOST_NUMBERS // features
    if len(frame) <= room:
        return frame
    notices.append(notice("sampled", rows=len(frame), kept=room))
    return frame.sample(room, random_state=0).sort_index().reset_index(drop=True)


def _encoder(numbers: list[str], categories: list[str]) -> Any:
    """Numbers: gaps become the median, then scaled. Categories: a 0/1 column per value, gaps a value of their own."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    scaled = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    one_hot = make_pipeline(
        SimpleImputer(missing_values=None, strategy="constant", fill_value="?"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False),
    )
    return ColumnTransformer(
        [(name, step, columns) for name, step, columns in
         (("numbers", scaled, numbers), ("categories", one_hot, categories)) if columns],
        verbose_feature_names_out=False,
    )  # fmt: skip


def _some(columns: Sequence[str]) -> str:
    """The first few names of a list."""
    return ", ".join(columns[:5]) + (f" … ({len(columns)})" if len(columns) > 5 else "")


def _name(value: object) -> str:
    """A class as text: 3.0 is 3."""
    return f"{value:g}" if isinstance(value, float) else str(value)
