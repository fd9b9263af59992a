"""Training a stack is training plain networks with torch.optim, to rounding."""

import itertools

import pytest
import torch

from bigmodel.networks import Shape, Stack, export
from bigmodel.optimizers import OPTIMIZERS, Knobs

RATES = (1e-3, 3e-3)
STEPS = 100


def plain_optimizer(name, network, rate):
    """torch.optim's own, with its defaults (AdamW's decay is 0.01)."""
    if name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
    if name == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=rate)
    return {"adagrad": torch.optim.Adagrad, "rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam}[name](
        network.parameters(), lr=rate
    )


def knobs(l1=0.0, l2=0.0, decay=0.01, clip=0.0):
    count = len(RATES)
    return Knobs(torch.tensor(RATES), *(torch.full((count,), v) for v in (0.9, decay, l1, l2, 0.0, clip)))


def differ(name, activation="relu", normalisation="none", loss="cross_entropy", l1=0.0, l2=0.0, clip=0.0):
    """The largest gap of logits between members and plain twins after STEPS steps on the same batches."""
    torch.manual_seed(0)
    x, y = torch.randn(STEPS, 16, 6), torch.randint(0, 3, (STEPS, 16))
    target = torch.nn.functional.one_hot(y, 3).float()
    stack = Stack(Shape(6, (12, 8), 3, activation, normalisation, 0.0, loss), [5] * len(RATES))
    twins = [export(stack, k) for k in range(len(RATES))]
    packed = OPTIMIZERS[name](stack, knobs(l1, l2, clip=clip))
    for k in range(STEPS):
        stack.learn(x[k : k + 1], target[k : k + 1].transpose(1, 2))
        packed.step()
    gaps = []
    for k, (twin, rate) in enumerate(zip(twins, RATES, strict=True)):
        plain_training(
            twin, plain_optimizer(name, twin, rate), x, y if loss == "cross_entropy" else target, l1, l2, clip
        )
        with torch.no_grad():
            gaps.append(float((twin.eval()(x[0]) - stack.outputs(x[:1])[k].T).abs().max()))
    return max(gaps)


def plain_training(network, optimizer, x, y, l1, l2, clip):
    criterion = torch.nn.CrossEntropyLoss() if y.dim() == 2 else torch.nn.MSELoss()
    weights = [m.weight for m in network if isinstance(m, torch.nn.Linear)]
    for inputs, targets in zip(x, y, strict=True):
        optimizer.zero_grad()
        loss = criterion(network(inputs), targets)
        if l1:
            loss = loss + l1 * sum(w.abs().sum() for w in weights)
        if l2:
            loss = loss + l2 / 2 * sum(w.square().sum() for w in weights)
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()


@pytest.mark.parametrize(("name", "loss"), [*itertools.product(OPTIMIZERS, ("cross_entropy", "mse"))])
def test_a_member_is_its_plain_twin_under_every_optimizer(name, loss):
    """After 100 steps the logits of members with rates of their own are within 2e-5 of torch.optim's."""
    assert differ(name, loss=loss) <= 2e-5


@pytest.mark.parametrize(
    ("name", "activation", "normalisation"),
    [*itertools.product(("sgd", "adam"), ("relu", "tanh", "sigmoid", "gelu"), ("none", "batch", "layer"))],
)
def test_a_member_is_its_plain_twin_in_every_shape(name, activation, normalisation):
    """The same holds for every activation and normalisation, running statistics included.

    Under Adam, too, which scales up any slope of mere rounding, such as that of a bias that a batch normalisation
    takes away again: therefore there is none.
    """
    assert differ(name, activation, normalisation) <= 2e-5


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_penalties_are_terms_of_the_loss(name):
    """L1 and L2 do what adding l1·Σ|w| + l2/2·Σw² to the loss does in plain PyTorch."""
    assert differ(name, l1=1e-3, l2=1e-2) <= 2e-5


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_clipping_is_that_of_torch_for_each_member(name):
    """With slopes made no longer than 0.3, penalties included, a member is as after clip_grad_norm_ on its twin."""
    assert differ(name, l2=1e-2, clip=0.3) <= 2e-5


