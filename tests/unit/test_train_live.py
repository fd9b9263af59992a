"""A training can be steered, replayed, stopped at its best and gone back to."""

import itertools
import math
import threading
from dataclasses import replace

import pytest
import torch

from bigmodel.datasets import DatasetConfig, load_dataset
from bigmodel.errors import ConfigError, RunError
from bigmodel.networks import build, export, hidden, predict
from bigmodel.train import Change, Changed, Epoch, TrainConfig, course, train
from bigmodel.train.album import Album
from bigmodel.train.steering import Steering
from bigmodel.ui.words import LANGUAGES, word


@pytest.fixture(scope="module")
def article():
    return load_dataset(DatasetConfig())


def run(config, data, **others):
    """The stack after training, and all events."""
    stack = build(config, data)
    return stack, list(train(config, stack, data, **others))


def curve(events):
    """What a seed decides: everything but the clock."""
    return [replace(event, seconds=0.0) for event in events if isinstance(event, (Epoch, Changed))]


def steered(config, data, asked):
    """Events of a training that is asked for changes: {number of events seen: {field: value}}."""
    steering, events, stack = Steering(), [], build(config, data)
    for event in train(config, stack, data, steering=steering):
        events.append(event)
        for field, value in asked.get(len(events), {}).items():
            steering.ask(field, value)
    return stack, events


ASKED = {
    2: {"learning_rate": 0.02},
    3: {"dropout": 0.3, "batch": 50},
    5: {"weight_decay": 0.2, "batch": 16, "dropout": 0},
}


@pytest.mark.parametrize("slice_length", [0.0, 0.1])
@pytest.mark.parametrize("setting", [{"schedule": "cosine"}, {"normalisation": "batch", "seeds": 2}])
def test_a_replay_of_live_changes_gives_the_same_curve(article, monkeypatch, setting, slice_length):
    """The changes made live, put into the config, make the same epochs and numbers again, wherever work was cut."""
    monkeypatch.setattr(course, "SLICE", slice_length)
    config = TrainConfig(epochs=5, optimizer="adamw", batch=64, **setting)
    stack, events = steered(config, article, ASKED)
    made = [event for event in events if isinstance(event, Changed)]
    assert [event.field for event in made][:3] == ["learning_rate", "dropout", "batch"]
    assert made[0].old == 1e-3
    assert made[0].new == 0.02
    changes = tuple(Change(event.step, event.field, event.new) for event in made)
    twin, again = run(replace(config, changes=changes), article)
    assert curve(again) == curve(events)
    assert torch.equal(stack.numbers, twin.numbers)
    assert curve(again) != curve(run(config, article)[1])


def test_a_change_is_what_plain_pytorch_does_from_its_step_on(article):
    """A rate and a batch changed after step 30 of plain PyTorch's loop lead to the same logits."""
    changes = (Change(30, "learning_rate", 0.01), Change(30, "batch", 16))
    config = TrainConfig(epochs=2, batch=32, changes=changes)
    stack = build(config, article)
    network = export(stack, 0)
    list(train(config, stack, article))
    x, y = torch.from_numpy(article.train.x), torch.from_numpy(article.train.y)
    optimizer, criterion = torch.optim.Adam(network.parameters(), lr=1e-3), torch.nn.CrossEntropyLoss()
    orders = torch.Generator().manual_seed(config.seed)
    first, second = (torch.randperm(len(x), generator=orders) for _ in range(2))
    batches = [*first.split(32), *second[:320].split(32), *second[320:].split(16)]
    for step, rows in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 1e-3 if step < 30 else 0.01
        optimizer.zero_grad()
        criterion(network(x[rows]), y[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        gap = (network(x) - stack.outputs(x[None])[0].T).abs().max()
    assert float(gap) <= 2e-5


def test_label_smoothing_clipping_and_a_schedule_are_torch_s(article):
    """With all three, the logits are those of CrossEntropyLoss(label_smoothing), clip_grad_norm_ and OneCycleLR."""
    config = TrainConfig(epochs=3, label_smoothing=0.1, clip=0.5, schedule="one_cycle", learning_rate=0.01)
    stack = build(config, article)
    network = export(stack, 0)
    events = list(train(config, stack, article))
    x, y = torch.from_numpy(article.train.x), torch.from_numpy(article.train.y)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=60, cycle_momentum=False)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    orders, rates = torch.Generator().manual_seed(config.seed), []
    for _ in range(3):
        for rows in torch.randperm(len(x), generator=orders).split(32):
            optimizer.zero_grad()
            criterion(network(x[rows]), y[rows]).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            rates.append(scheduler.get_last_lr()[0])
            optimizer.step()
            if len(rates) < 60:
                scheduler.step()
    with torch.no_grad():
        assert float((network(x) - stack.outputs(x[None])[0].T).abs().max()) <= 2e-5
    assert [event.rate for event in events] == pytest.approx([rates[0], rates[19], rates[39], rates[59]])


def test_a_change_out_of_bounds_is_refused_when_it_is_asked_for(article):
    """A rate of 100, half a row, another field and a batch of one under batch normalisation: one sentence each."""
    steering = Steering()
    for field, value in (("learning_rate", 100), ("batch", 2.5), ("batch", math.inf), ("dropout", 1), ("widths", 8)):
        with pytest.raises(ConfigError) as raised:
            steering.ask(field, value)
        assert all("{" not in word(raised.value, language) for language in LANGUAGES)
    config = TrainConfig(normalisation="batch")
    next(train(config, build(config, article), article, steering=steering))
    with pytest.raises(ConfigError, match="at least 2 rows"):
        steering.ask("batch", 1)
    assert steering.drain() == ()


def test_of_two_wishes_for_a_field_the_later_one_counts():
    """Asked from several threads, each field comes out once, with its latest value."""
    steering = Steering()
    threads = [threading.Thread(target=steering.ask, args=("batch", size)) for size in range(1, 50)]
    for thread in threads:
        thread.start()
        thread.join()
    steering.ask("dropout", 0.1)
    assert steering.drain() == (("batch", 49), ("dropout", 0.1))
    assert steering.drain() == ()


def test_changes_have_a_form_on_the_command_line():
    """A change reads back what it writes; what is no change is refused, in the config too."""
    change = Change(120, "learning_rate", 0.01)
    assert Change.read(str(change)) == change
    for text in ("", "1:batch", "x:batch=1"):
        with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
            Change.read(text)
    with pytest.raises(ConfigError, match="widths"):
        TrainConfig(changes=(Change(1, "widths", 8),))
    with pytest.raises(ConfigError, match="between 1e-07 and 10"):
        TrainConfig(changes=(Change(1, "learning_rate", 0.0),))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "adagrad"])
