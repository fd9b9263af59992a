"""Compare settings: learning rates, and whatever else is asked for, raced in packed stacks and told apart over seeds.

Everything that races is an `Entry`: one learning rate with one optimizer, one schedule and one value of a second knob.
Each entry is trained from the same starts and in the same order of rows, seed by seed, so that what differs between two
entries is the setting alone.

    entries.py     which entries there are, which of them share a stack, what that costs (and a refusal when too much)
    race.py        the race: a stack per shape, slice by slice in turn; it can be taken up again after its end
    orders.py      how a person interferes with a race that runs: fewer entries, more rates, seeds or epochs
    tiles.py       small decision boundaries of the entries as they learn
    answer.py      what the race says: the best, those that cannot be told apart from it, the cheapest of them
    verdict.py     the sealed test part: how far validation flatters the winner
    finders.py     the published learning-rate finders, each one's vote and regret
    knobs.py       two knobs: heat map, importance, what halving would have thrown away
    ensemble.py    the race as a free ensemble
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from bigmodel.config import bounded, chosen, limits_of, listed, several, some
from bigmodel.errors import BigModelError
from bigmodel.train import Progress, Setting, TrainConfig

if TYPE_CHECKING:
    from bigmodel.compare.orders import Orders
    from bigmodel.datasets import Dataset

MOST_RATES = 128
KNOBS = ("batch", "weight_decay", "l1", "l2", "dropout", "momentum", "width", "depth", "activation")
"""What may be varied beside the learning rate, the optimizer and the schedule."""


@dataclass(frozen=True, kw_only=True)
class CompareConfig(Setting):
    """Which settings race: rates × optimizers × schedules × values of a knob, each from `seeds` starts.

    `rates_as` says whether the rates are the list `rates` or `count` of them from `lowest` to `highest`, evenly spread
    on a logarithmic axis. No `optimizers` or `schedules` are the one `optimizer` and `schedule`. `values` are those of
    `knob`, as a person writes them. The search "random" draws `draws` entries from the ranges instead of all of them.
    With `halving` the worse half leaves at each rung (`knobs.rungs`). With `finders` the published rules vote beside
    the race.
    """

    seconds: float = bounded(600.0, 1.0, 86_400.0)

    rates_as: str = chosen("list", "list", "range")
    rates: tuple[float, ...] = listed((0.001, 0.01, 0.1), 1e-7, 10.0, fewest=2, most=MOST_RATES)
    lowest: float = bounded(1e-4, 1e-7, 10.0, log=True)
    highest: float = bounded(1.0, 1e-7, 10.0, log=True)
    count: int = bounded(12, 2, MOST_RATES, step=1, log=True)
    optimizers: tuple[str, ...] = several((), *limits_of(Setting, "optimizer").options)
    schedules: tuple[str, ...] = several((), *limits_of(Setting, "schedule").options)
    knob: str = chosen("none", "none", *KNOBS)
    values: tuple[str, ...] = ()
    search: str = chosen("grid", "grid", "random")
    draws: int = bounded(32, 2, 512, step=1)
    halving: bool = False
    finders: bool = True

    def problems(self) -> tuple[BigModelError, ...]:
        """All that is wrong with each of these settings; a rate given twice is."""
        found = super().problems()
        twice = [rate for rate, count in Counter(map(str, self.rates)).items() if count > 1]
        if twice:
            found += (BigModelError("compare.twice", rates=some(twice)),)
        if not found and len(set(self.raced)) < len(self.raced):
            found += (BigModelError("compare.narrow", low=self.lowest, high=self.highest, count=self.count),)
        return found

    @property
    def raced(self) -> tuple[float, ...]:
        """The learning rates of the list, or of the range."""
        if self.rates_as == "list":
            return self.rates
        low, high = sorted((self.lowest, self.highest))
        ratio = high / low
        return tuple(float(f"{low * ratio ** (k / (self.count - 1)):.4g}") for k in range(self.count))


@dataclass(frozen=True)
class Entry:
    """One setting in the race. `value` is the one of the second knob as it was written, "" when there is none."""

    learning_rate: float
    optimizer: str
    schedule: str
    value: str = ""


@dataclass(frozen=True)
class Plan:
    """What a race will take, known before its first step: members, their parameters together, megabytes, stacks."""

    paced = False

    entries: int
    seeds: int
    members: int
    parameters: int
    megabytes: float
    most: int
    """Megabytes that a race may take."""

    stacks: int
    knob: str = "none"
    halving: bool = False


@dataclass(frozen=True)
class Trial:
    """An entry after `number` epochs: means over its seeds that still run, and the validation loss of each seed.

    `diverged_at` is the step at which the first of its seeds broke, `broke` the same as a part of epochs (2.5: in the
    middle of the third). `left` says that it was taken out of the race; then the numbers are its last ones.
    """

    entry: Entry
    number: int
    train_loss: float
    valid_loss: float
    train_accuracy: float
    valid_accuracy: float
    losses: tuple[float, ...]
    diverged_at: int | None = None
    broke: float | None = None
    left: bool = False

    @property
    def learning_rate(self) -> float:
        """The entry's rate."""
        return self.entry.learning_rate

    @property
    def runs(self) -> bool:
        """Whether it can still win."""
        return self.diverged_at is None and not self.left


