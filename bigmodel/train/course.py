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

from bigmodel.networks import Stack, check_budget, chunk_rows, measure, predict, threads, threads_for
from bigmodel.networks.stack import Picture
from bigmodel.optimizers import OPTIMIZERS, Knobs, Moments, Optimizer
from bigmodel.train import (
    LIVE,
    SURFACE,
    Change,
    Changed,
    Health,
    Member,
    Progress,
    Setting,
    TrainConfig,
    mean,
    surface_grid,
)
from bigmodel.train.health import Examination
from bigmodel.train.schedule import factor

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.train.album import Album
    from bigmodel.train.steering import Steering

SURFACES = 200
"""Most surfaces in one training: with more epochs than this, only every so many carries one. Examinations too."""

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

    What is left of the epoch: the rows of `order` from `done` up to `until`, of which those up to `gathered` lie in
    `batches`; then `chunks` to measure. One thread works on it.
    """

    config: Setting
    stack: Stack
    optimizer: Optimizer
    values: dict[str, torch.Tensor]  # rows of "train", "valid" and "surface", (n, features) float32
    targets: dict[str, torch.Tensor]  # one-hot classes of "train" and "valid", (n, classes) float32
    settings: dict[str, float]  # the fields of LIVE as they stand now
    broke: dict[int, int]  # member → step at which it diverged
    number: int
    step: int
    pending: list[Change] = field(default_factory=list)  # to be made, the next one last
    changed: list[Changed] = field(default_factory=list)  # made, and not yet told
    scheduled: bool = False  # whether the rate moves by itself
    softens: bool = False  # whether targets are smoothed
    order: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0))  # row numbers (seeds, rows)
    done: int = 0
    gathered: int = 0
    until: int = 0
    batches: list[Batch] = field(default_factory=list)  # gathered, the next one last
    chunks: list[tuple[str, int, int]] = field(default_factory=list)  # (part, from, to), the next one last
    sums: dict[str, torch.Tensor] = field(default_factory=dict)  # part → (2, K): losses and hits so far
    painted: list[torch.Tensor] = field(default_factory=list)
    losses: list[torch.Tensor] = field(default_factory=list)  # one (K,) per step since the last look
    steps: int = 0
    seconds: float = 0.0
    batch_loss: float = math.nan
    members: tuple[Member, ...] = ()
    surface: bytes | None = None
    ended: str | None = None
    album: Album | None = None
    steering: Steering | None = None
    examines: bool = False
    examination: Examination | None = None
    health: Health | None = None
    best: int | None = None
    best_loss: float = math.inf
    best_picture: Picture | None = None

    @property
    def batch(self) -> int:
        """Rows in a step as it stands now."""
        return int(self.settings["batch"])

    @property
    def rate(self) -> float:
        """The rate of the last step, or of the first before any."""
        return self.settings["learning_rate"] * self.optimizer.factor

    def watch(self, *, album: Album | None, steering: Steering | None, moments: Moments | None) -> None:
        """What a training has and a comparison has not."""
        self.album, self.steering, self.examines = album, steering, True
        if steering is not None:
            steering.attach(lambda field, value: _allowed(self, field, value))
        if moments is not None:
            self.optimizer.resume(moments)


def begin(config: Setting, stack: Stack, data: Dataset, *, surface: bool = False, start: int = 0) -> Course:
    """A course that stands before its first measurement: at epoch 0, or at that which the stack was trained to."""
    step = (stack.steps or start * _per_epoch(config, config.batch, len(data.train.y))) if start else 0
    if isinstance(config, TrainConfig) and start:
        config = config.at(step)
    if not start:
        stack.orders = [torch.Generator().manual_seed(seed) for seed in stack.seeds]
    stack.steps = step
    parts = {"train": data.train, "valid": data.valid}
    values = {name: torch.from_numpy(part.x) for name, part in parts.items()}
    if surface:
        values["surface"] = _grid(data)
    members = range(len(config.members))
    course = Course(
        config=config,
        stack=stack,
        optimizer=OPTIMIZERS[config.optimizer](stack, _knobs(config).of(torch.tensor(stack.alive))),
        values=values,
        targets={name: torch.eye(len(data.classes))[torch.from_numpy(part.y)] for name, part in parts.items()},
        settings={name: config.per_member(name)[0] for name in LIVE},
        broke={k: step for k in members if k not in stack.alive},
        number=start,
        step=step,
        pending=sorted(getattr(config, "changes", ()), key=lambda change: change.step)[::-1],
        scheduled=config.schedule != "constant" or config.warmup > 0,
        softens=any(config.per_member("label_smoothing")),
    )
    _count(course)
    _turn(course, max(0, start * _per_epoch(config, config.batch, len(data.train.y)) - 1))
    _plan_measurement(course)
    return course


def advance(course: Course) -> bool:
    """Work for a slice of time, or for one step where each is asked for.

    True when an epoch has just been trained and measured, False when there is more to do.
    """
    begun = time.perf_counter()
    with threads(threads_for(course.stack, course.batch)), torch.inference_mode():
        _prepare(course)
        while course.done < course.until:
            _replay(course)
            if course.done < course.until:
                _step(course)
                if _alone_asked(course):
                    break
            if time.perf_counter() - begun > SLICE:
                break
        _look(course)
        if course.seconds > course.config.seconds:
            course.until, course.batches = course.done, []  # what was trained so far is measured, and that is the end
        while course.done == course.until and course.chunks:
            _measure(course, *course.chunks.pop())
            if time.perf_counter() - begun > SLICE:
                break
        done = course.done == course.until and not course.chunks
        if done:
            _conclude(course)
    course.seconds += time.perf_counter() - begun
    if course.ended:
        settle(course)
    return done


def _prepare(course: Course) -> None:
    """Make the changes that were asked for since the last slice, unless it measures; plan the next epoch if it is time.

    A change asked for while an epoch is measured waits for its end: it belongs to the next step, not to what was.
    """
    if course.done < course.until or not course.chunks:
        _steer(course)
    if course.done == course.until and not course.chunks:
        _replay(course)
        _plan_epoch(course)


def settle(course: Course) -> None:
    """With patience, bring the stack back to its best epoch: at the end, and when the course is left before it."""
    picture, course.best_picture = course.best_picture, None
    living = course.stack.alive
    if picture is None or not living:
        return
    course.stack.restore(picture)
    kept = [k for k, member in enumerate(picture.alive) if member in living]
    if len(kept) < len(picture.alive):
        course.stack.keep(torch.tensor(kept))


def news(course: Course) -> list[Changed]:
    """The changes that took effect since the last time."""
    told, course.changed = course.changed, []
    return told


def progress(course: Course) -> Progress:
    """Where the course stands within its epoch."""
    return Progress(
        number=course.number,
        of=course.config.epochs,
        step=course.step,
        steps=course.steps,
        seconds=course.seconds,
        batch_loss=course.batch_loss,
        measures=course.done == course.until,
    )


def _knobs(config: Setting) -> Knobs:
    """The settings of the optimizer, of every member of the config."""
    names = ("learning_rate", "momentum", "weight_decay", "l1", "l2", "label_smoothing", "clip")
    return Knobs(*(torch.tensor(config.per_member(name), dtype=torch.float32) for name in names))


def _alone(config: Setting, batch: int, rows: int) -> bool:
    """Batch normalisation knows no batch of one row: such a last batch is left out."""
    return config.normalisation == "batch" and rows % batch == 1


def _per_epoch(config: Setting, batch: int, rows: int) -> int:
    return rows // batch if _alone(config, batch, rows) else math.ceil(rows / batch)


def _count(course: Course) -> None:
    """How many steps there will have been at the end, as things stand."""
    per_epoch = _per_epoch(course.config, course.batch, len(course.values["train"]))
    left = math.ceil((course.until - course.done) / course.batch)
    course.steps = course.step + left + (course.config.epochs - course.number) * per_epoch


def _turn(course: Course, step: float | None = None) -> None:
    """Set the rate of the step to come by the schedule."""
    config = course.config
    per_epoch = _per_epoch(config, course.batch, len(course.values["train"]))
    if step is None:
        step = (course.number - 1) * per_epoch + course.done / course.batch
    course.optimizer.scale(factor(config.schedule, step, config.epochs * per_epoch, config.warmup))


def _steer(course: Course) -> None:
    """Make the changes that were asked for meanwhile."""
    if course.steering is not None:
        for name, value in course.steering.drain():
            _change(course, name, value)


def _alone_asked(course: Course) -> bool:
    """Whether the step that was just made was asked for alone."""
    if course.steering is None or not course.steering.singles:
        return False
    course.steering.took()
    return True


def _replay(course: Course) -> None:
    """Make the changes whose step has come."""
    while course.pending and course.pending[-1].step <= course.step:
        change = course.pending.pop()
        _change(course, change.field, change.value)


def _allowed(course: Course, name: str, value: float) -> None:
    """ConfigError when a change cannot be made: out of the field's limits, or too much for the machine."""
    if isinstance(course.config, TrainConfig):
        config = course.config.changed(name, value)
        check_budget(course.stack.shape, len(course.stack.alive), config.batch)


