"""The finders on trial: every published rule for choosing a learning rate, and what its choice costs against the race.

An LR range test (Smith 2017, "Cyclical learning rates for training neural networks") trains a network for a hundred
steps while the rate grows exponentially, and a rule reads one rate off the curve of the losses. Both libraries that
made it popular smooth the losses alike (an exponential mean with 0.98, its start corrected) and stop at four times the
lowest; they differ in the range and in the rule. The functions below were written from the descriptions and the
published sources of fastai (callback/schedule.py) and Lightning (tuner/lr_finder.py), for rates and losses as lists.

All seeds and both ranges run in one packed stack: the rate is a number of a member.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from bigmodel.compare import CompareConfig, Entry, Trial
from bigmodel.train import Setting

if TYPE_CHECKING:
    import torch

    from bigmodel.compare.race import Race
    from bigmodel.datasets import Dataset

STEPS = 100
FASTAI, LIGHTNING = (1e-7, 10.0), (1e-8, 1.0)
"""From which rate to which."""

BETA = 0.98
STOP = 4.0
MOST_SEEDS = 16
ROWS = 512
"""Rows that the curvature is measured on."""

ITERATIONS = 40


@dataclass(frozen=True)
class Ramp:
    """A range test: the rate of each step and the smoothed loss after it, up to where it was stopped."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Vote:
    """What a rule says: the median over seeds, the lowest and the highest; the race's loss there, and the regret.

    `inside` is False when the vote lies beyond the rates that raced: then the loss is that of the nearest one, and the
    regret at least so much. A regret is infinite where the race diverged.
    """

    rule: str
    rate: float
    low: float
    high: float
    loss: float
    regret: float
    inside: bool


@dataclass(frozen=True)
class Votes:
    """The trial of the finders for one optimizer, against the entries that share all but the rate with its best."""

    paced = False

    optimizer: str
    best_rate: float
    best_loss: float
    votes: tuple[Vote, ...]


def smoothed(losses: Sequence[float]) -> list[float]:
    """The exponential mean of the losses, corrected for its start (as Adam's moments are)."""
    mean, found = 0.0, []
    for count, loss in enumerate(losses, start=1):
        mean = BETA * mean + (1 - BETA) * loss
        found.append(mean / (1 - BETA**count))
    return found


def ramp(rates: Sequence[float], losses: Sequence[float]) -> Ramp:
    """A range test from its raw losses: smoothed, and cut after the first loss above STOP times the lowest so far."""
    kept: list[float] = []
    lowest = math.inf
    for loss in smoothed(losses):
        if not math.isfinite(loss):
            break
        kept.append(loss)
        lowest = min(lowest, loss)
        if len(kept) > 1 and loss > STOP * lowest:
            break
    return Ramp(tuple(rates[: len(kept)]), tuple(kept))


# ---- fastai's rules: without the first tenth of the steps and the last five ----------------------------------------


