"""The coach: real short trainings that ail, what it says of each, that its mend helps; and it leaves healthy ones in
peace."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from bigmodel.datasets import Dataset, DatasetConfig, drain, load_dataset, read_table, table_dataset
from bigmodel.networks import build
from bigmodel.train import Epoch, TrainConfig, train
from bigmodel.train.album import Album
from bigmodel.train.baselines import Baseline, baselines
from bigmodel.train.coach import Diagnosis, Leak, Listener, diagnose, leaks
from bigmodel.train.fork import Origin, forked, planted


@lru_cache(maxsize=16)
def ground(name: str) -> tuple[Dataset, tuple[Baseline, ...]]:
    """A data set, and what simple models reach on it. "few" are moons that are few and noisy."""
    few = DatasetConfig(dataset="moons", rows=100, noise=0.5)
    data = load_dataset(few if name == "few" else DatasetConfig(dataset=name))
    return data, tuple(mark for mark in baselines(data, "cross_entropy") if mark is not None)


def heard(config: TrainConfig, data: Dataset, stack: Any, **kinds: Any) -> list[Any]:
    """The events of a training with the answers that the page hears beside them."""
    listener, events = Listener(stack, data), []
    for event in train(config, stack, data, **kinds):
        if isinstance(event, Epoch):
            events += listener.look(event.number, last=event.ended is not None)
        events.append(event)
    return events


@lru_cache(maxsize=32)
def trained(config: TrainConfig, name: str) -> tuple[list[Any], Album]:
    """The events of a training from its start to its end, and its album."""
    data, marks = ground(name)
    album = Album()
    return [*heard(config, data, build(config, data), album=album), *marks], album


def told(config: TrainConfig, name: str) -> list[Diagnosis]:
    """What the coach says of a training that went to its end."""
    return list(diagnose(trained(config, name)[0], config, rows=len(ground(name)[0].valid.y), over=True))


def mended(config: TrainConfig, name: str, found: Diagnosis) -> list[Any]:
    """The events of the run that the mend makes, as the page makes it."""
    (data, _), (events, album) = ground(name), trained(config, name)
    wish = replace(config, **dict(found.mend.settings))
    if found.mend.kind == "anew":
        return heard(wish, data, build(wish, data))
    last = max(event.number for event in events if isinstance(event, Epoch))
    number = last if found.mend.epoch is None else found.mend.epoch
    if "epochs" not in dict(found.mend.settings) and found.mend.epoch is None:
        wish = replace(wish, epochs=2 * last)
    settings, _ = forked(Origin(config, number), album.stack_at(number).steps, wish)
    stack, moments = drain(planted(Origin(config, number), settings, data, album))
    return heard(settings, data, stack, start=number, moments=moments)


def reached(events: list[Any]) -> float:
    """The last validation loss."""
    return [event.valid_loss for event in events if isinstance(event, Epoch)][-1]


HEALTHY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("article", {}),
    ("article", {"seeds": 3}),
    ("digits", {"epochs": 12}),
    ("digits", {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 12}),
    ("cancer", {}),
    ("moons", {"epochs": 40}),
    ("moons", {"activation": "tanh", "widths": (16,) * 4, "epochs": 40}),
    ("digits", {"normalisation": "batch", "widths": (32, 32)}),
)


@pytest.mark.parametrize(("name", "settings"), HEALTHY)
def test_healthy_runs_are_left_in_peace(name: str, settings: dict[str, Any]) -> None:
    """The article's default run, digits and others: nothing is told, at no epoch and not at the end."""
    config = TrainConfig(**settings)
    assert told(config, name) == []
    events, _ = trained(config, name)
    rows = len(ground(name)[0].valid.y)
    for count in range(1, len(events)):
        assert diagnose(events[:count], config, rows=rows, over=False) == ()


DEEP: dict[str, Any] = {"activation": "sigmoid", "widths": (32,) * 4, "optimizer": "sgd", "learning_rate": 0.05}

