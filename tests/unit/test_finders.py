"""The finders: each rule is the published one, and its cost is read off the race."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bigmodel.compare import CompareConfig, Entry, Trial
from bigmodel.compare import finders as f
from bigmodel.datasets import DatasetConfig, load_dataset

CURVES = {
    "cliff": [
        2.3 - 1.9 / (1 + math.exp(-(k - 62) / 5)) + 0.1 * math.sin(1.7 * k) + math.exp((k - 84) / 3) for k in range(100)
    ],
    "slow": [1.2 - 0.006 * k + 0.05 * math.cos(2.3 * k) + (0.4 * max(0, k - 90)) ** 2 for k in range(100)],
    "steps": [3 - (k > 30) - (k > 55) - 0.8 * (k > 75) + 0.02 * math.sin(k * k) for k in range(100)],
    "falling": [3 - 0.02 * k for k in range(100)],
    "lost": [2.0 - 0.01 * k + 0.1 * math.sin(k) if k < 80 else math.nan for k in range(100)],
}
"""Raw losses of a hundred steps: a fall and an explosion, mere noise, stairs, a straight line, one that gets lost."""

PUBLISHED = {
    "cliff": (0.00302, 0.015849, 0.057544, 0.052481, 0.0039811, 4.3652e-06),
    "slow": (0.001, 0.12023, 1.3183e-06, 0.19055, 0.13183, 4.7863e-07),
    "steps": (0.0043652, 0.12023, 2.5119e-05, 0.33113, 0.014454, 3.6308e-06),
    "falling": (0.0012023, 0.20893, 2.7542, 0.33113, 0.83176, 3.9811e-07),
    "lost": (0.00033113, 0.013183, 6.3096e-07, 0.020893, 0.0083176, 7.5858e-08),
}
"""What the libraries' own functions make of these losses, from their smoothing to their suggestion: fastai's four
rules, then Lightning 2.5.2 and 2.5.3, in the order of RULES."""


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("rule", f.RULES)
def test_every_rule_says_what_the_published_one_says(name, rule):
    """From the same raw losses each rule chooses the rate that its library chooses."""
    library, choose = f.RULES[rule]
    assert choose(f.ramp(library, CURVES[name]).points) == pytest.approx(
        PUBLISHED[name][list(f.RULES).index(rule)], rel=1e-4
    )


def test_rates_of_the_two_libraries():
    """fastai stops one step short of 10; Lightning begins twice as slowly and ends at 1."""
    assert f.FASTAI.rates[0] == 1e-7
    assert f.FASTAI.rates[-1] == pytest.approx(10 ** (1 - 8 / 100))
    assert f.LIGHTNING.rates[0] == 1e-8
    assert f.LIGHTNING.rates[1] / f.LIGHTNING.rates[0] == pytest.approx(10 ** (8 * 2 / 100))
    assert f.LIGHTNING.rates[-1] == pytest.approx(1.0)


def test_smoothing_keeps_a_constant_only_where_its_start_is_corrected():
    """fastai's mean of a constant is the constant; Lightning's starts at half of it and climbs."""
    assert f.ramp(f.FASTAI, [2.0] * 100).losses == pytest.approx([2.0] * 100)
    climbing = f.ramp(f.LIGHTNING, [2.0] * 100).losses
    assert climbing[0] == pytest.approx(2 * 0.02 / (1 - 0.98**2))
    assert list(climbing) == sorted(climbing)


def test_a_range_test_ends_with_the_first_loss_above_four_times_the_lowest():
    """The loss that is too high is the last one kept; a loss that is no number ends what the rules see."""
    test = f.ramp(f.FASTAI, [1.0] * 50 + [1000.0] * 50)
    assert len(test.losses) == 51
    assert len(f.ramp(f.FASTAI, CURVES["lost"]).points[0]) == 70


def test_each_fastai_rule_finds_its_own_feature_of_a_constructed_curve():
    """On a plateau, a straight fall and a rise: the steepest step, the minimum, and the middle of the fall."""
    rates = [10.0 ** (k / 10 - 7) for k in range(80)]
    fall = [1.0] * 20 + [1 - 0.02 * k for k in range(31)] + [0.4 + 0.05 * k for k in range(1, 30)]
    assert f.minimum((rates, fall)) == pytest.approx(rates[50] / 10)
    assert rates[19] <= f.steep((rates, fall)) <= rates[50]
    # The fall is 31 long and ends at 50: a third, and half a third more, from 19 on.
    assert f.valley((rates, fall)) == pytest.approx(rates[19 + 10 + 5])
    sharp = [1.0] * 40 + [0.5] * 40
    assert f.steep((rates, sharp)) == pytest.approx(rates[39])
    # Slopes differ by more than 0.005 only where the cliff is under one of the two places: it stops right away.
    assert f.slide((rates, sharp)) == pytest.approx(rates[79 - 15])


def test_the_new_lightning_rule_prefers_the_smallest_rates():
    """The same small noise everywhere is steepest, by the rate itself, where rates are closest: at the left end."""
    test = f.ramp(f.LIGHTNING, CURVES["cliff"])
    assert f.lightning_new(test.points) < 1e-5 < f.lightning_old(test.points)


@pytest.mark.parametrize("rule", f.RULES)
def test_a_range_test_that_ends_at_once_has_no_suggestion(rule):
    """A curve that explodes in its first steps leaves nothing to choose from."""
    library, choose = f.RULES[rule]
    assert choose(f.ramp(library, [1.0, 1e9]).points) is None


# ---- the curvature -------------------------------------------------------------------------------------------------


def find(turn):
    """Run the power iteration to its end."""
    steps = f.largest(turn)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("values", [(5.0, 3.0, -1.0), (2.0, 1.0, -7.0), (-1.0, -2.0, -4.0)])
def test_power_iteration_finds_the_largest_eigenvalue(values):
    """Also where one below zero is larger in size: of (2, 1, -7) it is 2."""
    import torch

    turned, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))
    matrix = turned @ torch.diag(torch.tensor(values)) @ turned.T
    assert find(lambda vector: torch.ones(3) if vector is None else matrix @ vector) == pytest.approx(
        max(values), abs=0.02
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_hessian_is_that_of_the_loss(loss):
    """λmax of a small network is that of the whole Hessian matrix, made by torch and solved by numpy."""
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
    x, y = torch.randn(20, 2), torch.arange(20) % 2
    names, sizes = zip(*[(name, p.shape) for name, p in network.named_parameters()], strict=True)

    def error(flat):
        parts = torch.split(flat, [math.prod(size) for size in sizes])
        own = {name: part.view(size) for name, part, size in zip(names, parts, sizes, strict=True)}
        z = torch.func.functional_call(network, own, (x,))
        if loss == "mse":
            return torch.nn.functional.mse_loss(z, torch.eye(2)[y])
        return torch.nn.functional.cross_entropy(z, y)

    flat = torch.cat([p.detach().flatten() for p in network.parameters()])
    whole = torch.autograd.functional.hessian(error, flat).numpy()
    assert find(f.hessian(network, x, y, loss)) == pytest.approx(np.linalg.eigvalsh(whole).max(), rel=0.01)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradient_descent_breaks_where_the_bound_says(momentum):
    """On a bowl of curvature 3 the steps shrink just below 2(1 + β)/λ and grow just above it."""
    for share, shrinks in ((0.97, True), (1.03, False)):
        place, velocity = 1.0, 0.0
        for _ in range(2000):
            velocity = momentum * velocity + 3 * place
            place -= share * f.stability(3.0, momentum) * velocity
            if abs(place) > 1e6:
                break
        assert (abs(place) < 1) is shrinks


# ---- against the race ----------------------------------------------------------------------------------------------


def trial(rate, loss, *, optimizer="sgd", diverged=None):
    """An entry that ended with this loss."""
    return Trial(Entry(rate, optimizer, "constant"), 10, loss, loss, 0.5, 0.5, (loss,), diverged_at=diverged)


def said(**rules):
    """Votes made by hand."""
    test = f.Ramp(f.FASTAI, (), ())
    return f.Said("sgd", "constant", "", tuple((rule, rates) for rule, rates in rules.items()), test)


RACE = (trial(0.001, 0.9), trial(0.1, 0.5), trial(1.0, 0.3), trial(10.0, math.nan, diverged=3))


def test_regret_is_what_the_vote_costs_against_the_best():
    """At a raced rate it is the difference of losses, between two it is interpolated on the logarithmic axis."""
    votes = f.judged(said(valley=(0.1,), steep=(1.0,), slide=(0.01,), minimum=(0.5, 0.1, 0.1)), RACE)
    assert (votes.best_rate, votes.best_loss) == (1.0, 0.3)
    regrets = {vote.rule: vote.regret for vote in votes.votes}
    assert regrets == pytest.approx({"valley": 0.2, "steep": 0.0, "slide": 0.4, "minimum": 0.2})
    assert (votes.votes[3].low, votes.votes[3].rate, votes.votes[3].high) == (0.1, 0.1, 0.5)


def test_regret_beside_a_diverged_rate_and_beyond_the_race():
    """Nearer to a rate that diverged it is infinite; beyond the raced rates it is that of the last one, and said so."""
    votes = f.judged(said(valley=(5.0,), steep=(2.0,), slide=(1e-7,), minimum=(50.0,)), RACE).votes
    assert math.isinf(votes[0].regret)
    assert votes[1].regret == pytest.approx(0.0)
    assert votes[2].regret == pytest.approx(0.6)
    assert [vote.inside for vote in votes] == [True, True, False, False]


def test_votes_are_held_against_their_own_kind():
    """Entries of another optimizer count for nothing, and without an entry that runs there is no trial."""
    votes = f.judged(said(valley=(0.1,)), (*RACE, trial(0.1, 0.01, optimizer="adam")))
    assert votes.best_loss == 0.3
    assert f.judged(said(valley=(0.1,)), (trial(0.1, math.nan, diverged=1),)) is None


@pytest.fixture(scope="module")
def heard():
    """All rules on the moons, for SGD and Adam, three seeds."""
    data = load_dataset(DatasetConfig(dataset="moons", rows=400))
    config = CompareConfig(rates=(0.01, 0.1), optimizers=("sgd", "adam"), widths=(16,), momentum=0.0)
    trials = [trial(rate, rate, optimizer=kind) for kind in ("sgd", "adam") for rate in (0.01, 0.1)]
    return [event for event in f.listen(config, trials, data, (42, 43, 44)) if event is not None]


def test_every_rule_speaks_for_every_optimizer(heard):
    """Six rules, and the bound of the curvature for SGD alone, a rate per seed; seeds differ, so do optimizers."""
    sgd, adam = heard
    assert [rule for rule, _ in sgd.rules] == [*f.RULES, f.STABILITY]
    assert [rule for rule, _ in adam.rules] == list(f.RULES)
    assert all(len(rates) == 3 for event in heard for _, rates in event.rules)
    assert len(set(dict(sgd.rules)["valley"])) > 1
    assert dict(sgd.rules)["steep"] != dict(adam.rules)["steep"]


def test_the_range_test_is_that_of_a_plain_loop(heard):
    """The first seed's test by Adam is the one that a plain network, torch's Adam and the same batches give."""
    import torch

    from bigmodel.networks import build, export
    from bigmodel.train import TrainConfig

    data = load_dataset(DatasetConfig(dataset="moons", rows=400))
    config = TrainConfig(widths=(16,))
    network = export(build(config, data), 0)
    optimizer = torch.optim.Adam(network.parameters())
    generator = torch.Generator().manual_seed(42)
    x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y)
    losses = []
    while len(losses) < 100:
        for rows in torch.split(torch.randperm(len(x), generator=generator), 32):
            optimizer.param_groups[0]["lr"] = f.FASTAI.rates[min(len(losses), 99)]
            loss = torch.nn.functional.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    plain = f.ramp(f.FASTAI, losses[:100])
    mine = heard[1].test
    count = next(k for k, rate in enumerate(plain.rates) if rate > 0.05)
    assert mine.losses[:count] == pytest.approx(plain.losses[:count], abs=1e-3)
