"""Forks: what goes on from an epoch, and how its recipe tells it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bigmodel.datasets import DatasetConfig, drain, load_dataset
from bigmodel.errors import ConfigError
from bigmodel.networks import build
from bigmodel.train import Change, Epoch, Progress, TrainConfig, train
from bigmodel.train.album import Album
from bigmodel.train.fork import Origin, forked, planted, regrown
from bigmodel.train.steering import Steering


@pytest.fixture(scope="module")
def moons():
    """A hundred and sixty moons to train on."""
    return load_dataset(DatasetConfig(dataset="moons", rows=250))


BASE = TrainConfig(widths=(8,), epochs=6, batch=32)


def losses(events):
    """The losses of the epochs by number."""
    return {e.number: (e.train_loss, e.valid_loss) for e in events if isinstance(e, Epoch)}


def trained(config, data, **kinds):
    """A training from the start, with its album."""
    stack, album = build(config, data), Album()
    return stack, album, list(train(config, stack, data, album=album, **kinds))


def grow(config, origin, data, album):
    """A fork up to its end."""
    stack, moments = drain(planted(origin, config, data, album))
    return stack, list(train(config, stack, data, start=origin.epoch, moments=moments))


def test_a_fork_in_what_may_change_live_is_one_config(moons):
    """Rate, batch, dropout, decay and more epochs from epoch 3 on: one config from the start makes the same curve."""
    config = replace(BASE, optimizer="adamw")
    _, album, events = trained(config, moons)
    step = album.stack_at(3).steps
    wish = replace(config, learning_rate=0.02, batch=20, dropout=0.2, weight_decay=0.1, epochs=8)
    settings, origin = forked(Origin(config, 3), step, wish)
    assert origin is None
    assert [(c.step, c.field) for c in settings.changes] == [
        (step, "learning_rate"),
        (step, "batch"),
        (step, "dropout"),
        (step, "weight_decay"),
    ]
    stack, went_on = grow(settings, Origin(config, 3), moons, album)
    twin, _, whole = trained(settings, moons)
    assert losses(went_on) == {n: loss for n, loss in losses(whole).items() if n >= 3}
    assert losses(events)[3] == losses(whole)[3]
    assert torch.equal(stack.numbers, twin.numbers)


def test_any_other_fork_knows_where_it_comes_from(moons):
    """Another optimizer makes an origin; from it alone the same fork grows again, and a fork of that fork too."""
    _, album, _ = trained(BASE, moons)
    config, origin = forked(Origin(BASE, 2), album.stack_at(2).steps, replace(BASE, optimizer="sgd", dropout=0.1))
    assert origin == Origin(BASE, 2)
    assert config.optimizer == "sgd"
    stack, events = grow(config, origin, moons, album)
    again, once_more = grow(config, origin, moons, None)
    assert losses(events) == losses(once_more)
    assert torch.equal(stack.numbers, again.numbers)
    third = Origin(config, 4, origin)
    grown, _ = drain(regrown(third, moons))
    _, middle = grow(replace(config, epochs=4), origin, moons, album)
    assert grown.steps == next(e.step for e in middle if isinstance(e, Epoch) and e.number == 4)


def test_changes_after_the_fork_are_not_its_own(moons):
    """What was changed before the fork stays in its recipe, what came later does not."""
    config = replace(BASE, changes=(Change(3, "learning_rate", 0.01), Change(12, "learning_rate", 0.1)))
    settings, origin = forked(Origin(config, 2), 10, replace(BASE, learning_rate=0.01))
    assert (settings.changes, origin) == ((Change(3, "learning_rate", 0.01),), None)


def test_a_fork_of_the_end_goes_on_for_as_many_epochs():
    """Epochs that are over already are so many more."""
    settings, _ = forked(Origin(BASE, 6), 30, BASE)
    assert settings.epochs == 12


def test_more_epochs_under_a_schedule_are_no_replay():
    """A schedule over other epochs would have begun otherwise, so the fork needs its origin."""
    config = replace(BASE, schedule="cosine")
    _, origin = forked(Origin(config, 3), 15, replace(config, epochs=9))
    assert origin == Origin(config, 3)


def test_another_network_is_no_fork():
    """Other layers, another seed: every reason is told, with what came and what stays."""
    with pytest.raises(ConfigError) as caught:
        forked(Origin(BASE, 3), 15, replace(BASE, widths=(9,), seed=7))
    assert [problem.key for problem in caught.value.problems] == ["fork.fixed", "fork.fixed"]
    assert "9" in str(caught.value)


def test_single_steps_are_told_one_by_one(moons):
    """Each single step that is asked for is an event; the last one of an epoch is told by its Epoch."""
    steering, stack = Steering(), build(BASE, moons)
    for _ in range(100):
        steering.single()
    events = train(replace(BASE, epochs=1), stack, moons, steering=steering)
    told = [event for event in events if getattr(event, "paced", True)]
    assert [event.step for event in told] == list(range(len(told)))
    assert isinstance(told[0], Epoch)
    assert isinstance(told[-1], Epoch)
    assert all(isinstance(event, Progress) for event in told[1:-1])


def test_a_change_is_written_exactly():
    """What a link holds of a change is read back as the very same number."""
    change = Change(7, "learning_rate", 0.1 + 0.2)
    assert Change.read(str(change)) == change
    assert str(Change(7, "batch", 16)) == "7:batch=16"