@dataclass(frozen=True)
class Round:
    """The race after `number` of `of` epochs; number 0 is the start.

    A trial has its own number: who came later is behind until it has caught up. `budget` are the seconds after which
    the race ends wherever it stands. `ended` is None, "finished", "diverged" (all have) or "time" (the budget is used
    up).
    """

    number: int
    of: int
    step: int
    steps: int
    seconds: float
    budget: float
    trials: tuple[Trial, ...]
    ended: str | None = None


@dataclass(frozen=True)
class Tiles:
    """Small decision boundaries of the trials `places`: packed pixels, `side` a side; see `tiles.py`."""

    paced = False

    number: int
    places: tuple[int, ...]
    side: int
    pixels: bytes


@dataclass(frozen=True)
class Chosen:
    """A person points at the entry with this number; None: at nobody any more."""

    paced = False

    trial: int | None


@dataclass(frozen=True)
class Before:
    """What a race had shown before it was taken up again."""

    paced = False

    rounds: tuple[Round, ...]
    tiles: Tiles | None


@dataclass(frozen=True)
class Rank:
    """A row of the table. `place` counts from 1; `trial` is its number among the trials; `best` is the first."""

    place: int
    trial: int
    entry: Entry
    valid_loss: float
    valid_accuracy: float
    train_loss: float
    train_accuracy: float
    diverged_at: int | None
    left: bool
    best: bool

    @property
    def learning_rate(self) -> float:
        """The entry's rate."""
        return self.entry.learning_rate


@dataclass(frozen=True)
class Ranking:
    """The end of a race: who runs first, by validation loss; then who left; who diverged last."""

    number: int
    of: int
    seconds: float
    ranking: tuple[Rank, ...]


def compare(
    config: CompareConfig, data: Dataset, orders: Orders | None = None
) -> Iterator[Plan | Round | Progress | Tiles | Ranking]:
    """Race all entries of a config: the Plan, a Round per epoch, Progress within long ones, a Ranking at the end."""
    from bigmodel.compare.race import Race, run

    race = Race(config, data)
    yield race.plan
    yield from (event for event in run(race, orders) if event is not None)


def rank(last: Round) -> Ranking:
    """The ranking of a Round; also for a comparison that was stopped early."""

    def order(numbered: tuple[int, Trial]) -> tuple[bool, bool, bool, float]:
        trial = numbered[1]
        return trial.diverged_at is not None, trial.left, math.isnan(trial.valid_loss), trial.valid_loss

    rows = tuple(
        Rank(
            place=place,
            trial=number,
            entry=trial.entry,
            valid_loss=trial.valid_loss,
            valid_accuracy=trial.valid_accuracy,
            train_loss=trial.train_loss,
            train_accuracy=trial.train_accuracy,
            diverged_at=trial.diverged_at,
            left=trial.left,
            best=place == 1 and trial.runs and math.isfinite(trial.valid_loss),
        )
        for place, (number, trial) in enumerate(sorted(enumerate(last.trials), key=order), start=1)
    )
    return Ranking(number=last.number, of=last.of, seconds=last.seconds, ranking=rows)


def winner(config: CompareConfig, ranking: Ranking) -> TrainConfig | None:
    """The settings of the best entry, ready for Train; None when every one diverged."""
    best = next((row for row in ranking.ranking if row.best), None)
    return None if best is None else as_training(config, best.entry)


def as_training(config: CompareConfig, entry: Entry) -> TrainConfig:
    """The training that an entry is."""
    from bigmodel.compare.entries import settings

    shared: dict[str, Any] = {f.name: getattr(config, f.name) for f in fields(Setting) if f.name != "seconds"}
    return TrainConfig(learning_rate=entry.learning_rate, **{**shared, **settings(config, entry)})


def lines(rounds: Sequence[Round]) -> list[dict[int, float]]:
    """Of each trial of the last round: epoch → mean validation loss, in the order of epochs.

    A later round has the last word: an entry that was given more seeds is measured anew.
    """
    found: list[dict[int, float]] = [{} for _ in rounds[-1].trials] if rounds else []
    for row in rounds:
        for line, trial in zip(found, row.trials, strict=False):
            if trial.diverged_at is None:
                line[trial.number] = trial.valid_loss
    return [dict(sorted(line.items())) for line in found]
