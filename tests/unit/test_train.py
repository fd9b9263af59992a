"""Training: the events tell the truth, a seed decides the curve, and plain PyTorch gets the same."""

import math
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from bigmodel.datasets import DatasetConfig, load_dataset
from bigmodel.errors import ConfigError, RunError
from bigmodel.networks import build, export, predict
from bigmodel.train import SURFACE, Epoch, Progress, TrainConfig, course, judge, surface_grid, train
from bigmodel.ui.words import LANGUAGES, word


@pytest.fixture(scope="module")
def article():
    return load_dataset(DatasetConfig())


@pytest.fixture(scope="module")
def moons():
    return load_dataset(DatasetConfig(dataset="moons", rows=200))


def run(config, data):
    """The stack after training, and all events."""
    stack = build(config, data)
    return stack, list(train(config, stack, data))


def curve(events):
    """What a seed decides: everything but the clock."""
    return [replace(event, seconds=0.0) for event in events if isinstance(event, Epoch)]


def test_settings_can_be_read_without_torch():
    """Importing the settings and events of training and comparison does not load torch or scikit-learn."""
    modules = "bigmodel.train, bigmodel.compare, bigmodel.datasets, bigmodel.metrics"
    code = f"import {modules}, sys; print({{'torch', 'sklearn', 'pandas'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_epochs_count_from_the_start_to_the_end(article):
    """One event before any step and one per epoch; steps add up; only the last one says that it is the end."""
    _, events = run(TrainConfig(epochs=3), article)
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [event.number for event in epochs] == [0, 1, 2, 3]
    assert [event.step for event in epochs] == [0, 20, 40, 60]
    assert all(event.steps == 60 and event.of == 3 and event.rate == 1e-3 for event in epochs)
    assert [event.ended for event in epochs] == [None, None, None, "finished"]
    assert epochs[-1].seconds > epochs[0].seconds > 0


def test_the_numbers_of_an_epoch_are_measured_on_the_whole_parts(article):
    """The last event's losses and accuracies are those of the exported network over both whole parts."""
    stack, events = run(TrainConfig(epochs=2, dropout=0.2), article)
    network, last = export(stack, 0).eval(), events[-1]
    for name, part in (("train", article.train), ("valid", article.valid)):
        with torch.no_grad():
            outputs, y = network(torch.from_numpy(part.x)), torch.from_numpy(part.y)
        assert getattr(last, f"{name}_loss") == pytest.approx(
            float(torch.nn.functional.cross_entropy(outputs, y)), abs=1e-5
        )
        assert getattr(last, f"{name}_accuracy") == pytest.approx(float((outputs.argmax(1) == y).float().mean()))


def test_the_same_seed_gives_the_same_curve_and_another_one_another(article):
    """Two trainings with equal settings agree in every number, dropout included; another seed differs."""
    config = TrainConfig(epochs=2, dropout=0.3)
    assert curve(run(config, article)[1]) == curve(run(config, article)[1])
    assert curve(run(config, article)[1]) != curve(run(replace(config, seed=43), article)[1])


