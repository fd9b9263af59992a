"""Marks of a network: intervals, curves, thresholds, the rows behind a cell, and a test part that stays sealed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bigmodel.datasets import DatasetConfig, drain, load_dataset
from bigmodel.errors import RunError
from bigmodel.metrics import numbers_of, scores, wilson
from bigmodel.metrics.curves import THRESHOLDS, at_threshold, curves, in_cell
from bigmodel.networks import build
from bigmodel.train import TrainConfig, train
from bigmodel.train.judging import Judge, marks, probabilities


def guesses(y: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """Probabilities (1, n, C) that are often right."""
    rng = np.random.default_rng(seed)
    p = rng.random((len(y), classes)) + np.eye(classes)[y]
    return (p / p.sum(1, keepdims=True)).astype(np.float32)[None]


def test_wilson_is_the_textbooks() -> None:
    """Newcombe's (1998) example, and the ends: no errors at all still leaves doubt."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    low, high = wilson(20, 20)
    assert (low, high) == (pytest.approx(0.8389, abs=5e-5), 1.0)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("classes", [2, 4])
def test_curves_are_those_of_scikit_learn(classes: int) -> None:
    """Areas, average precision and calibration agree with scikit-learn, and the curves end in the corners."""
    from sklearn import metrics

    y = np.arange(300) % classes
    p = guesses(y, classes)[0]
    found = curves(y, p)
    assert [line.label for line in found.lines] == ([1] if classes == 2 else [0, 1, 2, 3])
    for line in found.lines:
        is_it = y == line.label
        assert line.auc == pytest.approx(metrics.roc_auc_score(is_it, p[:, line.label]))
        assert line.average_precision == pytest.approx(metrics.average_precision_score(is_it, p[:, line.label]))
        assert (line.roc[0], line.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
        assert len(line.roc) <= 150
    assert sum(b.rows for b in found.bins) == 300
    right = (p.argmax(1) == y).mean() if classes > 2 else y.mean()
    assert sum(b.rows * b.frequency for b in found.bins) / 300 == pytest.approx(right)


def test_a_perfectly_calibrated_model_has_no_calibration_error() -> None:
    """Probabilities that come true as often as they say have an error near 0; turned round they have a large one."""
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    y = (rng.random(20_000) < p).astype(np.int64)
    assert curves(y, np.stack((1 - p, p), 1)).calibration_error < 0.02
    assert curves(y, np.stack((p, 1 - p), 1)).calibration_error > 0.4


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.73, 1.0])
def test_every_threshold_has_its_scores(threshold: float) -> None:
    """Matrix, precision, recall, F1 and balanced accuracy at a threshold are scikit-learn's for that decision."""
    from sklearn import metrics

    y = np.arange(400) % 2
    p = guesses(y, 2)
    said = (p[0, :, 1].astype(float) / p[0].astype(float).sum(1) >= threshold).astype(int)
    found = at_threshold(scores(y, p, ("no", "yes")), curves(y, p[0]), threshold)
    assert found.confusion == tuple(map(tuple, metrics.confusion_matrix(y, said, labels=[0, 1]).tolist()))
    assert found.precision == pytest.approx(metrics.precision_score(y, said, zero_division=0))
    assert found.recall == pytest.approx(metrics.recall_score(y, said))
    assert found.f1 == pytest.approx(metrics.f1_score(y, said))
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(y, said))
    assert found.accuracy == pytest.approx((said == y).mean())
    assert len(curves(y, p[0]).cuts) == THRESHOLDS + 1


def test_one_class_alone_has_no_curve() -> None:
    """A part with a single class has neither ROC nor area, but a calibration."""
    y = np.zeros(30, dtype=np.int64)
    found = curves(y, guesses(y, 2)[0])
    assert found.lines == ()
    assert found.bins


def test_a_cell_lists_its_rows_most_confident_first() -> None:
    """Every row of the cell is there once, and no row of another."""
    y = np.arange(300) % 3
    p = guesses(y, 3)[0]
    matrix = scores(y, p[None], ("a", "b", "c")).confusion
    for i in range(3):
        for j in range(3):
            rows = in_cell(y, p, i, j)
            assert len(rows) == matrix[i][j]
            assert (y[rows] == i).all()
            assert (np.diff(p[rows, j]) <= 0).all()
    two = guesses(np.arange(100) % 2, 2)[0]
    said = in_cell(np.arange(100) % 2, two, 0, 1, threshold=0.3)
    assert (two[said, 1] >= 0.3 - 1e-6).all()


def test_several_seeds_have_a_mean_and_a_spread() -> None:
    """Each score's mean and sample deviation over the networks; one network alone has none."""
    y = np.arange(90) % 3
    many = np.concatenate([guesses(y, 3, seed) for seed in range(4)])
    found = scores(y, many, ("a", "b", "c"))
    spread = {one.name: one for one in found.spreads}
    assert spread["accuracy"].mean == pytest.approx(np.mean(found.members))
    assert spread["accuracy"].deviation == pytest.approx(np.std(found.members, ddof=1))
    assert set(spread) == set(numbers_of(found))
    assert scores(y, many[:1], ("a", "b", "c")).spreads == ()


def test_balanced_accuracy_counts_the_classes_that_occur() -> None:
    """Always guessing the larger of two classes is half right, however rare the other one is."""
    y = np.array([0] * 95 + [1] * 5)
    always = np.tile([0.9, 0.1], (100, 1))[None]
    found = scores(y, always, ("no", "yes"))
    assert (found.accuracy, found.balanced_accuracy) == (0.95, 0.5)
    assert math.isclose(found.log_loss, -(0.95 * math.log(0.9) + 0.05 * math.log(0.1)), rel_tol=1e-6)


def test_marks_look_at_the_part_that_was_asked_for() -> None:
    """Validation marks hold the validation rows, test marks the test rows; both with curves."""
    data = load_dataset(DatasetConfig(dataset="moons", rows=200))
    config = TrainConfig(widths=(8,), epochs=1)
    stack = build(config, data)
    list(train(config, stack, data))
    (valid,) = [event for event in marks(stack, data, "valid", 1) if event is not None]
    (test,) = [event for event in marks(stack, data, "test", 1, looks=3) if event is not None]
    assert (valid.scores.rows, test.scores.rows, test.looks) == (32, 40, 3)
    assert valid.curves is not None
    p = drain(probabilities(stack, data.valid.x))
    assert scores(data.valid.y, p, data.classes) == valid.scores


def test_looks_while_it_learns_take_a_small_share() -> None:
    """A second look at once is not due; a network that diverged is not looked at, and asking for it says so."""
    data = load_dataset(DatasetConfig(dataset="moons", rows=100))
    stack = build(TrainConfig(widths=(4,)), data)
    judge = Judge(stack, data)
    (seen,) = [event for event in judge.look(0) if event is not None]
    assert (seen.part, seen.curves) == ("valid", None)
    assert list(judge.look(1)) == []
    stack.alive = ()
    assert list(Judge(stack, data).look(2)) == []
    with pytest.raises(RunError, match="diverged"):
        list(marks(stack, data, "test", 2, looks=1))
