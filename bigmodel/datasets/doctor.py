"""The data doctor: what a look at a table tells before anything is trained on it.

    report = examine(table, "kind")

finds columns that say nothing or too much, rows that stand on both sides of the split, classes that are lopsided: what
would make a score look better or worse than it is. A finding is a key and values, worded on the page (`doctor.<key>`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from bigmodel.datasets import Dataset, DatasetConfig, Notice, Reading, Table, drain, split_rows
from bigmodel.datasets.encode import classes_of, inputs_of, name_of, some
from bigmodel.datasets.files import written
from bigmodel.datasets.texts import plain, telltale
from bigmodel.errors import DataError

FIRST_ROWS = 5
_SAMPLE = 2000
"""Rows on which single columns are tried."""
_TOGETHER = 25
"""Columns whose cells are gone through at once."""
_ALONE = 0.98
"""A column that gets this share of every class right by itself is suspicious."""
_NAMED = 0.3
"""So is a text that names its class in this share of the rows."""
_ID = re.compile(r"(.*[\s_-])?(id|no|nr|index|idx|key|uuid|编号|序号|学号|工号|行号|号)\.?", re.IGNORECASE)

Severity = Literal["bad", "warn", "note", "good"]


@dataclass(frozen=True)
class Column:
    """A column of the table. `missing`: share of its cells; `distinct`: number of different values."""

    name: str
    type: str
    missing: float
    distinct: int
    example: str


@dataclass(frozen=True)
class Finding:
    """Something that was noticed: the key of a sentence and what fills it."""

    severity: Severity
    key: str
    values: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Report:
    """All that the doctor found. `classes`: (name, rows), the largest first; `problem`: why that target cannot be
    learned; `leave_out`: columns that are better left out; `first`: the first rows as text."""

    rows: int
    target: str
    columns: tuple[Column, ...]
    classes: tuple[tuple[str, int], ...]
    findings: tuple[Finding, ...]
    notices: tuple[Notice, ...]
    leave_out: tuple[str, ...]
    first: tuple[tuple[str, ...], ...]
    problem: DataError | None = None


def examine(table: Table, target: str, config: DatasetConfig | None = None) -> Report:
    """Look at a table whose column `target` is to be predicted, split as `config` says."""
    return drain(examining(table, target, config))


def examining(table: Table, target: str, config: DatasetConfig | None = None) -> Generator[Reading, None, Report]:
    """The same, with an event for each column that is looked at or tried, so that whoever waits can be told."""
    columns: list[Column] = []
    for name, kind in zip(table.columns, table.types, strict=True):
        yield Reading("look", len(columns), len(table.columns))
        columns.append(_column(table, name, kind))
    constant = [c.name for c in columns if c.distinct == 1 and c.name != target]
    ids = [c.name for c in columns if c.name != target and c.name not in constant and _id_like(table, c)]
    findings = [
        *_listed("warn", "constant", constant),
        *_listed("warn", "ids", ids),
        *_listed("warn", "missing", [c.name for c in columns if c.missing > 0.5 and c.distinct > 1]),
    ]
    notices = list(table.notices)
    classes: tuple[tuple[str, int], ...] = ()
    problem = None
    try:
        if target not in table.columns:
            raise DataError("data.no_target", target=target, columns=", ".join(table.columns[:20]))
        frame, values = classes_of(table, target, notices)
    except DataError as error:
        problem = error
    else:
        counts = frame[target].value_counts()
        classes = tuple((name_of(value), int(count)) for value, count in counts.items())
        y = frame[target].map({value: k for k, value in enumerate(values)}).to_numpy(np.int64)
        findings += _classes(classes, len(frame))
        findings += yield from _rows(frame, target, [*constant, *ids], y, config or DatasetConfig())
        findings += yield from _telling(table, frame, target, [*constant, *ids], y)
    order: list[Severity] = ["bad", "warn", "note", "good"]
    findings.sort(key=lambda finding: order.index(finding.severity))
    if problem is None and not findings:
        findings = [Finding("good", "healthy")]
    return Report(
        *(table.rows, target, tuple(columns), classes, tuple(findings), tuple(notices), (*constant, *ids)),
        first=_first(table.cells),
        problem=problem,
    )


def describe(data: Dataset) -> Report:
    """The same look at a built-in data set of numbers, which is healthy by birth."""
    parts = (data.train, data.valid, data.test)
    raw = np.concatenate([part.x for part in parts]).astype(float) * data.scale + data.mean
    y = np.concatenate([part.y for part in parts])
    columns = tuple(
        Column(name, "number", 0.0, len(np.unique(raw[:, k].round(6))), f"{raw[0, k]:.4g}")
        for k, name in enumerate(data.features)
    )
    counts = [(name, int((y == k).sum())) for k, name in enumerate(data.classes)]
    shown = pd.DataFrame(raw[:FIRST_ROWS].round(3), columns=list(data.features))
    shown["class"] = [data.classes[k] for k in y[:FIRST_ROWS]]
    return Report(
        *(len(y), "class", (*columns, Column("class", "category", 0.0, len(counts), data.classes[y[0]]))),
        classes=tuple(sorted(counts, key=lambda named: -named[1])),
        findings=(),
        notices=data.notices,
        leave_out=(),
        first=_first(shown),
    )


def _column(table: Table, name: str, kind: str) -> Column:
    values = table.values[name]
    known = table.cells[name].dropna()
    example = written(known.iloc[0])[:40] if len(known) else ""
    return Column(name, kind, float(values.isna().mean()), int(values.nunique()), example)


def _first(frame: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple("" if cell is None or cell != cell else written(cell)[:40] for cell in row)
        for row in frame.head(FIRST_ROWS).itertuples(index=False)
    )


def _id_like(table: Table, column: Column) -> bool:
    """Whether a column numbers or names the rows: almost all values differ, and it counts up or is called an id."""
    values = table.values[column.name].dropna()
    if column.type == "id":
        return True
    if column.type not in ("number", "category") or len(values) < 10 or column.distinct < 0.98 * len(values):
        return False
    called = _ID.fullmatch(column.name) is not None
    if column.type == "category":
        return called
    numbers = values.to_numpy(float)
    steps = np.diff(numbers)
    whole = bool((numbers == np.round(numbers)).all())
    return whole and (called or bool((steps == steps[0]).all() and steps[0] != 0))


def _listed(severity: Severity, key: str, columns: Sequence[str]) -> list[Finding]:
    return [Finding(severity, key, (("columns", some(columns)), ("count", len(columns))))] if columns else []


def _classes(classes: tuple[tuple[str, int], ...], rows: int) -> list[Finding]:
    """What the sizes of the classes tell."""
    found = []
    (most, largest), (least, smallest) = classes[0], classes[-1]
    if largest >= 10 * smallest or largest >= 0.85 * rows:
        said = (("most", most), ("share", largest / rows), ("least", least), ("rows", smallest))
        found.append(Finding("warn", "lopsided", said))
    if len(classes) > 20:
        found.append(Finding("note", "many", (("classes", len(classes)), ("rows", rows / len(classes)))))
    elif smallest < 10:
        found.append(Finding("warn", "thin", (("least", least), ("rows", smallest))))
    if rows < 100:
        found.append(Finding("note", "short", (("rows", rows),)))
    return found


def _rows(
    frame: pd.DataFrame, target: str, unused: list[str], y: np.ndarray, config: DatasetConfig
) -> Generator[Reading, None, list[Finding]]:
    """Rows that stand there twice, in one part of the split or on both of its sides."""
    used = [c for c in frame.columns if c not in unused and c != target and frame[c].notna().any()]
    if not used:
        return []
    same = np.zeros(len(frame), np.uint64)
    for start in range(0, len(used) + 1, _TOGETHER):
        yield Reading("twins", start, len(used) + 1)
        some_columns = frame[[*used, target][start : start + _TOGETHER]]
        same = same * np.uint64(0x9E3779B97F4A7C15) ^ pd.util.hash_pandas_object(some_columns, index=False).to_numpy()
    twice = len(same) - len(np.unique(same))
    if not twice or config.distinct:
        return []
    train, valid, test = split_rows(y, config)
    known = np.isin(same[test], same[np.concatenate((train, valid))])
    if known.any():
        said = (("rows", int(known.sum())), ("share", float(known.mean())), ("twice", twice))
        return [Finding("warn", "twins", said)]
    return [Finding("note", "twice", (("rows", twice),))]


def _telling(
    table: Table, frame: pd.DataFrame, target: str, unused: list[str], y: np.ndarray
) -> Generator[Reading, None, list[Finding]]:
    """Columns that predict the target all by themselves: often the answer in another guise."""
    rng = np.random.default_rng(0)
    rows = rng.choice(len(y), min(_SAMPLE, len(y)), replace=False)
    sizes = np.bincount(y[rows], minlength=int(y.max()) + 1)
    rows = rows[sizes[y[rows]] >= 3]  # one row a fold
    numbers, categories, texts = inputs_of(table, target, unused)
    found = []
    for k, name in enumerate((*numbers, *categories)):
        yield Reading("alone", k, len(numbers) + len(categories))
        cells = frame[name].iloc[rows]
        x = cells.to_numpy(float) if name in numbers else pd.factorize(cells)[0].astype(float)
        share = _alone(x[:, None], y[rows], len(np.unique(x)) if name in categories else 2 * len(sizes))
        if share >= _ALONE:
            found.append(Finding("warn", "telling", (("column", name), ("share", share), ("target", target))))
    answers = [name_of(value) for value in frame[target].iloc[rows]]
    for name in texts:
        share = telltale(plain(frame[name].iloc[rows]), answers)
        if share >= _NAMED:
            found.append(Finding("warn", "named", (("column", name), ("share", share), ("target", target))))
    return found[:5]


def _alone(x: np.ndarray, y: np.ndarray, leaves: int) -> float:
    """The share of every class that a small tree on one column gets right on rows it has not seen; 0 where it does not
    even get those right that it has seen."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    if len(np.unique(y)) < 2 or np.isnan(x).all():
        return 0.0
    tree: Any = DecisionTreeClassifier(max_leaf_nodes=max(2, min(leaves, 64)), class_weight="balanced", random_state=0)
    if balanced_accuracy_score(y, tree.fit(x, y).predict(x)) < _ALONE:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of three rows
        return float(cross_val_score(tree, x, y, cv=3, scoring="balanced_accuracy").mean())
