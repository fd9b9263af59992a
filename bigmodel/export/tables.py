"""The numbers of a training as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bigmodel.metrics import Scores, numbers_of, wilson

if TYPE_CHECKING:
    from bigmodel.train import Epoch
    from bigmodel.train.judging import Judged


@dataclass(frozen=True)
class ClassScores:
    """How one class fares: of its `rows` so many were found (recall), of so many `guesses` so many were right
    (precision), each with Wilson's 95 % interval. NaN where nothing was there or guessed."""

    name: str
    rows: int
    guesses: int
    precision: float
    precision_interval: tuple[float, float]
    recall: float
    recall_interval: tuple[float, float]
    f1: float


def by_class(scores: Scores) -> Iterator[ClassScores]:
    """The scores of each class, out of the confusion matrix."""
    for k, name in enumerate(scores.classes):
        hits, rows, guesses = scores.confusion[k][k], sum(scores.confusion[k]), sum(row[k] for row in scores.confusion)
        yield ClassScores(
            name=name,
            rows=rows,
            guesses=guesses,
            precision=hits / guesses if guesses else math.nan,
            precision_interval=wilson(hits, guesses),
            recall=hits / rows if rows else math.nan,
            recall_interval=wilson(hits, rows),
            f1=2 * hits / (rows + guesses) if rows + guesses else math.nan,
        )


def curve(epochs: Sequence[Epoch]) -> str:
    """Losses, accuracies and the rate, an epoch a line, as CSV; numbers that are none are empty."""
    names = ("number", "step", "seconds", "rate", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
    return _csv(["epoch", *names[1:]], ([_cell(getattr(epoch, name)) for name in names] for epoch in epochs))


def scores(judged: Iterable[Judged]) -> str:
    """Every score of each part that was judged, over all and class by class, a line each.

    `low` and `high` are a 95 % interval where there is one, `seeds_mean` and `seeds_deviation` those over the starts.
    """
    heads = ["part", "epoch", "class", "score", "value", "low", "high", "rows", "seeds_mean", "seeds_deviation"]
    return _csv(heads, (line for one in judged for line in _scored(one)))


def _scored(judged: Judged) -> Iterator[list[str]]:
    found, start = judged.scores, [judged.part, str(judged.number)]
    spreads = {spread.name: spread for spread in found.spreads}
    for name, value in numbers_of(found).items():
        band = found.interval if name == "accuracy" else (math.nan, math.nan)
        over = (spreads[name].mean, spreads[name].deviation) if name in spreads else (math.nan, math.nan)
        yield [*start, "", name, *map(_cell, (value, *band, found.rows, *over))]
    for one in by_class(found):
        for name, value, band, rows in (
            ("precision", one.precision, one.precision_interval, one.guesses),
            ("recall", one.recall, one.recall_interval, one.rows),
            ("f1", one.f1, (math.nan, math.nan), one.rows),
        ):
            yield [*start, one.name, name, *map(_cell, (value, *band, rows)), "", ""]


def _csv(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return out.getvalue()


def _cell(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else ""
