"""What a coach judges by, and what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from bigmodel.train import Epoch, Health, TrainConfig
from bigmodel.train.baselines import Baseline
from bigmodel.train.coach.listener import Answers

FAST = {"sgd": 0.3, "adagrad": 0.1, "rmsprop": 5e-3, "adam": 5e-3, "adamw": 5e-3}
"""Learning rates above which the rate is suspected first."""


@dataclass(frozen=True)
class Mend:
    """What would help: a fork from `epoch` (None: the last one), or a start anew, with other settings or other data."""

    kind: Literal["fork", "anew"]
    settings: tuple[tuple[str, Any], ...] = ()
    epoch: int | None = None
    leave_out: str = ""
    distinct: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, the numbers that show it, and what would mend it."""

    key: str
    values: tuple[tuple[str, Any], ...]
    mend: Mend


@dataclass(frozen=True)
class Case:
    """All there is to judge by: epochs of which none is broken but the last, and the settings as they stand."""

    config: TrainConfig
    epochs: tuple[Epoch, ...]
    baselines: tuple[Baseline, ...]
    answers: Answers | None
    health: Health | None
    rows: int
    over: bool

    @property
    def first(self) -> Epoch:
        """Where the run, or the fork, begins."""
        return self.epochs[0]

    @property
    def last(self) -> Epoch:
        """Where it stands."""
        return self.epochs[-1]

    @property
    def chance(self) -> float:
        """The validation loss without any knowledge: the majority's, or the start's."""
        known = [mark.valid_loss for mark in self.baselines if mark.name == "majority"]
        return max([self.first.valid_loss, *known])

    @property
    def update(self) -> float:
        """The largest update-to-weight ratio of a layer; 0 where none was measured."""
        ratios = self.health.update if self.health else ()
        return max((ratio for ratio in ratios if math.isfinite(ratio)), default=0.0)

    @property
    def learnt(self) -> float:
        """The share of the loss without any knowledge that is gone."""
        return (self.chance - self.last.valid_loss) / self.chance if self.chance > 0 else 1.0

    @property
    def thriving(self) -> bool:
        """Whether it does well whatever its insides look like: there, no mend helps more than luck."""
        bound = 0.1 if self.config.loss == "cross_entropy" else 0.1 * self.chance
        return self.last.valid_loss < bound

    @property
    def fast(self) -> bool:
        """Whether the rate is one that is suspected first."""
        return self.config.learning_rate > FAST[self.config.optimizer]

    @property
    def falling(self) -> float:
        """The share of what was learnt that came in the last three tenths of the epochs: steadily falling is 0.3."""
        count = self.last.number - self.first.number
        before = self.epochs[-1 - max(1, round(0.3 * (len(self.epochs) - 1)))] if count else self.last
        fall, whole = before.valid_loss - self.last.valid_loss, self.chance - self.last.valid_loss
        return fall / whole if whole > 0 and fall > 0.01 * self.chance else 0.0
