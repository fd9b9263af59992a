"""How good a classifier is, from its probabilities: scikit-learn does the arithmetic.

Here are the scores; `curves.py` holds what is drawn of them, and what another threshold would change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

BETWEEN = 1.959964
"""Standard deviations of a normal on either side that hold 95 % of it."""


@dataclass(frozen=True)
class Spread:
    """A score over several seeds: its mean and its standard deviation (of a sample)."""

    name: str
    mean: float
    deviation: float


@dataclass(frozen=True)
class Scores:
    """The test of one network on `rows` rows.

    Precision, recall and F1 are those of the second class when there are two (`average` is "binary"), else the plain
    mean over classes ("macro"). `auc` is the area under the ROC curve, for many classes the mean of one class against
    the rest over the classes that occur; None when fewer than two do. `log_loss` is in nats. `confusion[i][j]` counts
    rows of class i taken for class j. `members` holds the accuracy of each network when several seeds were trained and
    `spreads` each score over them; the rest is the first's. `balanced_accuracy` is the mean recall of the classes that
    occur, `interval` Wilson's 95 % interval of the accuracy.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    auc: float | None
    log_loss: float
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    average: str
    rows: int
    members: tuple[float, ...]
    balanced_accuracy: float = math.nan
    interval: tuple[float, float] = (0.0, 1.0)
    spreads: tuple[Spread, ...] = ()


def scores(y: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> Scores:
    """Score probabilities (K, n, C) of K networks against class numbers y (n,)."""
    from sklearn import metrics

    each = [_numbers(y, one, len(classes)) for one in probabilities]
    first, guess = each[0], probabilities[0].argmax(1)
    hits = int(np.sum(guess == y))
    return Scores(
        accuracy=hits / len(y),
        precision=first["precision"],
        recall=first["recall"],
        f1=first["f1"],
        auc=None if math.isnan(first["auc"]) else first["auc"],
        log_loss=first["log_loss"],
        confusion=tuple(
            tuple(int(n) for n in row) for row in metrics.confusion_matrix(y, guess, labels=np.arange(len(classes)))
        ),
        classes=classes,
        average="binary" if len(classes) == 2 else "macro",
        rows=len(y),
        members=tuple(one["accuracy"] for one in each),
        balanced_accuracy=first["balanced_accuracy"],
        interval=wilson(hits, len(y)),
        spreads=tuple(_spread(name, each) for name in first) if len(each) > 1 else (),
    )


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share of `hits` in `rows` (Wilson 1927): it stays within 0 and 1, also for few rows."""
    if not rows:
        return 0.0, 1.0
    share, square = hits / rows, BETWEEN**2
    middle = share + square / (2 * rows)
    half = BETWEEN * math.sqrt(share * (1 - share) / rows + square / (4 * rows**2))
    low, high = (middle - half) / (1 + square / rows), (middle + half) / (1 + square / rows)
    return max(0.0, low), min(1.0, high)


def _numbers(y: np.ndarray, probabilities: np.ndarray, classes: int) -> dict[str, float]:
    """The scores of one network by their names."""
    from sklearn import metrics

    p = probabilities.astype(np.float64)
    p = p / p.sum(1, keepdims=True)
    guess, labels = p.argmax(1), np.arange(classes)
    average = "binary" if classes == 2 else "macro"
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        y, guess, labels=None if average == "binary" else labels, average=average, zero_division=0.0
    )
    occur = np.unique(y)
    each = metrics.recall_score(y, guess, labels=occur, average="macro", zero_division=0.0)
    return {
        "accuracy": float(metrics.accuracy_score(y, guess)),
        "balanced_accuracy": float(each),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "auc": _auc(y, p),
        "log_loss": float(metrics.log_loss(y, p, labels=labels)),
    }


def _spread(name: str, each: list[dict[str, float]]) -> Spread:
    values = np.array([one[name] for one in each])
    return Spread(name, float(values.mean()), float(values.std(ddof=1)))


def _auc(y: np.ndarray, p: np.ndarray) -> float:
    """The mean area over classes that have rows for and against (NaN without any); for two classes that of the
    second."""
    from sklearn.metrics import roc_auc_score

    wanted = [1] if p.shape[1] == 2 else range(p.shape[1])
    areas = [float(roc_auc_score(y == k, p[:, k])) for k in wanted if 0 < np.sum(y == k) < len(y)]
    return sum(areas) / len(areas) if areas else math.nan


def numbers_of(scores: Scores) -> Mapping[str, float]:
    """The single numbers of a test by their names, in the order in which they are shown; NaN where one is not
    defined."""
    auc = math.nan if scores.auc is None else scores.auc
    return {
        "accuracy": scores.accuracy,
        "balanced_accuracy": scores.balanced_accuracy,
        "precision": scores.precision,
        "recall": scores.recall,
        "f1": scores.f1,
        "auc": auc,
        "log_loss": scores.log_loss,
    }
