"""A training under way, and the steps that move it: the only places here that touch grad mode, threads and seeds.

`train` and `compare` walk the same course. It works in slices of a tenth of a second, so that whoever iterates can
stop it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from bigmodel.networks import Stack, chunk_rows, measure, predict, threads, threads_for
from bigmodel.optimizers import OPTIMIZERS, Knobs, Optimizer
from bigmodel.train import SURFACE, Member, Progress, Setting, surface_grid

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset

SURFACES = 200
"""Most surfaces in one training: with more epochs than this, only every so many carries one."""

SLICE = 0.1
"""Seconds of work between two events within a long epoch."""

DIVERGED = 1e6
"""A batch or epoch loss above this, or one that is no number, means that the member has diverged."""

GATHERED = 4_000_000
"""Numbers of an epoch that are put in its order at once."""

Batch = tuple[torch.Tensor, torch.Tensor]
"""x (seeds, rows, features) and its one-hot classes (seeds, classes, rows)."""


@dataclass
class Course:
    """A training under way.

    What is left of the epoch is `batches`, then `orders` to gather more from, then `chunks` to measure. One thread
    works on it.
    """

    config: Setting
    stack: Stack
    optimizer: Optimizer
    values: dict[str, torch.Tensor]  # rows of "train", "valid" and "surface", (n, features) float32
    targets: dict[str, torch.Tensor]  # one-hot classes of "train" and "valid", (n, classes) float32
    generators: list[torch.Generator]  # one per seed
    broke: dict[int, int]  # member → step at which it diverged
    steps: int
    orders: list[torch.Tensor] = field(default_factory=list)  # row numbers (seeds, rows) not yet gathered
    batches: list[Batch] = field(default_factory=list)  # gathered, the next one last
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


def begin(config: Setting, stack: Stack, data: Dataset, *, surface: bool = False) -> Course:
    """A course that stands before its first measurement (epoch 0)."""
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
        generators=[torch.Generator().manual_seed(seed) for seed in stack.seeds],
        broke={},
        steps=config.epochs * per_epoch,
    )
    _plan_measurement(course)
    return course


def advance(course: Course) -> bool:
    """Work for a slice of time.

    True when an epoch has just been trained and measured, False when there is more to do.
    """
    begun = time.perf_counter()
    with threads(threads_for(course.stack, course.config.batch)), torch.inference_mode():
        if not course.orders and not course.batches and not course.chunks:
            _plan_epoch(course)
        while course.batches or course.orders:
            _step(course)
            if time.perf_counter() - begun > SLICE:
                break
        _look(course)
        trained = not course.batches and not course.orders
        while trained and course.chunks:
            _measure(course, *course.chunks.pop())
            if time.perf_counter() - begun > SLICE:
                break
        done = trained and not course.chunks
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
    x0, x1, y0, y1 = surface_grid(data)
    y, x = np.meshgrid(np.linspace(y0, y1, SURFACE), np.linspace(x0, x1, SURFACE), indexing="ij")
    points = (np.stack((x.ravel(), y.ravel()), 1) - data.mean) / data.scale
    return torch.from_numpy(points.astype(np.float32))


def _plan_epoch(course: Course) -> None:
    """Draw each seed's order of rows and cut it into pieces of whole batches."""
    rows, features = course.values["train"].shape
    order = torch.stack([torch.randperm(rows, generator=generator) for generator in course.generators])
    batch = course.config.batch
    if _alone(course.config, rows):
        order = order[:, :-1]
    together = max(1, GATHERED // (len(order) * features * batch)) * batch
    course.orders = list(torch.split(order, together, 1))[::-1]
    course.number += 1
    _plan_measurement(course)


def _gather(course: Course) -> None:
    """Bring the next piece of the epoch into its order, so that a batch is only a view."""
    order, batch = course.orders.pop(), course.config.batch
    x = course.values["train"][order]
    target = course.targets["train"][order].transpose(1, 2).contiguous()
    course.batches = list(zip(torch.split(x, batch, 1), torch.split(target, batch, 2), strict=True))[::-1]


def _plan_measurement(course: Course) -> None:
    """Cut the parts to measure into chunks that take a fraction of a second."""
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


def _step(course: Course) -> None:
    """One step of every member on its seed's next batch."""
    if not course.batches:
        _gather(course)
    x, target = course.batches.pop()
    stack = course.stack
    if len(stack.seeds) > 1:
        x, target = x[stack.seed_of], target[stack.seed_of]
    course.losses.append(stack.learn(x, target))
    course.optimizer.step()
    course.step += 1


def _look(course: Course) -> None:
    """Find the members whose loss broke since the last look, mark the step, and let them go."""
    if not course.losses:
        return
    losses = torch.stack(course.losses)
    first = course.step - len(losses) + 1
    course.losses = []
    bad = ~(losses <= DIVERGED)
    for k in bad.any(0).nonzero().flatten().tolist():
        course.broke[course.stack.alive[k]] = first + int(bad[:, k].int().argmax())
    course.batch_loss = float(losses[:, ~bad.any(0)].mean())
    _drop(course, bad.any(0))


def _drop(course: Course, bad: torch.Tensor) -> None:
    """Take the members marked in bad (K,) out of the stack; with none left the epoch is over."""
    if not bool(bad.any()):
        return
    kept = (~bad).nonzero().flatten()
    course.optimizer.keep(kept)
    course.sums = {name: sums[:, kept] for name, sums in course.sums.items()}
    if not course.stack.alive:
        course.orders, course.batches, course.chunks = [], [], []


def _measure(course: Course, part: str, start: int, stop: int) -> None:
    """Add rows `start` to `stop` of a part to the sums, or to the surface."""
    x = course.values[part][start:stop]
    if part == "surface":
        course.painted.append(predict(course.stack, x).nanmean(0))
    else:
        course.sums[part] += measure(course.stack, x, course.targets[part][start:stop])


def _conclude(course: Course) -> None:
    """Turn the sums into each member's numbers, and see whether the course is over."""
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
