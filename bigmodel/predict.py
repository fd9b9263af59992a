"""Predict: rows → the probabilities of a trained network, averaged over its seeds, and what had to be filled in.

    model = load("flowers.zip")
    for event in predicting(model, rows): …    a Reading between two slices of work, the Predictions last

Cells are what a person or a file wrote. A cell that is missing or cannot be read is filled as the training part
taught, and a category that was never seen is none of the known ones; both are told, row by row.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bigmodel.datasets import Reading, drain
from bigmodel.datasets.encoders import opened
from bigmodel.datasets.prepare import HUGE, days, number, prepare, words
from bigmodel.errors import BigModelError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from bigmodel.saved import Model

SLICE = 0.1
"""Seconds of work between two events."""

FIRST = 16
"""Rows of the first slice; how many the next has, the time it took tells."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the network says of rows.

    `p` are the probabilities (rows, classes), the mean over its seeds; `low` and `high` the lowest and highest of any
    seed. `filled` names, row by row, the columns whose cell was missing or could not be read, `unknown` those with a
    category that the training part never had.
    """

    classes: tuple[str, ...]
    p: np.ndarray
    low: np.ndarray
    high: np.ndarray
    filled: tuple[tuple[str, ...], ...]
    unknown: tuple[tuple[str, ...], ...]

    @property
    def guess(self) -> np.ndarray:
        """The class numbers (rows,)."""
        found: np.ndarray = self.p.argmax(1)
        return found


@dataclass(frozen=True)
class Row:
    """What the network says of row `number` of a file, counted from 1; `low` and `high` are of the predicted class."""

    number: int
    prediction: str
    probability: float
    low: float
    high: float
    probabilities: tuple[float, ...]
    filled: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Shortened:
    """The file is longer than what is read of it: its first `rows` rows."""

    rows: int


@dataclass(frozen=True)
class Summary:
    """A file in numbers: how often each class was predicted, and how many rows had something filled or unknown."""

    rows: int
    counts: tuple[int, ...]
    filled: int
    unknown: int


@dataclass(frozen=True)
class Measured:
    """How good the predictions are on the `known` rows whose target the file tells; `low` to `high` is the 95 %
    interval."""

    target: str
    known: int
    accuracy: float
    low: float
    high: float


def predicting(model: Model, rows: pd.DataFrame) -> Generator[Any, None, Predictions]:
    """Predict rows that have the columns of the model, slice by slice. DataError where a column is missing, ModelError
    where a frozen encoder that it names is not to be had; while that comes there are its events."""
    from bigmodel.networks import Stack

    if not len(rows):
        raise DataError("predict.no_rows")
    for name in model.encoders if isinstance(model.stack, Stack) else ():
        yield from opened(name)
    # A stack of its own: its layers remember what passes through, and others may look at the same network.
    stack = Stack.of(model.stack.picture()) if isinstance(model.stack, Stack) else model.stack
    found: list[tuple[np.ndarray, ...]] = []
    filled: list[tuple[str, ...]] = []
    unknown: list[tuple[str, ...]] = []
    start, size = 0, FIRST
    while start < len(rows):
        begun = time.perf_counter()
        part = rows.iloc[start : start + size].reset_index(drop=True)
        found.append(_predicted(model, stack, part))
        gaps, strange = doubts(model, part)
        filled, unknown = filled + gaps, unknown + strange
        start += len(part)
        spent = time.perf_counter() - begun
        size = max(1, min(4 * size, int(size * SLICE / max(spent, 1e-6))))
        if start < len(rows):
            yield Reading("predict", start, len(rows))
    p, low, high = (np.concatenate(same) for same in zip(*found, strict=True))
    return Predictions(model.classes, p, low, high, tuple(filled), tuple(unknown))


def _predicted(model: Model, stack: Any, rows: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """The mean, lowest and highest probability (rows, classes) of some rows."""
    import torch

    from bigmodel.networks import Stack, predict, threads

    try:
        if not isinstance(stack, Stack):
            p = drain(stack.probabilities(prepare(model.recipe, rows, stack.encoder)))
            return p.mean(0), p.min(0), p.max(0)
        x = prepare(model.recipe, rows)
    except BigModelError:
        raise
    except (AttributeError, KeyError, IndexError, RuntimeError, TypeError, ValueError):
        # A stranger's recipe, or an encoder, of a kind that is not checked.
        raise DataError("predict.recipe") from None
    with threads(1):
        p = predict(stack, torch.from_numpy(x)).numpy()
    return p.mean(0), p.min(0), p.max(0)


def predict_row(model: Model, cells: Mapping[str, Any]) -> Predictions:
    """One row that was typed; a column that is left out counts as empty."""
    import pandas as pd

    row = {name: pd.Series([cells.get(name)], dtype=object) for name in model.columns}
    return drain(predicting(model, pd.DataFrame(row)))


def doubts(model: Model, rows: pd.DataFrame) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The columns of each row that were filled, and those with a category that the network cannot tell from any other.

    Where the rare categories share a feature of their own, a new one is as good as they are.
    """
    filled: list[list[str]] = [[] for _ in range(len(rows))]
    unknown: list[list[str]] = [[] for _ in range(len(rows))]
    for entry in model.recipe["columns"]:
        name, cells = entry["column"], rows[entry["column"]]
        told = words(cells)
        if entry["kind"] == "number":
            values = (number(cell, bool(entry.get("comma"))) for cell in cells)
            gaps = [value is None or not abs(value) <= HUGE for value in values]
        elif entry["kind"] == "date":
            gaps = (~(days(told).abs() <= HUGE)).tolist()
        else:
            gaps = [text is None for text in told]
        for k in np.flatnonzero(gaps).tolist():
            filled[k].append(name)
        if entry["kind"] == "category" and not entry["rest"]:
            known = {*entry["values"], None}
            for k in (k for k, text in enumerate(told) if text not in known):
                unknown[k].append(name)
    return [tuple(names) for names in filled], [tuple(names) for names in unknown]


