"""A member of a stack is a plain network: the same start, the same outputs, the same gradients."""

import itertools

import pytest
import torch

from bigmodel.datasets import DatasetConfig, load_dataset
from bigmodel.errors import ConfigError
from bigmodel.networks import (
    Shape,
    Stack,
    build,
    check_budget,
    export,
    hidden,
    plain,
    predict,
    threads,
    threads_for,
)
from bigmodel.train import TrainConfig


def shape(**changes) -> Shape:
    values = {"features": 6, "widths": (8, 5), "classes": 3, "activation": "relu", "normalisation": "none"}
    return Shape(**{**values, "dropout": 0.0, "loss": "cross_entropy", **changes})


def batch(rows=16, features=6, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, features, generator=generator)
    return x, torch.randint(0, classes, (rows,), generator=generator)


def test_a_member_starts_as_torch_would_start_it():
    """The first numbers of a member are those of nn.Linear layers made after torch.manual_seed(seed)."""
    stack = Stack(shape(), [7, 42])
    for member, seed in enumerate((7, 42)):
        torch.manual_seed(seed)
        sizes = ((6, 8), (8, 5), (5, 3))
        plain = torch.nn.Sequential(*(torch.nn.Linear(*size) for size in sizes))
        twin = export(stack, member)
        assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize(
    ("activation", "normalisation", "loss"),
    [*itertools.product(("relu", "tanh", "sigmoid", "gelu"), ("none", "batch", "layer"), ("cross_entropy", "mse"))],
)
def test_the_closed_forms_are_the_gradients_of_autograd(activation, normalisation, loss):
    """Loss and gradients of every member are those that autograd finds for its plain twin."""
    stack = Stack(shape(activation=activation, normalisation=normalisation, loss=loss), [1, 2, 3])
    twins = [export(stack, k) for k in range(3)]
    x, y = batch()
    target = torch.nn.functional.one_hot(y, 3).float()
    losses = stack.learn(x.unsqueeze(0), target.T.unsqueeze(0))
    for k, twin in enumerate(twins):
        outputs = twin(x)
        criterion = torch.nn.CrossEntropyLoss() if loss == "cross_entropy" else torch.nn.MSELoss()
        plain = criterion(outputs, y if loss == "cross_entropy" else target)
        plain.backward()
        assert torch.allclose(losses[k], plain, atol=1e-6)
        for mine, parameter in zip(stack.views(stack.slopes), plain_order(twin), strict=True):
            assert torch.allclose(mine[k], parameter.grad, atol=1e-6)


def plain_order(network):
    """The parameters of a plain network in the order of a stack: weights, biases, then scale and shift by layer."""
    linear = [m for m in network if isinstance(m, torch.nn.Linear)]
    biases = [m.bias for m in linear if m.bias is not None]
    norms = [m for m in network if isinstance(m, (torch.nn.BatchNorm1d, torch.nn.LayerNorm))]
    return [m.weight for m in linear] + biases + [p for m in norms for p in (m.weight, m.bias)]


@pytest.mark.parametrize("normalisation", ["none", "batch", "layer"])
def test_an_exported_member_predicts_the_same(normalisation):
    """Probabilities of a member and of its exported twin in evaluation mode agree, running statistics included."""
    stack = Stack(shape(normalisation=normalisation), [1, 2])
    x, y = batch()
    target = torch.nn.functional.one_hot(y, 3).float().T.unsqueeze(0)
    for _ in range(3):
        stack.learn(x.unsqueeze(0), target)
    for k in range(2):
        with torch.no_grad():
            plain = torch.softmax(export(stack, k).eval()(x), 1)
        assert torch.allclose(predict(stack, x)[k], plain, atol=1e-6)


def test_no_hidden_layer_is_logistic_regression():
    """Without widths a member is one linear layer."""
    stack = Stack(shape(widths=()), [1])
    network = export(stack, 0)
    assert [type(m) for m in network] == [torch.nn.Linear]
    x, _ = batch()
    assert torch.allclose(predict(stack, x)[0], torch.softmax(network(x), 1), atol=1e-6)


def test_dropout_leaves_out_its_share_in_training_only():
    """About the given share of hidden numbers is 0 while training, and outputs outside training do not vary."""
    stack = Stack(shape(widths=(400,), dropout=0.3), [1])
    x, _ = batch()
    stack.outputs(x.unsqueeze(0), training=True)
    mask = next(layer.mask for layer in stack.layers if hasattr(layer, "mask"))
    assert abs(float((mask == 0).float().mean()) - 0.3) < 0.03
    assert torch.equal(stack.outputs(x.unsqueeze(0)), stack.outputs(x.unsqueeze(0)))


def test_members_of_one_seed_share_their_dropout():
    """Two members with the same seed stay the same under dropout, so that rates are compared on the same masks."""
    stack = Stack(shape(dropout=0.5), [4, 9, 4])
    x, _ = batch()
    outputs = stack.outputs(x.unsqueeze(0), training=True)
    assert torch.equal(outputs[0], outputs[2])
    assert not torch.equal(outputs[0], outputs[1])


def test_members_that_leave_do_not_touch_the_others():
    """After `keep` the remaining members answer as before."""
    stack = Stack(shape(normalisation="batch"), [1, 2, 3])
    x, _ = batch()
    before = predict(stack, x)
    stack.keep(torch.tensor([0, 2]))
    assert stack.alive == (0, 2)
    assert torch.equal(predict(stack, x), before[[0, 2]])


def test_probabilities_under_mse_are_probabilities():
    """Under MSE the raw outputs become rows that sum to 1, and the largest output keeps the largest share."""
    stack = Stack(shape(loss="mse"), [1])
    x, _ = batch(rows=500)
    p = predict(stack, x)[0]
    assert torch.allclose(p.sum(1), torch.ones(500))
    assert float(p.min()) >= 0
    assert torch.equal(p.argmax(1), stack.outputs(x.unsqueeze(0))[0].argmax(0))


