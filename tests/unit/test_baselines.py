"""Baselines: what simple models reach on the same split, in pieces and on a bounded sample."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bigmodel.datasets import Dataset, DatasetConfig, Part, load_dataset
from bigmodel.train.baselines import COLUMNS, ROWS, Baseline, baselines


def found(data: Dataset, loss: str = "cross_entropy") -> dict[str, Baseline]:
    """All of them by name."""
    return {mark.name: mark for mark in baselines(data, loss) if mark is not None}


def made(rows: int, columns: int, classes: int = 2) -> Dataset:
    """Random data whose first column tells the classes apart."""
    rng = np.random.default_rng(1)
    y = np.arange(rows, dtype=np.int64) % classes
    x = rng.standard_normal((rows, columns)).astype(np.float32)
    x[:, 0] += 3 * y
    part = Part(x, y)
    names = tuple(map(str, range(columns)))
    return Dataset(
        "made", names, tuple(map(str, range(classes))), part, part, part, np.zeros(columns), np.ones(columns)
    )


def test_they_are_what_scikit_learn_says() -> None:
    """Majority and logistic regression have the log loss and accuracy that scikit-learn gives."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    data = load_dataset(DatasetConfig(dataset="wine"))
    marks = found(data)
    for name, model in (
        ("majority", DummyClassifier(strategy="prior")),
        ("logistic", LogisticRegression(max_iter=500)),
    ):
        model.fit(data.train.x, data.train.y)
        loss = log_loss(data.valid.y, model.predict_proba(data.valid.x), labels=[0, 1, 2])
        assert marks[name].valid_loss == pytest.approx(loss, rel=1e-2)
        assert marks[name].valid_accuracy == pytest.approx(model.score(data.valid.x, data.valid.y))


def test_boosting_learns_what_is_no_line() -> None:
    """On XOR logistic regression guesses, gradient boosting does not."""
    marks = found(load_dataset(DatasetConfig(dataset="xor")))
    assert marks["logistic"].valid_accuracy < 0.7
    assert marks["boosting"].valid_accuracy > 0.85


def test_the_same_data_gives_the_same_marks() -> None:
    """Nothing depends on the clock but `seconds`."""
    data = load_dataset(DatasetConfig(dataset="moons", rows=200))
    one, two = ({k: (m.valid_loss, m.valid_accuracy, m.rows) for k, m in found(data).items()} for _ in range(2))
    assert one == two


def test_the_first_is_there_at_once_and_the_rest_comes_in_pieces() -> None:
    """The majority class comes before anything is fitted; the others take several pieces."""
    events = list(baselines(load_dataset(DatasetConfig(dataset="digits"))))
    assert events[0] is not None
    assert events[0].name == "majority"
    assert events.count(None) > 5


def test_much_data_is_sampled_and_the_sample_is_told() -> None:
    """Rows and columns beyond the limits are left out; the marks say how many were seen."""
    many = found(made(ROWS + 1000, 3))
    assert {(mark.rows, mark.of) for name, mark in many.items() if name != "majority"} == {(ROWS, ROWS + 1000)}
    wide = found(made(300, COLUMNS + 400))
    assert (wide["boosting"].columns, wide["boosting"].wide) == (COLUMNS, COLUMNS + 400)
    assert wide["boosting"].valid_accuracy > 0.9  # the telling column is among those kept
    assert wide["logistic"].columns == COLUMNS + 400


def test_squared_error_is_measured_as_the_network_measures_it() -> None:
    """Under MSE the loss is the mean over rows and classes of the squared gap."""
    marks = found(made(100, 2), "mse")
    assert marks["majority"].valid_loss == pytest.approx(0.25)


def test_one_class_has_the_majority_only() -> None:
    """A training part of one class leaves nothing to fit."""
    data = made(30, 2)
    part = Part(data.train.x, np.zeros(30, dtype=np.int64))
    marks = found(Dataset("one", data.features, data.classes, part, part, part, data.mean, data.scale))
    assert list(marks) == ["majority"]
    assert marks["majority"].valid_loss == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 5])
def test_few_rows_are_enough(classes: int) -> None:
    """Two rows of each class are fitted without an error, to finite numbers."""
    for mark in found(made(2 * classes, 2, classes)).values():
        assert math.isfinite(mark.valid_loss)