def truths(model: Model, rows: pd.DataFrame) -> np.ndarray | None:
    """The class numbers (rows,) that the file itself gives, -1 where that is none we know; None without the column."""
    target = model.recipe["target"]
    if target not in rows.columns or target in model.columns:
        return None
    places = {_class(name): k for k, name in enumerate(model.classes)}
    return np.array([-1 if text is None else places.get(_class(text), -1) for text in words(rows[target])], np.int64)


def _class(text: str) -> str:
    """A class as a table writes it: 3.0 is 3."""
    value = number(text)
    return text.strip() if value is None or not abs(value) <= HUGE else f"{value:g}"


def summary(found: Predictions) -> Summary:
    """A predicted file in numbers."""
    return Summary(
        rows=len(found.p),
        counts=tuple(np.bincount(found.guess, minlength=len(found.classes)).tolist()),
        filled=sum(map(bool, found.filled)),
        unknown=sum(map(bool, found.unknown)),
    )


def measured(model: Model, rows: pd.DataFrame, found: Predictions) -> Measured | None:
    """The predictions against what the file itself says; None where it says nothing that the network knows."""
    from bigmodel.metrics import wilson

    truth = truths(model, rows)
    if truth is None or not (truth >= 0).any():
        return None
    hits, known = int((truth == found.guess).sum()), int((truth >= 0).sum())
    return Measured(model.recipe["target"], known, hits / known, *wilson(hits, known))


def listed(found: Predictions) -> Iterator[Row]:
    """The predictions, row by row."""
    for k, guess in enumerate(found.guess.tolist()):
        yield Row(
            number=k + 1,
            prediction=found.classes[guess],
            probability=float(found.p[k, guess]),
            low=float(found.low[k, guess]),
            high=float(found.high[k, guess]),
            probabilities=tuple(map(float, found.p[k])),
            filled=found.filled[k],
            unknown=found.unknown[k],
        )


def as_csv(rows: pd.DataFrame, found: Predictions) -> str:
    """The rows as they came, with what the network says of them: a table to keep."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    taken = [str(name) for name in rows.columns]
    heads = ["prediction", "probability", "lowest", "highest", *(f"p({name})" for name in found.classes)]
    writer.writerow([*taken, *(_free(name, taken) for name in [*heads, "filled", "unknown"])])
    for cells, row in zip(rows.itertuples(index=False, name=None), listed(found), strict=True):
        numbers = (row.probability, row.low, row.high, *row.probabilities)
        told = ("; ".join(row.filled), "; ".join(row.unknown))
        shown = ("" if cell is None else cell for cell in cells)
        writer.writerow([*shown, row.prediction, *(f"{value:.6g}" for value in numbers), *told])
    return out.getvalue()


def _free(name: str, taken: Sequence[str]) -> str:
    """A name for a new column that the table does not have yet."""
    while name in taken:
        name += "_"
    return name
