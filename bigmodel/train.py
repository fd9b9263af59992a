"""Train a classifier: its settings, its events, the loop, and the score on the test part.

A training is a comparison of one: the same packed stack (`networks.py`) and the same steps serve `compare.py`. Here its
members are the same network started from different seeds, which gives the curves their band.

Every loss and accuracy in an event is measured at the end of an epoch over the whole training and the whole validation
part, without dropout and without penalties, so that the two can be compared.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bigmodel.config import bounded, check, chosen, listed
from bigmodel.errors import BigModelError, ConfigError, RunError

if TYPE_CHECKING:
    import torch

    from bigmodel.datasets import Dataset
    from bigmodel.metrics import Scores
    from bigmodel.networks import Stack
    from bigmodel.optimizers import Optimizer


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a training and a comparison share: the network, the loss, the optimizer and how long it runs.

    `momentum` is SGD's. `weight_decay` is AdamW's: it shrinks every number beside the step. `l1` and `l2` work with
    every optimizer: they are terms of the loss, l1·Σ|w| + l2/2·Σw² over the weights (not the biases).
    """

    widths: tuple[int, ...] = listed((64, 64), 1, 1024, most=8)
    activation: str = chosen("relu", "relu", "tanh", "sigmoid", "gelu")
    normalisation: str = chosen("none", "none", "batch", "layer")
    dropout: float = bounded(0.0, 0.0, 0.9, step=0.05)
    loss: str = chosen("cross_entropy", "cross_entropy", "mse")
    optimizer: str = chosen("adam", "sgd", "adagrad", "rmsprop", "adam", "adamw")
    momentum: float = bounded(0.9, 0.0, 0.99, step=0.01)
    weight_decay: float = bounded(0.01, 0.0, 1.0)
    l1: float = bounded(0.0, 0.0, 1.0)
    l2: float = bounded(0.0, 0.0, 1.0)
    batch: int = bounded(32, 1, 1024, step=1)
    epochs: int = bounded(10, 1, 10_000, step=1)
    seed: int = bounded(42, 0, 2**31 - 1, step=1)
    seeds: int = bounded(1, 1, 16, step=1)

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError(problems)

    def problems(self) -> tuple[BigModelError, ...]:
        """All that is wrong with these settings."""
        alone = (BigModelError("train.batch_alone"),) if self.normalisation == "batch" and self.batch == 1 else ()
        try:
            check(self)
        except ConfigError as error:
            return error.problems + alone
        return alone

    @property
    def members(self) -> tuple[tuple[float, int], ...]:
        """(learning rate, seed) of each member of the stack."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Setting):
    """One setting, trained from `seeds` different starts (seed, seed + 1, …) at once."""

    learning_rate: float = bounded(1e-3, 1e-7, 10.0, log=True)

    @property
    def members(self) -> tuple[tuple[float, int], ...]:
        """(learning rate, seed) of each member of the stack."""
        return tuple((self.learning_rate, self.seed + k) for k in range(self.seeds))


@dataclass(frozen=True)
class Member:
    """One network's measurement. `diverged_at` is the step at which it broke; its numbers are NaN from there on."""

    learning_rate: float
    seed: int
    train_loss: float
    valid_loss: float
    train_accuracy: float
    valid_accuracy: float
    diverged_at: int | None


@dataclass(frozen=True)
class Progress:
    """Within a long epoch: `step` of `steps` done, and the mean batch loss since the event before (NaN if none)."""

    number: int
    of: int
    step: int
    steps: int
    seconds: float
    batch_loss: float


@dataclass(frozen=True)
class Epoch:
    """The state after `number` of `of` epochs; number 0 is the start, before any step.

    Losses and accuracies are means over the members that have not diverged (NaN when all have). `seconds` counts
    work, not pauses. `surface`, for data of two features only: P(class) on a SURFACE × SURFACE grid over
    `surface_grid(data)` as uint8 (255 = certain), class by class, each row by row from the lowest second feature up;
    None on epochs without. `ended` is None while the training goes on, then "finished" or "diverged" (all members
    have).
    """

    number: int
    of: int
    step: int
    steps: int
    seconds: float
    rate: float
    train_loss: float
    valid_loss: float
    train_accuracy: float
    valid_accuracy: float
    members: tuple[Member, ...]
    surface: bytes | None = None
    ended: str | None = None


SURFACE = 60
"""Points along each side of the decision surface."""

SURFACES = 200
"""Most surfaces in one training: with more epochs than this, only every so many carries one."""

SLICE = 0.1
"""Seconds of work between two events within a long epoch."""

DIVERGED = 1e6
"""A batch or epoch loss above this, or one that is no number, means that the member has diverged."""