def _inner(test: Ramp) -> tuple[Sequence[float], Sequence[float]]:
    return test.rates[STEPS // 10 : -5], test.losses[STEPS // 10 : -5]


def valley(test: Ramp) -> float | None:
    """fastai's default since 2.3 (after ESRI's "lr_find"): half-way along the longest falling subsequence.

    The subsequence may leave steps out. From its start the rule goes a third of its length, and half a third more.
    """
    rates, losses = _inner(test)
    if len(losses) < 3:
        return None
    longest = [1] * len(losses)
    end = 0
    for i in range(1, len(losses)):
        longest[i] = 1 + max((longest[j] for j in range(i) if losses[j] > losses[i]), default=0)
        if longest[i] > longest[end]:
            end = i
    start = max(0, end - longest[end])
    third = (end - start) / 3
    return rates[start + int(third) + int(third / 2)]


def slide(test: Ramp, width: int = 15, threshold: float = 0.005) -> float | None:
    """fastai's "slide" (after "interval slide" by N. Larrick): from the right, the first place where it is calm.

    Two places `width` apart move left together until the slopes of the loss under them differ by less than `threshold`;
    the rate under the left one is the choice.
    """
    rates, losses = _inner(test)
    if len(losses) <= width + 1:
        return None
    slopes = _gradient(losses)
    right = len(losses) - 1
    chosen = rates[right - width]
    while right - width >= 0 and abs(slopes[right] - slopes[right - width]) > threshold:
        chosen = rates[right - width]
        right -= 1
    return chosen


def steep(test: Ramp) -> float | None:
    """fastai's "steep": where the loss falls most for a step on the logarithmic axis."""
    rates, losses = _inner(test)
    if len(losses) < 2:
        return None
    falls = [
        (b - a) / (math.log(rates[k + 1]) - math.log(rates[k])) for k, (a, b) in enumerate(itertools.pairwise(losses))
    ]
    return rates[falls.index(min(falls))]


def minimum(test: Ramp) -> float | None:
    """fastai's "minimum", and the oldest advice: a tenth of the rate with the lowest loss."""
    rates, losses = _inner(test)
    return rates[losses.index(min(losses))] / 10 if losses else None


# ---- Lightning's rules: without the first ten steps and the last ---------------------------------------------------


def lightning_old(test: Ramp) -> float | None:
    """Lightning up to 2.5.2: where the loss falls most from one step to the next."""
    rates, losses = test.rates[10:-1], test.losses[10:-1]
    if len(losses) < 2:
        return None
    slopes = _gradient(losses)
    return rates[slopes.index(min(slopes))]


def lightning_new(test: Ramp) -> float | None:
    """Lightning from 2.5.3: where the loss falls most by the rate itself (numpy's gradient with the rates as places).

    By the rate itself the smallest rates look steepest: their distances are next to nothing.
    """
    rates, losses = test.rates[10:-1], test.losses[10:-1]
    if len(losses) < 2:
        return None
    import numpy as np

    return rates[int(np.gradient(np.array(losses), np.array(rates)).argmin())]


def _gradient(values: Sequence[float]) -> list[float]:
    """Central differences, one-sided at the ends (as numpy's gradient)."""
    last = len(values) - 1
    return [
        (values[min(k + 1, last)] - values[max(k - 1, 0)]) / (min(k + 1, last) - max(k - 1, 0)) for k in range(last + 1)
    ]


RULES: dict[str, tuple[Callable[[Ramp], float | None], tuple[float, float]]] = {
    "valley": (valley, FASTAI),
    "slide": (slide, FASTAI),
    "steep": (steep, FASTAI),
    "minimum": (minimum, FASTAI),
    "lightning_old": (lightning_old, LIGHTNING),
    "lightning_new": (lightning_new, LIGHTNING),
}


def stability(sharpness: float, momentum: float) -> float:
    """The largest stable rate of gradient descent on a bowl of curvature `sharpness`: 2/λ, with momentum 2(1+β)/λ.

    Polyak 1964 for the heavy ball; for networks, Cohen et al. 2021, "Gradient descent on neural networks typically
    occurs at the edge of stability".
    """
    return 2 * (1 + momentum) / sharpness


# ---- running them --------------------------------------------------------------------------------------------------


def trial_of_finders(race: Race) -> Iterator[Votes | None]:
    """The Votes for each optimizer of a race, against the race as it stands; None between two slices of work."""
    trials = race.trials()
    for optimizer in dict.fromkeys(trial.entry.optimizer for trial in trials):
        running = [t for t in trials if t.entry.optimizer == optimizer and t.runs and math.isfinite(t.valid_loss)]
        if not running:
            continue
        best = min(running, key=lambda trial: trial.valid_loss)
        same = [t for t in trials if _kind(t.entry) == _kind(best.entry)]
        found: dict[str, list[float]] | None = None
        for found in said(race.config, best.entry, race.data, race.seeds[:MOST_SEEDS]):  # noqa: B007
            yield None
        yield Votes(optimizer, best.learning_rate, best.valid_loss, tuple(_votes(found or {}, same, best.valid_loss)))


def _kind(entry: Entry) -> tuple[str, str, str]:
    return entry.optimizer, entry.schedule, entry.value


def _votes(found: dict[str, list[float]], same: Sequence[Trial], best: float) -> Iterator[Vote]:
    for rule, rates in found.items():
        if rates:
            rate = statistics.median(rates)
            loss, inside = loss_at(rate, same)
            yield Vote(rule, rate, min(rates), max(rates), loss, max(0.0, loss - best), inside)


def loss_at(rate: float, trials: Sequence[Trial]) -> tuple[float, bool]:
    """The race's loss at a rate, between its neighbours on the logarithmic axis, and whether it lies among them.

    Next to a rate that diverged it is infinite; outside it is the loss of the nearest rate.
    """
    points = sorted(
        (t.learning_rate, t.valid_loss if t.diverged_at is None else math.inf) for t in trials if not t.left
    )
    if not points:
        return math.nan, False
    rates = [point[0] for point in points]
    if not rates[0] <= rate <= rates[-1]:
        return points[0 if rate < rates[0] else -1][1], False
    at = next(k for k, known in enumerate(rates) if known >= rate)
    if rates[at] == rate or at == 0:
        return points[at][1], True
    (low, before), (high, after) = points[at - 1], points[at]
    share = math.log(rate / low) / math.log(high / low)
    return before + share * (after - before), True


def said(config: CompareConfig, entry: Entry, data: Dataset, seeds: Sequence[int]) -> Iterator[dict[str, list[float]]]:
    """What every rule says for each seed: rule → rates. Yields what is known so far between two slices of work."""
    found: dict[str, list[float]] = {rule: [] for rule in RULES}
    ramps: dict[tuple[float, float], list[Ramp]] = {}
    for ramps in range_tests(config, entry, data, seeds):  # noqa: B007
        yield found
    for rule, (choose, limits) in RULES.items():
        chosen = [choose(test) for test in ramps.get(limits, [])]
        found[rule] = [rate for rate in chosen if rate is not None]
    yield found
    if entry.optimizer == "sgd":
        found["stability"] = []
        for sharpness in sharpnesses(config, entry, data, seeds[:4]):
            if sharpness > 0:
                found["stability"].append(stability(sharpness, config.momentum))
            yield found


def range_tests(
    config: CompareConfig, entry: Entry, data: Dataset, seeds: Sequence[int]
) -> Iterator[dict[tuple[float, float], list[Ramp]]]:
    """Both range tests from every seed, in one stack; empty until they are done, a slice of work at a time."""
    import time

    import torch

    from bigmodel.networks import build, threads
    from bigmodel.train.course import SLICE, begin

    lane = _lane(config, entry, [seed for _ in (FASTAI, LIGHTNING) for seed in seeds])
    stack = build(lane, data)
    optimizer = begin(lane, stack, data).optimizer
    rates = torch.stack([torch.logspace(math.log10(low), math.log10(high), STEPS) for low, high in (FASTAI, LIGHTNING)])
    spread = rates.repeat_interleave(len(seeds), 0)
    losses: list[torch.Tensor] = []
    begun = time.perf_counter()
    for step, (x, target) in enumerate(_batches(data, stack.seeds, lane.batch)):
        with threads(1), torch.inference_mode():
            optimizer.retune(rate=spread[:, step])
            losses.append(stack.learn(x[stack.seed_of], target[stack.seed_of]))
            optimizer.step()
        if time.perf_counter() - begun > SLICE:
            yield {}
            begun = time.perf_counter()
    table = torch.stack(losses, 1).tolist()
    yield {
        limits: [ramp(rates[k].tolist(), row) for row in table[k * len(seeds) : (k + 1) * len(seeds)]]
        for k, limits in enumerate((FASTAI, LIGHTNING))
    }


def _lane(config: CompareConfig, entry: Entry, seeds: Sequence[int]) -> Any:
    from bigmodel.compare.entries import Lane, settings

    shared: dict[str, Any] = {f.name: getattr(config, f.name) for f in fields(Setting)} | settings(config, entry)
    shared |= {"schedule": "constant"}
    return Lane(**shared, runners=tuple((entry.learning_rate, seed) for seed in seeds))


def _batches(data: Dataset, seeds: Sequence[int], batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """STEPS batches, each seed in the order of rows that it has in the race: epoch after epoch."""
    import torch

    x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y)
    targets = torch.eye(len(data.classes))[y]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    given = 0
    while given < STEPS:
        order = torch.stack([torch.randperm(len(x), generator=generator) for generator in generators])
        for rows in torch.split(order, batch, 1):
            if given < STEPS and rows.shape[1] > 1:
                given += 1
                yield x[rows], targets[rows].transpose(1, 2).contiguous()


def sharpnesses(config: CompareConfig, entry: Entry, data: Dataset, seeds: Sequence[int]) -> Iterator[float]:
    """The largest eigenvalue of the training loss's Hessian at the start, from each seed."""
    import torch

    from bigmodel.networks import build, export, threads

    stack = build(_lane(config, entry, seeds), data)
    x, y = torch.from_numpy(data.train.x[:ROWS]), torch.from_numpy(data.train.y[:ROWS])
    for member in range(len(stack.alive)):
        network = export(stack, member)
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()
        with threads(1):
            value = sharpness(network, x, y, config.loss)
        yield value


def sharpness(network: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, loss: str) -> float:
    """Power iteration on Hessian-vector products (Pearlmutter 1994): a gradient of a gradient, no matrix is made."""
    import torch

    parameters = [p for p in network.parameters() if p.requires_grad]
    outputs = network(x)
    if loss == "mse":
        error = torch.nn.functional.mse_loss(outputs, torch.eye(outputs.shape[1])[y])
    else:
        error = torch.nn.functional.cross_entropy(outputs, y)
    slopes = torch.autograd.grad(error, parameters, create_graph=True)
    flat = torch.cat([slope.reshape(-1) for slope in slopes])
    vector = torch.randn(len(flat), generator=torch.Generator().manual_seed(0))
    vector /= vector.norm()
    value = 0.0
    for _ in range(ITERATIONS):
        product = torch.autograd.grad(flat @ vector, parameters, retain_graph=True, allow_unused=True)
        parts = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, product, strict=True)]
        turned = torch.cat([part.reshape(-1) for part in parts])
        before, value = value, float(turned @ vector)
        length = float(turned.norm())
        if length == 0 or abs(value - before) < 1e-3 * abs(value):
            break
        vector = turned / length
    return value
