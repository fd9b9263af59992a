"""Train a classifier: its settings, its events, the loop, and the score on the test part.

A training is a comparison of one: the same packed stack (`networks.py`) and the same steps serve `compare.py`. Here its
members are the same network started from different seeds, which gives the curves their band.

Every loss and accuracy in an event is measured at the end of an epoch over the whole training and the whole validation
part, without dropout and without penalties, so that the two can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bigmodel.config import bounded, check, chosen, listed
from bigmodel.errors import BigModelError, ConfigError, RunError

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.metrics import Scores
    from bigmodel.networks import Stack


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
    weight_decay: float = bounded(0.01, 0.0, 1.0, log=True)
    l1: float = bounded(0.0, 0.0, 1.0, log=True)
    l2: float = bounded(0.0, 0.0, 1.0, log=True)
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
    """Within a long epoch: `step` of `steps` done, and the mean batch loss of the latest steps."""

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


def train(config: TrainConfig, stack: Stack, data: Dataset) -> Iterator[Epoch | Progress]:
    """Train every member of `stack` in place on `data.train`: one Epoch per epoch, Progress within long ones."""
    from bigmodel.train.course import advance, begin, progress

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


def mean(values: Iterable[float]) -> float:
    """The mean of those that are numbers; NaN when none is."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
