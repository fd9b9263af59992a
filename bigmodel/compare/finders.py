"""The finders on trial: every published rule for choosing a learning rate, and what its choice costs against the race.

A range test (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3) trains a network for a
hundred steps while the rate grows exponentially; a rule reads one rate off the curve of the losses. The two libraries
that made it popular differ in the range, in how they count, and in the rule:

    fastai      fastai/callback/schedule.py (`LRFinder`, `lr_find`): from 1e-7 to 10
    Lightning   src/lightning/pytorch/tuner/lr_finder.py (`_LRFinder`, `_LRCallback`): from 1e-8 to 1

Both smooth the losses (an exponential mean with 0.98, its start corrected) and stop at four times the lowest. What
stands here was written from the sources for plain rates and losses; the tests hold it to them, number by number.

For SGD there is a bound from theory beside them: 2/λmax, from the curvature at the start.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from bigmodel.compare import CompareConfig, Entry, Trial
from bigmodel.errors import ConfigError
from bigmodel.train import Setting

if TYPE_CHECKING:
    import torch

    from bigmodel.compare.entries import Lane
    from bigmodel.datasets import Dataset

STEPS = 100
BETA = 0.98
STOP = 4.0

MOST_SEEDS = 16
CURVED = 4
"""Seeds whose curvature is measured: it costs more than a range test, and differs less."""

MOST_ROWS = 2000
WORK = 300_000_000
"""Rows that the curvature is measured on at most, and multiply-adds of a forward pass over them."""

ITERATIONS = 60

Points = tuple[Sequence[float], Sequence[float]]
"""Rates and smoothed losses that a rule looks at."""


@dataclass(frozen=True)
class Library:
    """How a library makes a range test: from `low` to `high`, without the first `skipped` steps and the `last` ones.

    `ahead` is 1 for Lightning, which counts one step more than it has made: its rates are those of the next step, and
    the mean of its losses is corrected as if it held one more. Its curve therefore starts at half the loss, and climbs
    by that alone.
    """

    low: float
    high: float
    ahead: int
    skipped: int
    last: int

    @property
    def rates(self) -> tuple[float, ...]:
        """The rate of each step."""
        growth = self.high / self.low
        return tuple(self.low * growth ** ((step + self.ahead) / STEPS if step else 0.0) for step in range(STEPS))


FASTAI = Library(1e-7, 10.0, ahead=0, skipped=STEPS // 10, last=5)
LIGHTNING = Library(1e-8, 1.0, ahead=1, skipped=10, last=1)


@dataclass(frozen=True)
class Ramp:
    """A range test: the rate of each step and the smoothed loss there, up to where the library stops."""

    library: Library
    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def points(self) -> Points:
        """What the rules look at: without the first steps and the last, up to the first that is no number."""
        inside = slice(self.library.skipped, -self.library.last)
        rates, losses = self.rates[inside], self.losses[inside]
        end = next((k for k, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))
        return rates[:end], losses[:end]


def ramp(library: Library, losses: Sequence[float]) -> Ramp:
    """A range test from its raw losses: smoothed, and cut after the first loss above STOP times the lowest so far."""
    mean, lowest = 0.0, math.inf
    kept: list[float] = []
    for step, loss in enumerate(losses):
        mean = BETA * mean + (1 - BETA) * loss
        kept.append(mean / (1 - BETA ** (step + 1 + library.ahead)))
        if step and kept[-1] > STOP * lowest:
            break
        lowest = min(lowest, kept[-1])
    return Ramp(library, library.rates[: len(kept)], tuple(kept))


# ---- fastai's rules ------------------------------------------------------------------------------------------------


def valley(points: Points) -> float | None:
    """fastai's default since 2.3 (`valley`): half of the way into the longest fall, which may leave steps out.

    The fall is the longest decreasing subsequence, the first of its length. From where it would begin if it left none
    out, the rule goes a third of its length, and half a third more.
    """
    rates, losses = points
    if not losses:
        return None
    longest = [1] * len(losses)
    start = end = 0
    for here, loss in enumerate(losses):
        longest[here] += max((longest[k] for k in range(here) if losses[k] > loss), default=0)
        if longest[here] > longest[end]:
            start, end = here - longest[here], here
    third = (end - start) / 3
    return rates[start + int(third) + int(third / 2)]


def slide(points: Points, width: int = 15, threshold: float = 0.005) -> float | None:
    """fastai's `slide` (the interval slide rule): from the right, where the curve has become calm.

    Two places `width` apart move left together while the slopes of the loss under them differ by more than
    `threshold`; the rate under the left one, before it became calm, is the choice.
    """
    rates, losses = points
    right = len(losses) - 1
    if right < width:
        return None
    slopes = _slopes(losses)
    chosen = rates[right - width]
    while right >= width and abs(slopes[right] - slopes[right - width]) > threshold:
        chosen = rates[right - width]
        right -= 1
    return chosen


def steep(points: Points) -> float | None:
    """fastai's `steep`: where the loss falls most from a step to the next, on the logarithmic axis of rates."""
    rates, losses = points
    if len(losses) < 2:
        return None
    falls = [(losses[k + 1] - losses[k]) / math.log(rates[k + 1] / rates[k]) for k in range(len(losses) - 1)]
    return rates[falls.index(min(falls))]