def test_a_fork_without_a_change_is_the_training_going_on(article, optimizer):
    """From the album's third epoch with its moments, the curve is that of the training that never stopped."""
    config = TrainConfig(epochs=6, optimizer=optimizer, dropout=0.2, seeds=2, schedule="cosine", batch=50)
    config = replace(config, changes=(Change(20, "batch", 32),))
    album = Album()
    _, events = run(config, article, album=album)
    assert album.numbers() == tuple(range(7))
    stack, moments = album.stack_at(3), album.optimizer_at(3)
    forked = list(train(config, stack, article, start=3, moments=moments))
    assert [event.number for event in forked] == [3, 4, 5, 6]
    ahead = curve(events)[-3:]
    assert [replace(e, best=None) for e in curve(forked)[1:]] == [replace(e, best=None) for e in ahead]


def test_a_fork_with_another_rate_leaves_the_album_as_it_was(article):
    """A fork has its own numbers: the picture it came from stays, and the fork takes another course."""
    album = Album()
    config = TrainConfig(epochs=4)
    run(config, article, album=album)
    x = torch.from_numpy(article.test.x)
    before = predict(album.stack_at(2), x)
    stack = album.stack_at(2)
    events = list(train(replace(config, learning_rate=0.05), stack, article, start=2))
    assert torch.equal(predict(album.stack_at(2), x), before)
    assert not torch.equal(predict(stack, x), before)
    assert events[-1].number == 4
    assert events[-1].step == 80


def test_an_album_within_its_budget_thins_out_evenly(article):
    """Over its budget an album keeps every second, fourth, … epoch and the last; before the first there is nothing."""
    config = TrainConfig(epochs=40)
    stack = build(config, article)
    one = stack.picture().size
    album = Album(budget=30 * one)
    with pytest.raises(RunError, match="first epoch"):
        album.stack_at(0)
    list(train(config, stack, article, album=album))
    numbers = album.numbers()
    assert numbers[0] == 0
    assert numbers[-1] == 40
    assert len({b - a for a, b in itertools.pairwise(numbers[:-1])}) == 1
    assert 5 <= len(numbers) <= 30
    assert torch.equal(album.stack_at(40).numbers, stack.numbers)
    assert torch.equal(album.stack_at(39).numbers, album.stack_at(numbers[-2]).numbers)


def test_an_album_too_small_for_two_keeps_the_last(article):
    """A picture larger than the whole budget is kept alone, without the optimizer's moments."""
    config = TrainConfig(epochs=3)
    album = Album(budget=10)
    stack, _ = run(config, article, album=album)
    assert album.numbers() == (3,)
    assert torch.equal(album.stack_at(0).numbers, stack.numbers)
    assert album.optimizer_at(3) is None


OVERFIT = {"widths": (128, 128), "learning_rate": 0.01, "epochs": 200}


def test_early_stopping_ends_after_its_patience_and_keeps_the_best_epoch(article):
    """It ends `patience` epochs after the best one, and the stack gives the best epoch's validation loss."""
    stack, events = run(TrainConfig(patience=4, **OVERFIT), article)
    losses = [event.valid_loss for event in events if isinstance(event, Epoch)]
    last = events[-1]
    assert last.ended == "early"
    assert last.best == losses.index(min(losses)) == last.number - 4
    logits = stack.outputs(torch.from_numpy(article.valid.x)[None])[0].T
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(article.valid.y))
    assert float(loss) == pytest.approx(min(losses), abs=1e-5)