def _change(course: Course, name: str, value: float) -> None:
    """Let a field of LIVE have another value from the next step on."""
    old, course.settings[name] = course.settings[name], value
    optimizer, living = course.optimizer, len(course.stack.alive)
    if name == "learning_rate":
        optimizer.retune(rate=torch.full((living,), value))
    elif name == "weight_decay":
        optimizer.retune(weight_decay=torch.full((living,), value))
    elif name == "dropout":
        course.stack.set_dropout(value)
    elif course.done < course.until:  # the rows that are left are cut anew
        course.batches, course.gathered = [], course.done
        rows = course.order.shape[1]
        course.until = rows - _alone(course.config, course.batch, rows - course.done)
    _count(course)
    course.changed.append(Changed(course.number, course.step, course.seconds, name, old, value))


def _grid(data: Dataset) -> torch.Tensor:
    """The points of the surface, standardised: (SURFACE², 2), the first feature running fastest."""
    x0, x1, y0, y1 = surface_grid(data)
    y, x = np.meshgrid(np.linspace(y0, y1, SURFACE), np.linspace(x0, x1, SURFACE), indexing="ij")
    points = (np.stack((x.ravel(), y.ravel()), 1) - data.mean) / data.scale
    return torch.from_numpy(points.astype(np.float32))