def test_slopes_longer_than_the_limit_are_cut():
    """A limit of 0.3 takes a member somewhere else than none does, one far above any slope does not."""
    x, target = torch.randn(1, 16, 6, generator=torch.Generator().manual_seed(0)), torch.eye(3)[[0, 1] * 8].T[None]
    ends = {}
    for clip in (0.0, 0.3, 1e3):
        stack = Stack(Shape(6, (12, 8), 3, "relu", "none", 0.0, "cross_entropy"), [5] * len(RATES))
        packed = OPTIMIZERS["sgd"](stack, knobs(clip=clip))
        for _ in range(STEPS):
            stack.learn(x, target)
            packed.step()
        ends[clip] = stack.outputs(x)
    assert torch.allclose(ends[0.0], ends[1e3], atol=1e-6)
    assert (ends[0.0] - ends[0.3]).abs().amax(dim=(1, 2)).min() > 1e-2


def test_settings_are_each_member_s_own():
    """Members with momentum, decay, L1, L2 and clipping of their own end as each does alone."""
    own = Knobs(
        torch.tensor([1e-3, 3e-3]), torch.tensor([0.0, 0.9]), torch.tensor([0.0, 0.3]),
        torch.tensor([1e-3, 0.0]), torch.tensor([0.0, 1e-1]), torch.zeros(2), torch.tensor([0.0, 0.2]),
    )  # fmt: skip
    x, target = torch.randn(1, 16, 6, generator=torch.Generator().manual_seed(0)), torch.eye(3)[[0, 1] * 8].T[None]
    for name in ("sgd", "adamw"):
        ends = []
        for members in ([0, 1], [0], [1]):
            stack = Stack(Shape(6, (8,), 3, "relu", "none", 0.0, "cross_entropy"), [5] * len(members))
            packed = OPTIMIZERS[name](stack, own.of(torch.tensor(members)))
            for _ in range(20):
                stack.learn(x, target)
                packed.step()
            ends.append(stack.outputs(x))
        assert torch.allclose(ends[0], torch.cat(ends[1:]), atol=1e-6)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_an_optimizer_goes_on_from_the_moments_of_another(name):
    """Ten steps, a copy of stack and moments, ten steps more: the copy ends as the one that never stopped."""
    x, target = torch.randn(1, 16, 6, generator=torch.Generator().manual_seed(0)), torch.eye(3)[[0, 1] * 8].T[None]
    stack = Stack(Shape(6, (8,), 3, "relu", "none", 0.0, "cross_entropy"), [5, 6])
    packed = OPTIMIZERS[name](stack, knobs())
    for k in range(20):
        if k == 10:
            twin = Stack.of(stack.picture())
            other = OPTIMIZERS[name](twin, knobs())
            other.resume(packed.moments())
        stack.learn(x, target)
        packed.step()
    for _ in range(10):
        twin.learn(x, target)
        other.step()
    assert torch.equal(stack.numbers, twin.numbers)


def test_penalties_and_decay_are_not_the_same():
    """L2 under Adam and AdamW's decay lead to different weights: one goes through the slopes, the other beside them."""
    ends = []
    for name, l2, decay in (("adam", 0.1, 0.0), ("adamw", 0.0, 0.1)):
        stack = Stack(Shape(6, (8,), 3, "relu", "none", 0.0, "cross_entropy"), [5] * len(RATES))
        packed = OPTIMIZERS[name](stack, knobs(0.0, l2, decay))
        x, target = torch.randn(1, 16, 6, generator=torch.Generator().manual_seed(0)), torch.eye(3)[[0, 1] * 8].T[None]
        for _ in range(20):
            stack.learn(x, target)
            packed.step()
        ends.append(stack.numbers)
    assert not torch.allclose(*ends, atol=1e-4)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_letting_members_go_does_not_disturb_the_rest(name):
    """A member takes the same course whether its neighbour leaves in the middle or stays."""
    torch.manual_seed(0)
    x, target = torch.randn(20, 1, 16, 6), torch.eye(3)[torch.randint(0, 3, (20, 1, 16))].transpose(2, 3)
    ends = []
    for leave in (False, True):
        stack = Stack(Shape(6, (12,), 3, "relu", "none", 0.0, "cross_entropy"), [5, 6])
        packed = OPTIMIZERS[name](stack, knobs())
        for k in range(20):
            if leave and k == 10:
                packed.keep(torch.tensor([1]))
            stack.learn(x[k], target[k])
            packed.step()
        ends.append(torch.cat([view[-1].flatten() for view in stack.views(stack.numbers)]))
    assert torch.allclose(*ends, atol=1e-6)
