"""How good a classifier is, from its probabilities: scikit-learn does the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scores:
    """The test of one network on `rows` rows.

    Precision, recall and F1 are those of the second class when there are two (`average` is "binary"), else the plain
    mean over classes ("macro"). `auc` is the area under the ROC curve, for many classes the mean of one class against
    the rest over the classes that occur; None when fewer than two do. `log_loss` is in nats. `confusion[i][j]` counts
    rows of class i taken for class j. `members` holds the accuracy of each network when several seeds were trained;
    the rest is the first's.
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


def scores(y: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> Scores:
    """Score probabilities (K, n, C) of K networks against class numbers y (n,)."""
    from sklearn import metrics

    p = probabilities[0].astype(np.float64)
    p = p / p.sum(1, keepdims=True)
    guess, labels = p.argmax(1), np.arange(len(classes))
    average = "binary" if len(classes) == 2 else "macro"
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        y, guess, labels=None if average == "binary" else labels, average=average, zero_division=0.0
    )
    return Scores(
        accuracy=float(metrics.accuracy_score(y, guess)),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        auc=_auc(y, p),
        log_loss=float(metrics.log_loss(y, p, labels=labels)),
        confusion=tuple(tuple(int(n) for n in row) for row in metrics.confusion_matrix(y, guess, labels=labels)),
        classes=classes,
        average=average,
        rows=len(y),
        members=tuple(float(np.mean(one.argmax(1) == y)) for one in probabilities),
    )


def _auc(y: np.ndarray, p: np.ndarray) -> float | None:
    """The mean area over classes that have rows for and against; for two classes that of the second."""
    from sklearn.metrics import roc_auc_score

    wanted = [1] if p.shape[1] == 2 else range(p.shape[1])
    areas = [float(roc_auc_score(y == k, p[:, k])) for k in wanted if 0 < np.sum(y == k) < len(y)]
    return sum(areas) / len(areas) if areas else None