def _plan_epoch(course: Course) -> None:
    """Draw each seed's order of rows."""
    rows = len(course.values["train"])
    course.order = torch.stack([torch.randperm(rows, generator=generator) for generator in course.stack.orders])
    course.done = course.gathered = 0
    course.until = rows - _alone(course.config, course.batch, rows)
    course.number += 1
    course.health = None
    _plan_measurement(course)


def _gather(course: Course) -> None:
    """Bring the next piece of the epoch into its order, so that a batch is only a view."""
    batch, features = course.batch, course.values["train"].shape[1]
    together = max(1, GATHERED // (len(course.order) * features * batch)) * batch
    stop = min(course.gathered + together, course.until)
    order = course.order[:, course.gathered : stop]
    x = course.values["train"][order]
    target = course.targets["train"][order].transpose(1, 2).contiguous()
    course.batches = list(zip(torch.split(x, batch, 1), torch.split(target, batch, 2), strict=True))[::-1]
    course.gathered = stop


def _due(course: Course) -> bool:
    """Whether this epoch carries what at most SURFACES epochs do."""
    return course.number % math.ceil(course.config.epochs / SURFACES) == 0 or course.number == course.config.epochs


def _plan_measurement(course: Course) -> None:
    """Cut the parts to measure into chunks that take a fraction of a second."""
    size, paints = chunk_rows(course.stack), _due(course)
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
    if course.scheduled:
        _turn(course)
    course.done += target.shape[2]
    if len(stack.seeds) > 1:
        x, target = x[stack.seed_of], target[stack.seed_of]
    if course.softens:
        share = course.optimizer.knobs.label_smoothing.view(-1, 1, 1)
        target = target * (1 - share) + share / target.shape[1]
    course.losses.append(stack.learn(x, target))
    if course.examines and course.done == course.until and _due(course):
        course.examination = Examination(stack)
    course.optimizer.step()
    course.step += 1
    if course.examination is not None:
        course.examination.after()


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
    drop(course, bad.any(0))


def drop(course: Course, bad: torch.Tensor) -> None:
    """Take the members marked in bad (K,) out of the stack; with none left the epoch is over.

    Between two slices whoever walks the course may do so too.
    """
    if not bool(bad.any()):
        return
    kept = (~bad).nonzero().flatten()
    course.examination = None  # the member it began with may be among those that go
    course.optimizer.keep(kept)
    course.sums = {name: sums[:, kept] for name, sums in course.sums.items()}
    if not course.stack.alive:
        course.until, course.batches, course.chunks = course.done, [], []


def _measure(course: Course, part: str, start: int, stop: int) -> None:
    """Add rows `start` to `stop` of a part to the sums, or to the surface."""
    x = course.values[part][start:stop]
    if part == "surface":
        course.painted.append(predict(course.stack, x).nanmean(0))
    else:
        watched = course.examination if part == "train" else None
        seen: list[torch.Tensor] | None = [] if watched else None
        course.sums[part] += measure(course.stack, x, course.targets[part][start:stop], seen)
        if watched and seen:
            watched.look(seen)


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
    drop(course, bad)
    painted = torch.cat(course.painted) if course.painted else None  # (points, classes)
    course.surface = None if painted is None else (painted.T * 255).round().to(torch.uint8).numpy().tobytes()
    if not stack.alive:
        course.ended, course.surface = "diverged", None
        return
    stack.steps = course.step
    if course.examination is not None:
        course.health, course.examination = course.examination.result(), None
    _compare_with_best(course)
    if course.album is not None:
        course.album.keep(course.number, stack, course.optimizer)
    if course.number == course.config.epochs:
        course.ended = "finished"
    elif not course.ended and course.seconds > course.config.seconds:
        course.ended = "time"


def _compare_with_best(course: Course) -> None:
    """Keep the best epoch, and end the course when none has been better for as long as its patience."""
    patience = getattr(course.config, "patience", 0)
    loss = mean(member.valid_loss for member in course.members)
    if course.best is None or loss < course.best_loss:
        course.best, course.best_loss = course.number, loss
        course.best_picture = course.stack.picture() if patience else None
    elif patience and course.number - course.best >= patience:
        course.ended = "early"