def minimum(points: Points) -> float | None:
    """fastai's `minimum`, and the oldest advice (its course of 2018): a tenth of the rate with the lowest loss."""
    rates, losses = points
    return rates[losses.index(min(losses))] / 10 if losses else None


# ---- Lightning's rules ---------------------------------------------------------------------------------------------


def lightning_old(points: Points) -> float | None:
    """Lightning's `suggestion` up to 2.5.2: where the loss falls most by the step (numpy's gradient of the losses)."""
    rates, losses = points
    if len(losses) < 2:
        return None
    slopes = _slopes(losses)
    return rates[slopes.index(min(slopes))]


def lightning_new(points: Points) -> float | None:
    """Lightning's `suggestion` since 2.5.3 (its change #21055): where the loss falls most by the rate itself.

    By the rate itself the first steps look steepest, because their rates are next to nothing apart: users report it in
    its issue #21141.
    """
    rates, losses = points
    if len(losses) < 2:
        return None
    import numpy as np

    return rates[int(np.gradient(np.array(losses), np.array(rates)).argmin())]


def _slopes(values: Sequence[float]) -> list[float]:
    """Central differences, one-sided at the ends (as numpy's gradient)."""
    last = len(values) - 1
    ends = [(max(k - 1, 0), min(k + 1, last)) for k in range(last + 1)]
    return [(values[b] - values[a]) / max(1, b - a) for a, b in ends]


RULES: dict[str, tuple[Library, Callable[[Points], float | None]]] = {
    "valley": (FASTAI, valley),
    "slide": (FASTAI, slide),
    "steep": (FASTAI, steep),
    "minimum": (FASTAI, minimum),
    "lightning_old": (LIGHTNING, lightning_old),
    "lightning_new": (LIGHTNING, lightning_new),
}
STABILITY = "stability"


def stability(curvature: float, momentum: float) -> float:
    """The rate above which gradient descent leaves a bowl of this curvature: 2/λ, with momentum 2(1 + β)/λ.

    Polyak 1964 ("Some methods of speeding up the convergence of iteration methods") for the heavy ball; for networks
    Cohen et al. 2021 ("Gradient descent on neural networks typically occurs at the edge of stability"). It is where
    training breaks by theory, not a choice anyone advises.
    """
    return 2 * (1 + momentum) / curvature


# ---- what they say, and what it costs ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What every rule says for one kind of entry: (rule, the rates of all seeds) each. `test` is the first seed's
    range test by fastai: the one curve that such a library shows."""

    paced = False

    optimizer: str
    schedule: str
    value: str
    rules: tuple[tuple[str, tuple[float, ...]], ...]
    test: Ramp


@dataclass(frozen=True)
class Vote:
    """A rule before the race: the median of its rates over seeds, the lowest and the highest of them.

    `loss` is that of the race at the median, `regret` how much more that is than the best; infinite where the race
    diverged. With `inside` False the vote lies beyond the rates that raced: then both are those of the nearest one.
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
    """The trial of the finders for one optimizer: the race's own answer, and every rule's vote."""

    optimizer: str
    schedule: str
    value: str
    best_rate: float
    best_loss: float
    votes: tuple[Vote, ...]


def judged(said: Said, trials: Sequence[Trial]) -> Votes | None:
    """The votes against the entries that share all but the rate, as they stand; None while none of them runs."""
    kind = (said.optimizer, said.schedule, said.value)
    same = [trial for trial in trials if _kind(trial.entry) == kind]
    running = [trial for trial in same if trial.runs and math.isfinite(trial.valid_loss)]
    if not running:
        return None
    best = min(running, key=lambda trial: trial.valid_loss)
    known = {trial.learning_rate: math.inf for trial in same if trial.diverged_at is not None}
    known |= {trial.learning_rate: trial.valid_loss for trial in running}
    votes = [_vote(rule, rates, known, best.valid_loss) for rule, rates in said.rules if rates]
    return Votes(*kind, best.learning_rate, best.valid_loss, tuple(votes))