def test_a_stop_keeps_the_best_epoch_too(article):
    """With patience, a training that is left between two events goes back to its best epoch as well."""
    config = TrainConfig(patience=100, **OVERFIT)
    stack, album = build(config, article), Album()
    events = train(config, stack, article, album=album)
    last = next(event for event in events if event.number == 15)
    events.close()
    assert last.best < 15
    assert torch.equal(stack.numbers, album.stack_at(last.best).numbers)


def test_without_patience_the_last_epoch_stays_and_the_best_is_told(article):
    """The best epoch is named in every event, and the stack is left where the training ended."""
    album = Album()
    stack, events = run(TrainConfig(widths=(128, 128), learning_rate=0.01, epochs=15), article, album=album)
    assert events[-1].ended == "finished"
    assert events[-1].best < 15
    assert torch.equal(stack.numbers, album.stack_at(15).numbers)


def test_the_time_limit_ends_a_training_within_an_epoch(article, monkeypatch):
    """Ten thousand epochs under a limit of a second end soon after it, with all numbers of where they stand."""
    monkeypatch.setattr(course, "SLICE", 0.001)
    config = TrainConfig(epochs=10_000, seconds=1.0, batch=1)
    last = run(config, article)[1][-1]
    assert last.ended == "time"
    assert 1.0 <= last.seconds < 3
    assert 0 < last.step < last.steps
    assert last.valid_loss > 0


def test_health_is_that_of_the_last_step(article):
    """Slopes, update ratio and dead units of the first member, layer by layer, agree with plain PyTorch."""
    config = TrainConfig(epochs=1, batch=1024, widths=(32, 16), seeds=2)
    stack = build(config, article)
    network = export(stack, 0)
    before = [p.detach().clone() for p in network.parameters() if p.dim() == 2]
    health = list(train(config, stack, article))[-1].health
    x, y = torch.from_numpy(article.train.x), torch.from_numpy(article.train.y)
    torch.nn.functional.cross_entropy(network(x), y).backward()
    after = [p.detach() for p in export(stack, 0).parameters() if p.dim() == 2]
    assert health.layers == ("hidden1", "hidden2", "output")
    slopes = [float(p.grad.norm()) for p in network.parameters() if p.dim() == 2]
    assert health.gradient == pytest.approx(slopes, rel=1e-4)
    ratios = [float((b - a).norm() / a.norm()) for a, b in zip(before, after, strict=True)]
    assert health.update == pytest.approx(ratios, rel=1e-3)
    dead = [float((values[0] == 0).all(0).float().mean()) for values in hidden(stack, x)]
    assert health.dead[:2] == pytest.approx(dead)
    assert math.isnan(health.dead[2])


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu"])
def test_dead_and_saturated_units_are_counted(article, activation):
    """A quarter of the units pushed far down by their bias is dead or saturated; GELU knows neither."""
    config = TrainConfig(epochs=1, activation=activation, optimizer="sgd", widths=(64,))
    stack = build(config, article)
    stack.views(stack.numbers)[2][:, :16] = -100.0
    dead = list(train(config, stack, article))[-1].health.dead[0]
    assert math.isnan(dead) if activation == "gelu" else dead == 0.25


def test_a_very_long_training_is_examined_two_hundred_times(article):
    """With 401 epochs only every third is examined, and the last one."""
    events = run(TrainConfig(epochs=401, widths=(2,), batch=1024), article)[1]
    examined = [event.number for event in events if isinstance(event, Epoch) and event.health]
    assert len(examined) <= 202
    assert examined[-1] == 401


def test_hidden_values_are_those_after_each_activation(article):
    """What `hidden` gives for a member is what the layers of its exported twin put out."""
    stack = build(TrainConfig(widths=(8, 4), normalisation="layer", seeds=2), article)
    x = torch.from_numpy(article.test.x)
    network = export(stack, 1).eval()
    with torch.no_grad():
        first, second = network[:3](x), network[:6](x)
    values = hidden(stack, x)
    assert torch.allclose(values[0][1], first, atol=1e-6)
    assert torch.allclose(values[1][1], second, atol=1e-6)


def test_logistic_regression_has_no_hidden_layer(article):
    """The architecture of that name passes over the widths: one linear layer."""
    stack, events = run(TrainConfig(architecture="logistic", epochs=2), article)
    assert stack.shape.parameters == 22
    assert events[-1].health.layers == ("output",)
    assert hidden(stack, torch.from_numpy(article.test.x)) == []


def test_a_batch_larger_than_the_data_is_all_of_it(article):
    """A batch of 1024 over 640 rows is one step an epoch."""
    assert run(TrainConfig(batch=1024, epochs=2), article)[1][-1].step == 2


@pytest.mark.parametrize(
    "setting", [{"widths": (0,)}, {"widths": (10**6,)}, {"epochs": 10**9}, {"seconds": 0}, {"patience": -1}]
)
def test_numbers_out_of_this_world_are_refused_in_one_sentence(setting):
    """Widths of 0 or a million, a billion epochs, no time at all: what came and what is allowed."""
    with pytest.raises(ConfigError) as raised:
        TrainConfig(**setting)
    assert len(raised.value.problems) == 1
    assert "{" not in word(raised.value, "zh")
