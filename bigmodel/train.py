"""Train a classifier: its settings, its events, the loop, and the score on the test part.

A training is a comparison of one: the same packed stack (`networks.py`) and the same steps serve `compare.py`. Here its
members are the same network started from different seeds, which gives the curves their band.

Every loss and accuracy in an event is measured at the end of an epoch over the whole training and the whole validation
part, without dropout and without penalties, so that the two can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bigmodel.config import bounded, check, chosen, listed

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.metrics import Scores
    from bigmodel.networks import Stack


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a training and a comparison share: the network, the loss, the optimizer and how long it runs.

    `weight_decay` is AdamW's own: it shrinks the weights beside the step and is used by that optimizer only. `l1` and `l2`
    are terms of the loss, l1·Σ|w| + l2/2·Σw² over the weights (not the biases), and work with every optimizer.
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

    @property
    def members(self) -> tuple[tuple[float, int], ...]:
        """(learning rate, seed) of each member of the stack."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Setting):
    """One setting, trained from `seeds` different starts (seed, seed + 1, …) at once."""

    learning_rate: float = bounded(1e-3, 1e-7, 10.0, log=True)

    def __post_init__(self) -> None:
        check(self)

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

    Losses and accuracies are means over the members that have not diverged (NaN when all have). `seconds` counts work, not
    pauses. `surface`, for data of two features only: P(class) on a SURFACE × SURFACE grid over `surface_grid(data)` as
    uint8 (255 = certain), class by class, each row by row from the lowest second feature up; None on epochs without.
    `ended` is None while the training goes on, then "finished" or "diverged" (all members have).
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
    raise NotImplementedError
    yield


def judge(stack: Stack, data: Dataset) -> Scores:
    """The scores on the test part. With several seeds: those of the first member, and every member's accuracy."""
    raise NotImplementedError


def surface_grid(data: Dataset) -> tuple[float, float, float, float]:
    """(x0, x1, y0, y1): what the surface of two-feature data covers, in the units of the raw features."""
    raise NotImplementedError
