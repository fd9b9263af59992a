"""Compare learning rates: all of them trained at once in one packed stack, then ranked by validation loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from bigmodel.config import listed
from bigmodel.errors import BigModelError
from bigmodel.train import Member, Progress, Setting, TrainConfig, mean

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.networks import Stack


@dataclass(frozen=True, kw_only=True)
class CompareConfig(Setting):
    """Each of `rates` from the same `seeds` starts and in the same order of rows: len(rates) × seeds members."""

    rates: tuple[float, ...] = listed((0.001, 0.01, 0.1), 1e-7, 10.0, fewest=2, most=64)

    def problems(self) -> tuple[BigModelError, ...]:
        """All that is wrong with these settings; a rate given twice is."""
        twice = sorted({rate for rate in self.rates if self.rates.count(rate) > 1})
        told = (BigModelError("compare.twice", rates=", ".join(f"{rate:g}" for rate in twice)),) if twice else ()
        return super().problems() + told

    @property
    def members(self) -> tuple[tuple[float, int], ...]:
        """(learning rate, seed) of each member of the stack: all seeds of the first rate, then of the next."""
        return tuple((rate, self.seed + k) for rate in self.rates for k in range(self.seeds))


@dataclass(frozen=True)
class Trial:
    """One learning rate: means over its seeds that still run, and the step at which the first of them broke."""

    learning_rate: float
    train_loss: float
    valid_loss: float
    train_accuracy: float
    valid_accuracy: float
    diverged_at: int | None
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Round:
    """All rates after `number` of `of` epochs, in the order of the config; number 0 is the start."""

    number: int
    of: int
    step: int
    steps: int
    seconds: float
    trials: tuple[Trial, ...]
    ended: str | None = None


@dataclass(frozen=True)
class Rank:
    """A row of the table. `place` counts from 1; `best` is the first that has not diverged."""

    place: int
    learning_rate: float
    valid_loss: float
    valid_accuracy: float
    train_loss: float
    train_accuracy: float
    diverged_at: int | None
    best: bool


@dataclass(frozen=True)
class Ranking:
    """The last event: every rate, the lowest validation loss first and the diverged ones last."""

    number: int
    of: int
    seconds: float
    ranking: tuple[Rank, ...]


def compare(config: CompareConfig, stack: Stack, data: Dataset) -> Iterator[Round | Progress | Ranking]:
    """Train all members of `stack` side by side: a Round per epoch, Progress within long ones, a Ranking at the end."""
    from bigmodel.train.course import advance, begin, progress

    course = begin(config, stack, data)
    while course.ended is None:
        while not advance(course):
            yield progress(course)
        last = Round(
            number=course.number,
            of=config.epochs,
            step=course.step,
            steps=course.steps,
            seconds=course.seconds,
            trials=tuple(
                _trial(course.members[k : k + config.seeds]) for k in range(0, len(course.members), config.seeds)
            ),
            ended=course.ended,
        )
        yield last
    yield rank(last)


def _trial(members: tuple[Member, ...]) -> Trial:
    """The means over the seeds of one rate. A rate has diverged as soon as one of its seeds has."""
    broke = [m.diverged_at for m in members if m.diverged_at is not None]
    return Trial(
        learning_rate=members[0].learning_rate,
        train_loss=mean(m.train_loss for m in members),
        valid_loss=mean(m.valid_loss for m in members),
        train_accuracy=mean(m.train_accuracy for m in members),
        valid_accuracy=mean(m.valid_accuracy for m in members),
        diverged_at=min(broke, default=None),
        members=members,
    )


def rank(last: Round) -> Ranking:
    """The ranking of a Round; also for a comparison that was stopped early."""
    trials = sorted(last.trials, key=lambda t: (t.diverged_at is not None, math.isnan(t.valid_loss), t.valid_loss))
    rows = tuple(
        Rank(
            place=place,
            learning_rate=trial.learning_rate,
            valid_loss=trial.valid_loss,
            valid_accuracy=trial.valid_accuracy,
            train_loss=trial.train_loss,
            train_accuracy=trial.train_accuracy,
            diverged_at=trial.diverged_at,
            best=place == 1 and trial.diverged_at is None,
        )
        for place, trial in enumerate(trials, start=1)
    )
    return Ranking(number=last.number, of=last.of, seconds=last.seconds, ranking=rows)


def winner(config: CompareConfig, ranking: Ranking) -> TrainConfig | None:
    """The settings of the best rate, ready for Train; None when every rate diverged."""
    best = next((row for row in ranking.ranking if row.best), None)
    if best is None:
        return None
    shared = {f.name: getattr(config, f.name) for f in fields(Setting)}
    return TrainConfig(learning_rate=best.learning_rate, **shared)
