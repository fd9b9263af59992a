"""What simple models reach on the same split: the marks that a network has to beat.

Always guessing the commonest class, logistic regression, and gradient boosting (both scikit-learn's), fitted on the
training part and measured on the validation part as the network is. They work in pieces of a fraction of a second, on
a sample where there is a lot of data, and say how much of it they saw.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset

ROWS = 5_000
"""Most rows of the training part that a baseline is fitted on."""

COLUMNS = 100
"""Most columns that gradient boosting looks at: those that tell the classes apart best, one by one."""

WORK = 5_000_000
"""Most rows · columns · classes of logistic regression; fewer rows are taken when there are many columns."""


@dataclass(frozen=True)
class Baseline:
    """A simple model's measurement on the validation part, after `seconds` of work.

    `name` is "majority", "logistic" or "boosting". It was fitted on `rows` of the training part's `of`, and looked at
    `columns` of its `wide`.
    """

    paced: ClassVar[bool] = False

    name: str
    valid_loss: float
    valid_accuracy: float
    seconds: float
    rows: int
    of: int
    columns: int
    wide: int


def baselines(data: Dataset, loss: str = "cross_entropy") -> Iterator[Baseline | None]:
    """Each baseline as it is there; None after each piece of work in between. `loss` is the training's."""
    rows, wide = data.train.x.shape
    shares = np.bincount(data.train.y, minlength=len(data.classes)) / rows
    guess = np.tile(shares, (len(data.valid.y), 1))
    yield Baseline("majority", *measured(guess, data, loss), 0.0, rows, rows, 0, wide)
    if np.count_nonzero(shares) > 1:
        yield from _fitted("logistic", data, loss)
        yield from _fitted("boosting", data, loss)


def measured(guess: np.ndarray, data: Dataset, loss: str) -> tuple[float, float]:
    """(loss, accuracy) of probabilities (rows, classes) on the validation part, measured like the network's."""
    y = data.valid.y
    accuracy = float((guess.argmax(1) == y).mean())
    if loss == "mse":
        return float(np.square(guess - np.eye(guess.shape[1])[y]).mean()), accuracy
    # A tree may be quite sure and quite wrong; scikit-learn's own log loss cuts at the same place for float32.
    sure = np.clip(guess[np.arange(len(y)), y], np.finfo(np.float32).eps, 1.0)
    return float(-np.log(sure).mean()), accuracy


def _fitted(name: str, data: Dataset, loss: str) -> Iterator[Baseline | None]:
    """One of scikit-learn's models, fitted piece by piece."""
    seconds, begun = 0.0, time.perf_counter()
    rows, columns = _sample(name, data)
    x, y = data.train.x[rows][:, columns], data.train.y[rows]
    model: Any = None
    for fitted in (_logistic if name == "logistic" else _boosting)(x, y):
        model = fitted
        seconds += time.perf_counter() - begun
        yield None
        begun = time.perf_counter()
    found = model.predict_proba(data.valid.x[:, columns])
    guess = np.zeros((len(found), len(data.classes)))
    guess[:, model.classes_] = found  # a class may have no row in the sample
    numbers = measured(guess, data, loss)
    seconds += time.perf_counter() - begun
    yield Baseline(name, *numbers, seconds, len(rows), len(data.train.y), len(columns), data.train.x.shape[1])


def _sample(name: str, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the rows and columns to fit on: all of them where there are few."""
    x, y = data.train.x, data.train.y
    classes = len(data.classes)
    most = ROWS if name == "boosting" else max(20 * classes, min(ROWS, WORK // (x.shape[1] * classes)))
    rows, columns = np.arange(len(y)), np.arange(x.shape[1])
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(len(y), most, replace=False))
    if name == "boosting" and len(columns) > COLUMNS:
        columns = _telling(x[rows[:1000]], y[rows[:1000]])
    return rows, columns


def _telling(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The columns whose means differ most between the classes, against their spread within (the F of ANOVA)."""
    groups = [x[y == k] for k in np.unique(y)]
    between = sum(len(group) * np.square(group.mean(0) - x.mean(0)) for group in groups)
    within = sum(np.square(group - group.mean(0)).sum(0) for group in groups)
    return np.sort(np.argsort(-np.asarray(between / (within + 1e-9)), kind="stable")[:COLUMNS])


def _logistic(x: np.ndarray, y: np.ndarray) -> Iterator[Any]:
    """Logistic regression, twenty iterations at a time, until it stands still."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=20, warm_start=True)
    for _ in range(10):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x, y)
        yield model
        if model.n_iter_.max() < model.max_iter:
            break


def _boosting(x: np.ndarray, y: np.ndarray) -> Iterator[Any]:
    """Up to 100 rounds of gradient boosting, ten trees at a time; many classes, a tree each, get fewer rounds."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    classes = len(np.unique(y))
    trees = 1 if classes == 2 else classes
    rounds, step = max(20, min(100, 300 // trees)), max(1, 10 // trees)
    leaf = min(20, max(1, len(y) // 10))
    model = HistGradientBoostingClassifier(warm_start=True, early_stopping=False, min_samples_leaf=leaf, random_state=0)
    for count in range(step, rounds + 1, step):
        model.set_params(max_iter=count)
        model.fit(x, y)
        yield model