def train(config: TrainConfig, stack: Stack, data: Dataset) -> Iterator[Epoch | Progress]:
    """Train every member of `stack` in place on `data.train`: one Epoch per epoch, Progress within long ones."""
    course = begin(config, stack, data, surface=len(data.features) == 2)
    while course.ended is None:
        while not advance(course):
            yield progress(course)
        yield Epoch(
            number=course.number,
            of=config.epochs,
            step=course.step,
            steps=course.steps,
            seconds=course.seconds,
            rate=config.learning_rate,
            train_loss=mean(m.train_loss for m in course.members),
            valid_loss=mean(m.valid_loss for m in course.members),
            train_accuracy=mean(m.train_accuracy for m in course.members),
            valid_accuracy=mean(m.valid_accuracy for m in course.members),
            members=course.members,
            surface=course.surface,
            ended=course.ended,
        )


def judge(stack: Stack, data: Dataset) -> Scores:
    """The scores on the test part. With several seeds: those of the first member, and every member's accuracy."""
    import torch

    from bigmodel.metrics import scores
    from bigmodel.networks import predict, threads

    if not stack.alive:
        raise RunError("train.diverged")
    with threads(1):
        probabilities = predict(stack, torch.from_numpy(data.test.x)).numpy()
    return scores(data.test.y, probabilities, data.classes)


def surface_grid(data: Dataset) -> tuple[float, float, float, float]:
    """(x0, x1, y0, y1): what the surface of two-feature data covers, in the units of the raw features."""
    x = data.train.x * data.scale + data.mean
    low, high = x.min(0), x.max(0)
    room = 0.1 * (high - low)
    (x0, y0), (x1, y1) = (low - room).tolist(), (high + room).tolist()
    return x0, x1, y0, y1


@dataclass
class Course:
    """A training under way.

    What is left of the epoch is `batches`, then `chunks` to measure. One thread works on it.
    """

    config: Setting
    stack: Stack
    optimizer: Optimizer
    values: dict[str, torch.Tensor]  # rows of "train", "valid" and "surface", (n, features) float32
    targets: dict[str, torch.Tensor]  # one-hot classes of "train" and "valid", (n, classes) float32
    orders: list[torch.Generator]  # one per seed
    broke: dict[int, int]  # member → step at which it diverged
    steps: int
    batches: list[torch.Tensor] = field(default_factory=list)  # row numbers (seeds, rows), the next one last
    chunks: list[tuple[str, int, int]] = field(default_factory=list)  # (part, from, to), the next one last
    sums: dict[str, torch.Tensor] = field(default_factory=dict)  # part → (2, K): losses and hits so far
    painted: list[torch.Tensor] = field(default_factory=list)
    losses: list[torch.Tensor] = field(default_factory=list)  # one (K,) per step since the last look
    number: int = 0
    step: int = 0
    seconds: float = 0.0
    batch_loss: float = math.nan
    members: tuple[Member, ...] = ()
    surface: bytes | None = None
    ended: str | None = None


def mean(values: Iterable[float]) -> float:
    """The mean of those that are numbers; NaN when none is."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def begin(config: Setting, stack: Stack, data: Dataset, *, surface: bool = False) -> Course:
    """A course that stands before its first measurement (epoch 0)."""
    import torch

    from bigmodel.optimizers import OPTIMIZERS, Knobs

    rates = [rate for rate, _ in config.members]
    knobs = Knobs(
        torch.tensor(rates),
        *(torch.full((len(rates),), v) for v in (config.momentum, config.weight_decay, config.l1, config.l2)),
    )
    parts = {"train": data.train, "valid": data.valid}
    values = {name: torch.from_numpy(part.x) for name, part in parts.items()}
    if surface:
        values["surface"] = _grid(data)
    rows = len(data.train.y)
    # Batch normalisation knows no batch of one row: such a last batch is left out.
    per_epoch = rows // config.batch if _alone(config, rows) else math.ceil(rows / config.batch)
    course = Course(
        config=config,
        stack=stack,
        optimizer=OPTIMIZERS[config.optimizer](stack, knobs),
        values=values,
        targets={name: torch.eye(len(data.classes))[torch.from_numpy(part.y)] for name, part in parts.items()},
        orders=[torch.Generator().manual_seed(seed) for seed in stack.seeds],
        broke={},
        steps=config.epochs * per_epoch,
    )
    _plan_measurement(course)
    return course


def advance(course: Course) -> bool:
    """Work for a slice of time.

    True when an epoch has just been trained and measured, False when there is more to do.
    """
    import torch

    from bigmodel.networks import threads, threads_for

    begun = time.perf_counter()
    with threads(threads_for(course.stack, course.config.batch)), torch.inference_mode():
        if not course.chunks and not course.batches:
            _plan_epoch(course)
        while course.batches and time.perf_counter() - begun < SLICE:
            _step(course, course.batches.pop())
        _look(course)
        while not course.batches and course.chunks and time.perf_counter() - begun < SLICE:
            _measure(course, *course.chunks.pop())
        done = not course.batches and not course.chunks
        if done:
            _conclude(course)
    course.seconds += time.perf_counter() - begun
    return done


def progress(course: Course) -> Progress:
    """Where the course stands within its epoch."""
    return Progress(
        number=course.number,
        of=course.config.epochs,
        step=course.step,
        steps=course.steps,
        seconds=course.seconds,
        batch_loss=course.batch_loss,
    )


def _alone(config: Setting, rows: int) -> bool:
    return config.normalisation == "batch" and rows % config.batch == 1


def _grid(data: Dataset) -> torch.Tensor:
    """The points of the surface, standardised: (SURFACE², 2), the first feature running fastest."""
    import numpy as np
    import torch

    x0, x1, y0, y1 = surface_grid(data)
    y, x = np.meshgrid(np.linspace(y0, y1, SURFACE), np.linspace(x0, x1, SURFACE), indexing="ij")
    points = (np.stack((x.ravel(), y.ravel()), 1) - data.mean) / data.scale
    return torch.from_numpy(points.astype(np.float32))


def _plan_epoch(course: Course) -> None:
    """Draw each seed's order of rows and cut it into batches."""
    import torch

    rows, batch = len(course.values["train"]), course.config.batch
    order = torch.stack([torch.randperm(rows, generator=generator) for generator in course.orders])
    batches = list(torch.split(order, batch, 1))
    if _alone(course.config, rows):
        batches.pop()
    course.batches = batches[::-1]
    course.number += 1
    _plan_measurement(course)