def _kind(entry: Entry) -> tuple[str, str, str]:
    return entry.optimizer, entry.schedule, entry.value


def _vote(rule: str, rates: Sequence[float], known: dict[float, float], best: float) -> Vote:
    rate = statistics.median(rates)
    loss, inside = loss_at(rate, known)
    return Vote(rule, rate, min(rates), max(rates), loss, loss - best, inside)


def loss_at(rate: float, known: dict[float, float]) -> tuple[float, bool]:
    """The loss at a rate by those `known` at others, and whether the rate lies among them.

    Between two it is interpolated on the logarithmic axis; beside one that diverged the nearer one counts, and beyond
    them all the last.
    """
    rates = sorted(known)
    if rate <= rates[0] or rate >= rates[-1]:
        edge = rates[0] if rate <= rates[0] else rates[-1]
        return known[edge], rate == edge
    after = next(k for k, other in enumerate(rates) if other >= rate)
    low, high = rates[after - 1], rates[after]
    share = math.log(rate / low) / math.log(high / low)
    if math.isinf(known[low]) or math.isinf(known[high]):
        return known[low] if share < 0.5 else known[high], True
    return known[low] + share * (known[high] - known[low]), True


def around(best: float, rates: Sequence[float], equals: Sequence[float]) -> tuple[float, ...]:
    """The unbroken stretch of `equals` round the best of all `rates`.

    A rate far off whose seeds scatter widely may be no different by the numbers alone; it is no neighbour.
    """
    ordered = sorted(rates)
    low = high = ordered.index(best)
    while low > 0 and ordered[low - 1] in equals:
        low -= 1
    while high < len(ordered) - 1 and ordered[high + 1] in equals:
        high += 1
    return tuple(ordered[low : high + 1])


def stretch(equals: Sequence[float], rates: Sequence[float]) -> tuple[float, float]:
    """From where to where a vote counts as one of the best: half of the way, on the logarithmic axis, from the lowest
    and the highest of `equals` to their neighbours among all `rates`, for nobody raced what lies between."""
    low, high = min(equals), max(equals)
    below = max((rate for rate in rates if rate < low), default=low)
    above = min((rate for rate in rates if rate > high), default=high)
    return math.sqrt(low * below), math.sqrt(high * above)


# ---- running them --------------------------------------------------------------------------------------------------


def listen(
    config: CompareConfig, trials: Sequence[Trial], data: Dataset, seeds: Sequence[int]
) -> Iterator[Said | None]:
    """Ask every rule, for each optimizer of a race: with the schedule and the value of its best entry so far.

    A schedule plays no part in a range test, the other settings do. None between two slices of work.
    """
    for optimizer in dict.fromkeys(trial.entry.optimizer for trial in trials):
        own = [trial for trial in trials if trial.entry.optimizer == optimizer]
        best = min(own, key=lambda trial: trial.valid_loss if trial.runs else math.inf)
        yield from ask(config, best.entry, data, seeds[:MOST_SEEDS])


def ask(config: CompareConfig, entry: Entry, data: Dataset, seeds: Sequence[int]) -> Iterator[Said | None]:
    """What every rule says of an entry's setting; nothing when its network is too large for a range test."""
    try:
        ramps = yield from range_tests(config, entry, data, seeds)
    except ConfigError:
        return
    rules = {rule: tuple(_said(choose, ramps[library])) for rule, (library, choose) in RULES.items()}
    if entry.optimizer == "sgd":
        curved = yield from curvatures(config, entry, data, seeds[:CURVED])
        lane = _lane(config, entry, seeds[:1])
        rules[STABILITY] = tuple(stability(value, lane.momentum) for value in curved if value > 0)
    yield Said(entry.optimizer, entry.schedule, entry.value, tuple(rules.items()), ramps[FASTAI][0])


def _said(choose: Callable[[Points], float | None], ramps: Sequence[Ramp]) -> Iterator[float]:
    for test in ramps:
        rate = choose(test.points)
        if rate is not None:
            yield rate


def range_tests(
    config: CompareConfig, entry: Entry, data: Dataset, seeds: Sequence[int]
) -> Generator[None, None, dict[Library, list[Ramp]]]:
    """Both libraries' range tests from every seed, all in one stack: the rate is a number of a member.

    Starts, order of rows and batches are those of the race. ConfigError when the machine is too small for it.
    """
    import torch

    from bigmodel.networks import build, threads
    from bigmodel.train.course import begin

    lane = _lane(config, entry, [seed for _ in (FASTAI, LIGHTNING) for seed in seeds])
    stack = build(lane, data)
    optimizer = begin(lane, stack, data).optimizer
    rates = torch.tensor([library.rates for library in (FASTAI, LIGHTNING) for _ in seeds], dtype=torch.float32)
    losses: list[torch.Tensor] = []
    for step, (x, target) in enumerate(_batches(lane, data)):
        with threads(1), torch.inference_mode():
            optimizer.retune(rate=rates[:, step])
            losses.append(stack.learn(x[stack.seed_of], target[stack.seed_of]))
            optimizer.step()
        yield
    table = torch.stack(losses, 1).tolist()
    found: dict[Library, list[Ramp]] = {FASTAI: [], LIGHTNING: []}
    for place, row in enumerate(table):
        library = FASTAI if place < len(seeds) else LIGHTNING
        found[library].append(ramp(library, row))
    return found