AILING: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("diverged", "article", {"optimizer": "sgd", "learning_rate": 10.0, "loss": "mse", "epochs": 4}, "learning_rate"),
    ("rate_high", "article", {"learning_rate": 1.0}, "learning_rate"),
    ("rate_high", "cancer", {"learning_rate": 0.3}, "learning_rate"),
    ("rate_leaps rate_high dead", "digits", {"learning_rate": 0.1, "epochs": 8}, "learning_rate"),
    ("rate_leaps rate_high", "article", {"learning_rate": 0.3, "activation": "tanh", "seeds": 3}, "learning_rate"),
    ("rate_low", "article", {"learning_rate": 1e-5}, "learning_rate"),
    ("rate_low", "article", {"optimizer": "sgd", "learning_rate": 1e-4}, "learning_rate"),
    ("dead rate_leaps", "article", {"learning_rate": 0.1, "seeds": 3}, "learning_rate"),
    ("dead rate_leaps", "cancer", {"learning_rate": 0.05, "seeds": 4}, "learning_rate"),
    ("dead", "article", {"l1": 0.1}, "l1"),
    ("dead", "cancer", {"l1": 0.01}, "l1"),
    ("dead", "article", {"l2": 1.0}, "l2"),
    ("dead", "moons", {"widths": (4,) * 8}, "normalisation"),
    ("saturated", "circles", {"activation": "sigmoid", "learning_rate": 0.1}, "normalisation"),
    ("saturated", "digits", {"activation": "sigmoid", "learning_rate": 0.1, "widths": (64,) * 4}, "normalisation"),
    ("vanishing", "moons", DEEP, "activation"),
    ("vanishing", "article", DEEP, "activation"),
    ("vanishing", "digits", {"activation": "sigmoid", "widths": (32,) * 5}, "activation"),
    ("vanishing", "moons", {**DEEP, "activation": "gelu", "widths": (32,) * 6, "learning_rate": 0.01}, "normalisation"),
    ("collapse", "article", {"l1": 0.1, "activation": "gelu"}, "l1"),
    ("overfitting", "few", {"widths": (256, 256), "epochs": 100, "learning_rate": 3e-3}, "l2"),
    ("overfitting", "digits", {"widths": (8,) * 6, "epochs": 60, "learning_rate": 5e-3}, "l2"),
    ("overfitting", "article", {"epochs": 60, "learning_rate": 3e-3}, "l2"),
    ("unfinished", "iris", {}, "epochs"),
    ("unfinished", "digits", {"widths": (32,), "epochs": 3, "learning_rate": 3e-4}, "epochs"),
    ("beaten", "moons", {"widths": (2,), "epochs": 30, "learning_rate": 0.01}, "widths"),
    ("beaten", "moons", {**DEEP, "activation": "tanh", "widths": (32,) * 6, "learning_rate": 0.01}, "normalisation"),
    ("beaten", "digits", {"widths": (32,) * 6, "seed": 7}, "architecture"),
    ("beaten", "circles", {"architecture": "logistic", "epochs": 20, "learning_rate": 0.05}, "architecture"),
)
"""(diagnosis, data, settings, what the mend changes). Far too high a rate is chaos: what it does to a run hangs on the
last digit of a sum, so more than one name is right for it."""


@pytest.mark.parametrize(("key", "name", "settings", "cure"), AILING)
def test_every_illness_is_told_and_its_mend_helps(key: str, name: str, settings: dict[str, Any], cure: str) -> None:
    """A real short training with each illness is diagnosed, with its numbers, and the run that the mend makes ends at a
    lower validation loss."""
    config = TrainConfig(**settings)
    found = next((one for one in told(config, name) if one.key in key.split()), None)
    assert found is not None
    assert len(found.values) >= 3
    assert cure in dict(found.mend.settings)
    before = reached(trained(config, name)[0])
    assert reached(mended(config, name, found)) < before or before != before