def _plan_measurement(course: Course) -> None:
    """Cut the parts to measure into chunks that take a fraction of a second."""
    import torch

    from bigmodel.networks import chunk_rows

    size = chunk_rows(course.stack)
    paints = course.number % math.ceil(course.config.epochs / SURFACES) == 0 or course.number == course.config.epochs
    course.chunks = [
        (name, start, min(start + size, len(x)))
        for name, x in course.values.items()
        if name != "surface" or paints
        for start in range(0, len(x), size)
    ][::-1]
    course.sums = {name: torch.zeros(2, len(course.stack.alive), dtype=torch.float64) for name in course.targets}
    course.painted = []


def _step(course: Course, rows: torch.Tensor) -> None:
    """One step of every member on its seed's batch; rows (seeds, batch)."""
    stack = course.stack
    x, target = course.values["train"][rows], course.targets["train"][rows].transpose(1, 2)
    if len(stack.seeds) > 1:
        x, target = x[stack.seed_of], target[stack.seed_of]
    course.losses.append(stack.learn(x, target))
    course.optimizer.step()
    course.step += 1


def _look(course: Course) -> None:
    """Find the members whose loss broke since the last look, mark the step, and let them go."""
    import torch

    if not course.losses:
        return
    losses = torch.stack(course.losses)
    first = course.step - len(losses) + 1
    course.losses = []
    bad = ~(losses <= DIVERGED)
    for k in bad.any(0).nonzero().flatten().tolist():
        course.broke[course.stack.alive[k]] = first + int(bad[:, k].int().argmax())
    course.batch_loss = mean(losses[:, ~bad.any(0)].flatten().tolist())
    _drop(course, bad.any(0))


def _drop(course: Course, bad: torch.Tensor) -> None:
    """Take the members marked in bad (K,) out of the stack; with none left the epoch is over."""
    if not bool(bad.any()):
        return
    kept = (~bad).nonzero().flatten()
    course.optimizer.keep(kept)
    course.sums = {name: sums[:, kept] for name, sums in course.sums.items()}
    if not course.stack.alive:
        course.batches, course.chunks = [], []


def _measure(course: Course, part: str, start: int, stop: int) -> None:
    """Add rows `start` to `stop` of a part to the sums, or to the surface."""
    from bigmodel.networks import measure, predict

    x = course.values[part][start:stop]
    if part == "surface":
        course.painted.append(predict(course.stack, x).nanmean(0))
    else:
        course.sums[part] += measure(course.stack, x, course.targets[part][start:stop])


def _conclude(course: Course) -> None:
    """Turn the sums into each member's numbers, and see whether the course is over."""
    import torch

    stack = course.stack
    means = torch.stack([course.sums[name] / len(course.values[name]) for name in ("train", "valid")])  # (part, 2, K)
    bad = ~(means[:, 0] <= DIVERGED).all(0)
    for k in bad.nonzero().flatten().tolist():
        course.broke[stack.alive[k]] = course.step
    measured = {stack.alive[k]: means[:, :, k].flatten().tolist() for k in (~bad).nonzero().flatten().tolist()}
    gone = [math.nan] * 4
    course.members = tuple(
        Member(
            learning_rate=rate,
            seed=seed,
            train_loss=(numbers := measured.get(k, gone))[0],
            valid_loss=numbers[2],
            train_accuracy=numbers[1],
            valid_accuracy=numbers[3],
            diverged_at=course.broke.get(k),
        )
        for k, (rate, seed) in enumerate(course.config.members)
    )
    _drop(course, bad)
    painted = torch.cat(course.painted) if course.painted else None  # (points, classes)
    course.surface = None if painted is None else (painted.T * 255).round().to(torch.uint8).numpy().tobytes()
    if not stack.alive:
        course.ended, course.surface = "diverged", None
    elif course.number == course.config.epochs:
        course.ended = "finished"