def _lane(config: CompareConfig, entry: Entry, seeds: Sequence[int]) -> Lane:
    from bigmodel.compare.entries import Lane, settings

    shared: dict[str, Any] = {f.name: getattr(config, f.name) for f in fields(Setting)} | settings(config, entry)
    shared |= {"schedule": "constant", "warmup": 0.0}
    return Lane(**shared, runners=tuple((entry.learning_rate, seed) for seed in seeds))


def _batches(lane: Lane, data: Dataset) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """STEPS batches, each seed in the order of rows that it has in the race, epoch after epoch."""
    import torch

    x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y)
    share = lane.label_smoothing
    targets = torch.eye(len(data.classes))[y] * (1 - share) + share / len(data.classes)
    generators = [torch.Generator().manual_seed(seed) for seed in dict.fromkeys(seed for _, seed in lane.members)]
    fewest = 2 if lane.normalisation == "batch" else 1
    given = 0
    while given < STEPS:
        order = torch.stack([torch.randperm(len(x), generator=generator) for generator in generators])
        for rows in torch.split(order, lane.batch, 1):
            if given < STEPS and rows.shape[1] >= fewest:
                given += 1
                yield x[rows], targets[rows].transpose(1, 2).contiguous()


def curvatures(
    config: CompareConfig, entry: Entry, data: Dataset, seeds: Sequence[int]
) -> Generator[None, None, list[float]]:
    """λmax of each seed's start: the largest eigenvalue of the Hessian of the loss on the training part.

    Penalties and dropout are left out; of a large part, or with a large network, only the first rows count.
    """
    import torch

    from bigmodel.networks import build, export, threads

    lane = _lane(config, entry, seeds)
    stack = build(lane, data)
    rows = max(2, min(MOST_ROWS, WORK // stack.shape.parameters))
    x, y = torch.from_numpy(data.train.x[:rows]), torch.from_numpy(data.train.y[:rows])
    found = []
    for member in range(len(stack.alive)):
        with threads(1):
            turn = hessian(export(stack, member), x, y, config.loss)
        found.append((yield from largest(turn)))
    return found


Turn = Callable[["torch.Tensor | None"], "torch.Tensor"]
"""A matrix by what it makes of a vector; of None it makes a vector to begin with."""


def hessian(network: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, loss: str) -> Turn:
    """The Hessian of a network's loss: a gradient of a gradient (Pearlmutter 1994), no matrix is made."""
    import torch

    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    parameters = [p for p in network.parameters() if p.requires_grad]
    outputs = network(x)
    if loss == "mse":
        error = torch.nn.functional.mse_loss(outputs, torch.eye(outputs.shape[1])[y])
    else:
        error = torch.nn.functional.cross_entropy(outputs, y)
    flat = torch.cat([g.reshape(-1) for g in torch.autograd.grad(error, parameters, create_graph=True)])

    def turn(vector: torch.Tensor | None) -> torch.Tensor:
        if vector is None:
            return torch.randn(len(flat), generator=torch.Generator().manual_seed(0))
        turned = torch.autograd.grad(flat @ vector, parameters, retain_graph=True, materialize_grads=True)
        return torch.cat([g.reshape(-1) for g in turned])

    return turn


def largest(turn: Turn) -> Generator[None, None, float]:
    """The largest eigenvalue of a symmetric matrix by power iteration, a step at a time.

    The iteration finds the one farthest from 0. Where that is negative, the matrix is shifted by it and searched again.
    """
    from bigmodel.networks import threads

    value = shift = 0.0
    for _ in range(2):
        vector, value = turn(None), math.inf
        vector = vector / vector.norm()
        for _ in range(ITERATIONS):
            with threads(1):
                turned = turn(vector) - shift * vector
                before, value = value, float(turned @ vector)
                length = float(turned.norm())
            yield
            if not math.isfinite(length) or length == 0 or abs(value - before) <= 1e-4 * abs(value):
                break
            vector = turned / length
        if value >= 0 or shift:
            break
        shift = value
    return value + shift