def test_the_global_seed_and_grad_mode_are_left_alone(article):
    """Training draws nothing from torch's global generator and leaves gradients on between events."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    config = TrainConfig(epochs=2, dropout=0.3)
    for _ in train(config, build(config, article), article):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    assert torch.equal(torch.get_rng_state(), before)


def test_several_starts_are_several_trainings(article):
    """Each of three seeds trained together ends as it does alone, and the event holds their mean."""
    together = run(TrainConfig(epochs=2, seeds=3), article)[1][-1]
    for k, member in enumerate(together.members):
        alone = run(TrainConfig(epochs=2, seed=42 + k), article)[1][-1]
        assert member.seed == 42 + k
        assert member.valid_loss == pytest.approx(alone.valid_loss, abs=1e-5)
    assert together.valid_loss == pytest.approx(sum(m.valid_loss for m in together.members) / 3)


def test_plain_pytorch_gets_the_same_test_accuracy_on_the_article_s_problem(article):
    """With the same start and batches nn.Sequential, CrossEntropyLoss and Adam end at the same accuracy: 0.93."""
    config = TrainConfig()
    stack = build(config, article)
    network = export(stack, 0)
    list(train(config, stack, article))
    x, y = torch.from_numpy(article.train.x), torch.from_numpy(article.train.y)
    optimizer, criterion = torch.optim.Adam(network.parameters(), lr=1e-3), torch.nn.CrossEntropyLoss()
    order = torch.Generator().manual_seed(config.seed)
    for _ in range(10):
        for rows in torch.randperm(len(x), generator=order).split(32):
            optimizer.zero_grad()
            criterion(network(x[rows]), y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        logits = network(torch.from_numpy(article.test.x))
    plain = float((logits.argmax(1) == torch.from_numpy(article.test.y)).float().mean())
    packed = stack.outputs(torch.from_numpy(article.test.x)[None])[0].T
    assert float((logits - packed).abs().max()) <= 2e-5
    assert judge(stack, article).accuracy == pytest.approx(plain)
    assert plain == pytest.approx(0.93)


def test_one_output_under_cross_entropy_learns_nothing():
    """The article's first slip: the softmax of a single number is 1, so the loss is 0 and every gradient too."""
    network = torch.nn.Linear(10, 1)
    loss = torch.nn.CrossEntropyLoss()(network(torch.randn(32, 10)), torch.zeros(32, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert not network.weight.grad.any()


def test_two_tensors_are_no_data_set_for_a_loader():
    """The article's second slip: DataLoader takes one data set; a second tensor lands where the batch size belongs."""
    x, y = torch.randn(8, 10), torch.zeros(8)
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        list(torch.utils.data.DataLoader(x, y, batch_size=4))
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        list(torch.utils.data.DataLoader(x, y))
    rows = torch.utils.data.TensorDataset(x, y)
    assert len(list(torch.utils.data.DataLoader(rows, batch_size=4))) == 2


def test_two_features_come_with_a_surface(moons):
    """The surface holds P(class) on the grid: it is what the network predicts there, and it agrees with the points."""
    stack, events = run(TrainConfig(epochs=20, learning_rate=0.01), moons)
    x0, x1, y0, y1 = surface_grid(moons)
    surface = torch.frombuffer(bytearray(events[-1].surface), dtype=torch.uint8).view(2, SURFACE, SURFACE)
    assert int((surface.int().sum(0) - 255).abs().max()) <= 1
    row, column = 10, 50  # the second feature runs along rows, the first along columns
    raw = torch.tensor(
        [x0 + column * (x1 - x0) / (SURFACE - 1), y0 + row * (y1 - y0) / (SURFACE - 1)], dtype=torch.float64
    )
    point = ((raw - torch.from_numpy(moons.mean)) / torch.from_numpy(moons.scale)).float()
    assert int(surface[1, row, column]) == pytest.approx(255 * float(predict(stack, point[None])[0, 0, 1]), abs=1)


def test_more_features_have_none(article):
    """Data of ten features carries no surface."""
    assert run(TrainConfig(epochs=1), article)[1][-1].surface is None


def test_a_long_training_paints_at_most_two_hundred_surfaces(moons):
    """With 401 epochs only every third carries a surface, and the last one does."""
    _, events = run(TrainConfig(epochs=401, widths=(2,), batch=1024), moons)
    painted = [event.number for event in events if isinstance(event, Epoch) and event.surface]
    assert len(painted) <= 202
    assert painted[-1] == 401


def test_a_rate_far_too_high_ends_with_a_clear_event(article):
    """SGD at 10 diverges: no exception, a last event that says so and when, and a judge that says what to do."""
    stack, events = run(TrainConfig(learning_rate=10.0, optimizer="sgd", loss="mse"), article)
    last = events[-1]
    assert last.ended == "diverged"
    assert math.isnan(last.valid_loss)
    assert 1 <= last.members[0].diverged_at <= last.step < last.steps
    with pytest.raises(RunError, match="diverged"):
        judge(stack, article)


def test_rates_out_of_bounds_are_refused():
    """A rate of 1e9, of 0 and below are refused with the allowed range, in both languages."""
    for rate in (1e9, 0.0, -1.0, math.nan):
        with pytest.raises(ConfigError) as raised:
            TrainConfig(learning_rate=rate)
        assert all("10" in word(raised.value, language) for language in LANGUAGES)


def test_batch_normalisation_knows_no_batch_of_one():
    """A batch size of 1 is refused under batch normalisation, together with whatever else is wrong."""
    with pytest.raises(ConfigError) as raised:
        TrainConfig(normalisation="batch", batch=1, epochs=0)
    assert {problem.key for problem in raised.value.problems} == {"config.range", "train.batch_alone"}


def test_a_last_batch_of_one_row_is_left_out_under_batch_normalisation(article):
    """640 rows in batches of 71 leave one over: with batch normalisation that step is not made."""
    assert 640 % 71 == 1
    assert run(TrainConfig(normalisation="batch", batch=71, epochs=1), article)[1][-1].step == 9
    assert run(TrainConfig(batch=71, epochs=1), article)[1][-1].step == 10


def test_a_long_epoch_reports_on_its_way_and_can_be_stopped(article, monkeypatch):
    """Within an epoch longer than a slice there is Progress, and closing between two events stops at once."""
    monkeypatch.setattr(course, "SLICE", 0.0005)
    config = TrainConfig(epochs=1000, batch=1)
    stack = build(config, article)
    events = train(config, stack, article)
    seen = [next(events) for _ in range(30)]
    assert any(isinstance(event, Progress) and 0 < event.step < 640 and event.batch_loss > 0 for event in seen)
    begun = time.perf_counter()
    events.close()
    assert time.perf_counter() - begun < 0.2
    assert judge(stack, article).rows == 200


def test_slices_do_not_change_the_result(article, monkeypatch):
    """However the work is cut, the curve is the same."""
    config = TrainConfig(epochs=2, seeds=2)
    whole = curve(run(config, article)[1])
    monkeypatch.setattr(course, "SLICE", 0.0)
    monkeypatch.setattr(course, "GATHERED", 1000)
    monkeypatch.setattr("bigmodel.networks.CHUNK", 5000)
    for one, other in zip(whole, curve(run(config, article)[1]), strict=True):
        assert one.valid_loss == pytest.approx(other.valid_loss, abs=1e-5)


ARCHITECTURES = ("mlp", "logistic", "cnn", "image_cnn", "lstm", "gru", "transformer")
OPTIMIZERS = {
    "sgd": lambda p, rate: torch.optim.SGD(p, rate, momentum=0.9),
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": lambda p, rate: torch.optim.AdamW(p, rate, weight_decay=0.01),
    "rmsprop": torch.optim.RMSprop,
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_architecture_under_every_optimizer_is_the_textbook_loop(architecture, optimizer):
    """Two seeds trained at once give the logits of two plain torch.nn modules under torch.optim: within 2e-5."""
    data = load_dataset(DatasetConfig(dataset="digits"))
    rate = {"sgd": 1e-2, "rmsprop": 1e-4}.get(optimizer, 1e-3)  # RMSprop's first steps are ten times its rate
    config = TrainConfig(
        architecture=architecture, optimizer=optimizer, learning_rate=rate, momentum=0.9, weight_decay=0.01,
        widths=() if architecture == "logistic" else (8, 8), batch=256, epochs=2, seeds=2,
    )  # fmt: skip
    stack = build(config, data)
    twins = [export(stack, member) for member in range(2)]
    list(train(config, stack, data))
    x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y)
    ours = stack.outputs(torch.from_numpy(data.test.x)[None]).transpose(1, 2)
    for member, network in enumerate(twins):
        stepper, criterion = OPTIMIZERS[optimizer](network.parameters(), rate), torch.nn.CrossEntropyLoss()
        order = torch.Generator().manual_seed(config.seed + member)
        for _ in range(config.epochs):
            for rows in torch.randperm(len(x), generator=order).split(config.batch):
                stepper.zero_grad()
                criterion(network(x[rows]), y[rows]).backward()
                stepper.step()
        with torch.no_grad():
            logits = network(torch.from_numpy(data.test.x))
        assert float((logits - ours[member]).abs().max()) <= 2e-5
