"""What is drawn of a classifier's probabilities: ROC, precision against recall, calibration, and every threshold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bigmodel.metrics import Scores, wilson

MOST_POINTS = 150
"""Points of one curve."""

MOST_CLASSES = 10
"""Classes that get curves of their own: those with the most rows."""

BINS = 10
"""Bins of the calibration, equally wide."""

THRESHOLDS = 100
"""Even steps from 0 to 1 at which the matrix of two classes is counted."""


@dataclass(frozen=True)
class Curve:
    """The curves of one class (by number) against the rest: `roc` as (false, true positive rate), `pr` as (recall,
    precision), the area under the first, and the average precision. `share` is the class's share of the rows: the
    precision of guessing it always."""

    label: int
    roc: tuple[tuple[float, float], ...]
    pr: tuple[tuple[float, float], ...]
    auc: float
    average_precision: float
    share: float


@dataclass(frozen=True)
class Bin:
    """Rows whose probabilities lie close together: their mean, how often it came true, and how many they are."""

    probability: float
    frequency: float
    rows: int


@dataclass(frozen=True)
class Curves:
    """What is drawn of one test.

    With two classes there is one curve, that of the second; with many one for each that occurs. `bins` hold the
    probability of the second class, with many classes that of the guess; `calibration_error` is the mean distance of
    their probability from their frequency, weighted by rows (ECE). `cuts`, for two classes only: (true negatives,
    false positives, false negatives, true positives) when the second class is said from each of the thresholds on.
    """

    lines: tuple[Curve, ...]
    bins: tuple[Bin, ...]
    calibration_error: float
    cuts: tuple[tuple[int, int, int, int], ...] = ()


def curves(y: np.ndarray, probabilities: np.ndarray) -> Curves:
    """The curves of probabilities (n, C) of one network against class numbers y (n,)."""
    p = probabilities.astype(np.float64)
    p = p / p.sum(1, keepdims=True)
    two = p.shape[1] == 2
    counts = np.bincount(y, minlength=p.shape[1])
    wanted = [1] if two else sorted(np.argsort(-counts, kind="stable")[:MOST_CLASSES].tolist())
    hits, surest = (y == 1, p[:, 1]) if two else (p.argmax(1) == y, p.max(1))
    bins = _bins(hits, surest)
    return Curves(
        lines=tuple(_curve(k, y == k, p[:, k]) for k in wanted if 0 < counts[k] < len(y)),
        bins=bins,
        calibration_error=sum(b.rows * abs(b.probability - b.frequency) for b in bins) / len(y),
        cuts=_cuts(y == 1, p[:, 1]) if two else (),
    )


def place_of(threshold: float) -> int:
    """The number of a threshold among the cuts."""
    return min(THRESHOLDS, max(0, round(threshold * THRESHOLDS)))


def at_threshold(scores: Scores, found: Curves, threshold: float) -> Scores:
    """The scores of two classes when the second is said from another threshold on. Areas and log loss stay as they
    are, and what is known of several seeds holds for one half only."""
    tn, fp, fn, tp = found.cuts[place_of(threshold)]
    precision, recall, other = _share(tp, tp + fp), _share(tp, tp + fn), _share(tn, tn + fp)
    occur = [share for share, rows in ((recall, tp + fn), (other, tn + fp)) if rows]
    return replace(
        scores,
        accuracy=(tp + tn) / scores.rows,
        precision=precision,
        recall=recall,
        f1=_share(2 * tp, 2 * tp + fp + fn),
        confusion=((tn, fp), (fn, tp)),
        balanced_accuracy=sum(occur) / len(occur),
        interval=wilson(tp + tn, scores.rows),
        spreads=(),
    )


def in_cell(y: np.ndarray, p: np.ndarray, truth: int, guess: int, threshold: float = 0.5) -> np.ndarray:
    """The numbers of the rows of class `truth` that are taken for class `guess`, the most confident first; p (n, C) are
    the probabilities of one network. With two classes the second is said from the threshold on."""
    taken = p.argmax(1)
    if p.shape[1] == 2 and threshold != 0.5:
        taken = (p[:, 1] / p.sum(1) >= threshold).astype(np.int64)
    rows = np.flatnonzero((y == truth) & (taken == guess))
    return rows[np.argsort(-p[rows, guess], kind="stable")]


def _curve(label: int, is_it: np.ndarray, p: np.ndarray) -> Curve:
    from sklearn import metrics

    false, true, _ = metrics.roc_curve(is_it, p)
    precision, recall, _ = metrics.precision_recall_curve(is_it, p)
    return Curve(
        label=label,
        roc=_points(false, true),
        pr=_points(recall[::-1], precision[::-1]),
        auc=float(metrics.auc(false, true)),
        average_precision=float(metrics.average_precision_score(is_it, p)),
        share=float(is_it.mean()),
    )


def _points(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, float], ...]:
    """At most MOST_POINTS of a curve, its ends among them."""
    places = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).round().astype(int))
    return tuple((round(float(x[k]), 4), round(float(y[k]), 4)) for k in places)


def _bins(hits: np.ndarray, p: np.ndarray) -> tuple[Bin, ...]:
    from sklearn.calibration import calibration_curve

    frequency, probability = calibration_curve(hits, p, n_bins=BINS)
    # The same bins as scikit-learn's, which does not tell how many rows they hold.
    counts = np.bincount(np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], p), minlength=BINS)
    rows = counts[counts > 0]
    return tuple(Bin(float(a), float(b), int(n)) for a, b, n in zip(probability, frequency, rows, strict=True))


def _cuts(is_it: np.ndarray, p: np.ndarray) -> tuple[tuple[int, int, int, int], ...]:
    thresholds = np.linspace(0, 1, THRESHOLDS + 1)
    # How many of a class lie below each threshold: a row at the threshold is said.
    below = [np.searchsorted(np.sort(p[chosen]), thresholds, side="left") for chosen in (~is_it, is_it)]
    negatives, positives = int((~is_it).sum()), int(is_it.sum())
    return tuple((int(n), negatives - int(n), int(m), positives - int(m)) for n, m in zip(*below, strict=True))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