def test_what_one_fault_explains_is_not_told_twice() -> None:
    """A far too high rate is told as that alone: not as dead units, overfitting, or worse than a simple model too."""
    assert [one.key for one in told(TrainConfig(learning_rate=1.0), "article")] == ["rate_high"]


def test_a_mend_says_where_it_begins() -> None:
    """Overfitting is forked from the best epoch; dead units cannot be revived by a fork; more epochs go on."""
    config = TrainConfig(epochs=60, learning_rate=3e-3)
    last = [event for event in trained(config, "article")[0] if isinstance(event, Epoch)][-1]
    (one,) = [one for one in told(config, "article") if one.key == "overfitting"]
    assert (one.mend.kind, one.mend.epoch) == ("fork", last.best)
    assert [one.mend.kind for one in told(TrainConfig(l1=0.1), "article")] == ["anew"]
    (one,) = told(TrainConfig(), "iris")
    assert (one.mend.kind, one.mend.epoch, one.mend.settings) == ("fork", None, (("epochs", 20),))


def test_one_row_at_a_time_is_no_batch_to_normalise_over() -> None:
    """Where the cure is a normalisation and a batch has one row, it is the one that works row by row."""
    config = TrainConfig(widths=(4,) * 8, batch=1, epochs=2)
    cures = [dict(one.mend.settings).get("normalisation") for one in told(config, "iris")]
    assert "batch" not in cures


def test_early_stopping_is_no_overfitting() -> None:
    """A run that went back to its best epoch is not told that it learnt by heart after it."""
    assert told(TrainConfig(epochs=60, learning_rate=3e-3, patience=5), "article") == []


def test_nothing_is_said_before_there_is_anything() -> None:
    """No event, one epoch: silence."""
    assert diagnose([], TrainConfig(), rows=0, over=True) == ()
    data, _ = ground("iris")
    first = next(iter(train(TrainConfig(), build(TrainConfig(), data), data)))
    assert diagnose([first], TrainConfig(), rows=10, over=True) == ()


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A table whose column `answer` gives the class away, and of which a third stands there twice."""
    lines = [f"{i * 7 % 50},{i * 13 % 31},{'ja' if i % 3 else 'nein'},{'yes' if i % 3 else 'no'}" for i in range(150)]
    path = tmp_path / "leaky.csv"
    path.write_text("\n".join(["a,b,answer,kind", *lines, *lines[:50]]), encoding="utf-8")
    return str(path)


def test_leaks_of_a_table_are_told_with_what_mends_them(table: str) -> None:
    """The telling column is left out, the repeated rows are taken once; then both are silent, as in a table without."""
    found = list(leaks(table, "kind", DatasetConfig(), ()))
    assert all(isinstance(one, Leak) for one in found)
    one, two = sorted(diagnose(found, TrainConfig(), rows=10, over=False), key=lambda one: one.key)
    assert (one.key, one.mend.leave_out) == ("telling", "answer")
    assert (two.key, two.mend.distinct) == ("twins", True)
    assert list(leaks(table, "kind", DatasetConfig(distinct=True), ("answer",))) == []
    assert list(leaks("", "", DatasetConfig(), ())) == []
    assert list(leaks("/nowhere.csv", "", DatasetConfig(), ())) == []


def test_a_mended_leak_makes_the_test_honest(table: str) -> None:
    """Without its telling column the network no longer gets everything right; with each row once no row stands in two
    parts."""
    config = TrainConfig(epochs=40, learning_rate=0.01)
    scores = []
    for leave_out in ((), ("answer",)):
        data = table_dataset(read_table(table), "kind", DatasetConfig(distinct=True), leave_out)
        scores.append([e for e in heard(config, data, build(config, data)) if isinstance(e, Epoch)][-1].valid_accuracy)
    assert scores[0] == 1.0
    assert scores[1] < 1.0
    once = table_dataset(read_table(table), "kind", DatasetConfig(distinct=True))
    rows = [tuple(row) for part in (once.train, once.valid, once.test) for row in part.x.tolist()]
    assert len(set(rows)) == len(rows) == 150
