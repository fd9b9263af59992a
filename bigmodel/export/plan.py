"""What is taken away: a training by its recipe, and which parts of a textbook's loop it needs.

Only what a training used is written: a script without dropout says nothing of dropout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bigmodel.train import TrainConfig

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset, DatasetConfig
    from bigmodel.train import Epoch
    from bigmodel.train.fork import Origin


@dataclass(frozen=True)
class Training:
    """A training with its data. `last` is how far it came (None: to its end), `origin` what it was forked from."""

    config: TrainConfig
    source: DatasetConfig
    data: Dataset
    last: Epoch | None = None
    origin: Origin | None = None


@dataclass(frozen=True)
class Stage:
    """A stretch of a training under one config, from epoch `start` to epoch `until`. A fork has several."""

    config: TrainConfig
    start: int
    until: int

    @property
    def scheduled(self) -> bool:
        """Whether the rate moves by itself."""
        return self.config.schedule != "constant" or self.config.warmup > 0

    @property
    def moved(self) -> tuple[str, ...]:
        """What is changed on the way."""
        fields = {change.field for change in self.config.changes}
        if self.config.optimizer != "adamw":
            fields -= {"weight_decay"}  # nobody else has any
        if self.config.architecture == "logistic":
            fields -= {"dropout"}  # there is nothing to leave out
        return tuple(sorted(fields))


@dataclass(frozen=True)
class Plan:
    """The stages of a training, and what its script needs for them.

    `broke` says that a network diverged on the way, `steps` where the time limit ended it within an epoch.
    """

    stages: tuple[Stage, ...]
    broke: bool = False
    steps: int | None = None

    @property
    def config(self) -> TrainConfig:
        """The settings at the end."""
        return self.stages[-1].config

    @property
    def moved(self) -> tuple[str, ...]:
        """What is changed on the way in any stage."""
        return tuple(sorted({name for stage in self.stages for name in stage.moved}))

    @property
    def scheduled(self) -> bool:
        """Whether the rate moves by itself in any stage."""
        return any(stage.scheduled for stage in self.stages)

    @property
    def dropout(self) -> bool:
        """Whether units are left out in any stage."""
        return self.config.architecture != "logistic" and (
            self.uses("dropout")
            or any(change.field == "dropout" for stage in self.stages for change in stage.config.changes)
        )

    @property
    def alone(self) -> bool:
        """Whether a batch of one row is left out."""
        return self.config.normalisation == "batch"

    @property
    def seeds(self) -> tuple[int, ...]:
        """A network each."""
        return tuple(seed for _, seed in self.config.members)

    def uses(self, name: str) -> bool:
        """Whether a setting is anything but 0 in any stage."""
        return any(getattr(stage.config, name) for stage in self.stages)

    def kinds(self) -> set[str]:
        """All optimizers."""
        return {stage.config.optimizer for stage in self.stages}


def plan(training: Training) -> Plan:
    """The stages that lead to a training, its origins first."""
    last, config = training.last, training.config
    until = config.epochs if last is None else last.number
    stages, origin = [], training.origin
    ends = [(config, until)]
    while origin is not None:
        ends.append((origin.config, origin.epoch))
        origin = origin.origin
    start = 0
    for settings, end in reversed(ends):
        stages.append(Stage(settings, start, end))
        start = end
    broke = last is not None and any(member.diverged_at is not None for member in last.members)
    return Plan(tuple(stages), broke, last.step if last is not None and last.ended == "time" else None)