def test_a_stack_too_large_for_the_machine_is_refused():
    """Eight layers of 1024 for sixteen seeds raise a ConfigError with its numbers; one such network is allowed."""
    data = load_dataset(DatasetConfig())
    with pytest.raises(ConfigError, match="16 × 7,"):
        build(TrainConfig(widths=(1024,) * 8, seeds=16), data)
    assert build(TrainConfig(widths=(1024,) * 8), data).alive == (0,)


def test_threads_are_given_back():
    """Small networks run on one thread, and the number from before is there again afterwards."""
    before = torch.get_num_threads()
    with threads(threads_for(Stack(shape(), [1]), 32)):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


GENERAL = ("cnn", "image_cnn", "lstm", "gru", "transformer")


def general(architecture, **changes) -> Shape:
    widths = (8, 12) if architecture != "transformer" else (8, 16)
    return shape(**{"architecture": architecture, "features": 16, "widths": widths, **changes})


@pytest.mark.parametrize("architecture", [*GENERAL, "mlp", "logistic"])
def test_every_architecture_starts_as_its_plain_module_would(architecture):
    """The first numbers of a member are those of the plain module made after torch.manual_seed(seed)."""
    whole = general(architecture, **({"widths": ()} if architecture == "logistic" else {}))
    stack = Stack(whole, [7, 42])
    for member, seed in enumerate((7, 42)):
        torch.manual_seed(seed)
        fresh = plain.build(architecture=architecture, features=16, widths=whole.widths, classes=3)
        ours, theirs = export(stack, member).state_dict(), fresh.state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert whole.parameters == sum(p.numel() for p in fresh.parameters())


@pytest.mark.parametrize(
    ("architecture", "normalisation", "loss"),
    [*itertools.product(GENERAL, ("none", "batch", "layer"), ("cross_entropy", "mse"))],
)
def test_packed_gradients_are_those_of_the_plain_module(architecture, normalisation, loss):
    """Loss, gradients and predictions of every member are those of its plain twin, gradients in double precision."""
    stack = Stack(general(architecture, normalisation=normalisation, loss=loss), [1, 2, 3])
    twins = [export(stack, k).double() for k in range(3)]
    x, y = batch(features=16)
    target = torch.nn.functional.one_hot(y, 3).float()
    losses = stack.learn(x.unsqueeze(0), target.T.unsqueeze(0))
    names = [part.name for part in stack.shape.layout]
    for k, twin in enumerate(twins):
        criterion = torch.nn.CrossEntropyLoss() if loss == "cross_entropy" else torch.nn.MSELoss()
        plain_loss = criterion(twin(x.double()), y if loss == "cross_entropy" else target.double())
        plain_loss.backward()
        assert torch.allclose(losses[k].double(), plain_loss, atol=1e-6)
        found = dict(twin.named_parameters())
        assert set(names) == set(found)
        for name, mine in zip(names, stack.views(stack.slopes), strict=True):
            # Batch normalisation divides by spreads near 0: PyTorch's own single precision is up to 3e-5 away.
            atol = 3e-5 if normalisation == "batch" else 2e-6
            assert torch.allclose(mine[k].double(), found[name].grad, atol=atol), name
        if loss == "cross_entropy":
            with torch.no_grad():
                expected = torch.softmax(export(stack, k).eval()(x), 1)
            assert torch.allclose(predict(stack, x)[k], expected, atol=1e-6)


@pytest.mark.parametrize("architecture", GENERAL)
def test_every_architecture_keeps_its_members_apart(architecture):
    """A member that leaves changes nothing for the others, who go on learning; dropout leaves outputs outside training
    alone."""
    stack = Stack(general(architecture, normalisation="batch", dropout=0.3), [1, 2, 3])
    x, y = batch(features=16)
    target = torch.nn.functional.one_hot(y, 3).float().T.unsqueeze(0)
    stack.learn(x.unsqueeze(0), target)
    before = predict(stack, x)
    stack.keep(torch.tensor([0, 2]))
    assert torch.allclose(predict(stack, x), before[[0, 2]], atol=1e-6)
    assert stack.learn(x.unsqueeze(0), target).shape == (2,)
    assert torch.equal(predict(stack, x), predict(stack, x))
    layers = hidden(stack, x)
    assert all(values.shape[:2] == (2, 16) for values in layers)


def test_a_picture_needs_a_picture():
    """The CNN for pictures takes the digits and refuses a table in one sentence; recurrent networks need a layer."""
    digits, article = load_dataset(DatasetConfig(dataset="digits")), load_dataset(DatasetConfig())
    assert build(TrainConfig(architecture="image_cnn", widths=(8,)), digits).alive == (0,)
    with pytest.raises(ConfigError, match="no square picture"):
        build(TrainConfig(architecture="image_cnn", widths=(8,)), article)
    for architecture in ("lstm", "gru", "transformer"):
        with pytest.raises(ConfigError, match="at least one hidden layer"):
            TrainConfig(architecture=architecture, widths=())


def test_each_architecture_has_a_budget_of_its_own():
    """What is too much is refused before it starts: memory, work, and steps that must wait for one another."""
    digits = load_dataset(DatasetConfig(dataset="digits"))
    with pytest.raises(ConfigError, match="16 × "):
        build(TrainConfig(architecture="transformer", widths=(1024, 1024), seeds=16), digits)
    with pytest.raises(ConfigError, match="576 steps one after another"):
        check_budget(general("lstm", features=64, widths=(4,) * 9), 1, 8)
