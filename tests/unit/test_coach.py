"""The coach names what is wrong with a real training, and is silent about a healthy one."""

from __future__ import annotations

from typing import Any

import pytest

from bigmodel.datasets import Dataset, DatasetConfig, load_dataset
from bigmodel.networks import build
from bigmodel.train import TrainConfig, train
from bigmodel.train.baselines import baselines
from bigmodel.train.coach import Diagnosis, Leak, Listener, diagnose


def coached(data: Dataset, config: TrainConfig, *more: Any) -> dict[str, Diagnosis]:
    """The diagnoses of a training that went to its end, by key."""
    stack = build(config, data)
    listener, events = Listener(stack, data), list(more)
    for event in train(config, stack, data):
        events.append(event)
    events += listener.look(config.epochs, last=True)
    found = diagnose(events, config, rows=len(data.valid.y), over=True)
    return {one.key: one for one in found}


@pytest.fixture(scope="module")
def article() -> Dataset:
    return load_dataset(DatasetConfig())


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset(DatasetConfig(dataset="digits"))


def test_a_healthy_run_is_left_in_peace(article: Dataset, digits: Dataset) -> None:
    """The article's own settings, and digits until they are learnt, have nothing wrong with them."""
    assert not coached(article, TrainConfig())
    assert not coached(digits, TrainConfig(widths=(64,), epochs=30))


def test_a_rate_that_breaks_the_network_is_named_with_its_step(article: Dataset) -> None:
    """A hundred times too fast, SGD leaves the finite numbers; the mend is a tenth of the rate."""
    found = coached(article, TrainConfig(optimizer="sgd", learning_rate=10.0, loss="mse"))
    assert dict(found["diverged"].values)["rate"] == 10.0
    assert dict(found["diverged"].mend.settings) == {"learning_rate": 1.0}


def test_a_rate_at_which_the_loss_rises_is_too_high(article: Dataset) -> None:
    """Adam at 0.5 ends above where it began, or leaps about: the rate is blamed first, and a tenth of it proposed."""
    found = coached(article, TrainConfig(learning_rate=0.5))
    first = next(iter(found))
    assert first in ("rate_high", "rate_leaps", "dead")
    assert dict(found[first].mend.settings)["learning_rate"] == pytest.approx(0.05)


def test_a_rate_that_hardly_moves_is_too_low(article: Dataset) -> None:
    """SGD at 0.0001 has learnt next to nothing after ten epochs; the mend is a fork at ten times the rate."""
    found = coached(article, TrainConfig(optimizer="sgd", learning_rate=1e-4))
    assert found["rate_low"].mend.kind == "fork"
    assert dict(found["rate_low"].mend.settings) == {"learning_rate": pytest.approx(1e-3)}


def test_learning_by_heart_is_overfitting(digits: Dataset) -> None:
    """A wide network on few noisy rows: the validation loss rises from its best, and dropout from there is proposed."""
    few = load_dataset(DatasetConfig(dataset="moons", rows=100, noise=0.5))
    found = coached(few, TrainConfig(widths=(256, 256), epochs=150, learning_rate=3e-3))
    mend = found["overfitting"].mend
    assert mend.kind == "fork"
    assert mend.epoch == dict(found["overfitting"].values)["best"]
    assert dict(mend.settings) == {"dropout": 0.3}


def test_a_run_cut_short_is_unfinished(digits: Dataset) -> None:
    """Three epochs of digits are still falling: the mend goes on for more."""
    found = coached(digits, TrainConfig(widths=(32,), epochs=3, learning_rate=3e-4))
    assert dict(found["unfinished"].mend.settings)["epochs"] > 3


def test_a_simple_model_that_does_better_is_named() -> None:
    """A straight line cannot part two circles: gradient boosting does, and the mend is a network with layers."""
    circles = load_dataset(DatasetConfig(dataset="circles"))
    config = TrainConfig(architecture="logistic", epochs=40, learning_rate=0.05)
    marks = [mark for mark in baselines(circles, config.loss) if mark is not None]
    beaten = coached(circles, config, *marks)["beaten"]
    assert dict(beaten.values)["name"] == "boosting"
    assert dict(beaten.mend.settings)["architecture"] == "mlp"


def test_a_column_that_tells_the_answer_comes_first() -> None:
    """A leak is told before anything has been trained, with the column to leave out."""
    leak = Leak("telling", (("column", "outcome"), ("share", 1.0)))
    (found,) = diagnose([leak], TrainConfig(), rows=100, over=False)
    assert found.mend.leave_out == "outcome"
    assert found.mend.kind == "anew"
