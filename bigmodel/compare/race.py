"""A race under way: stacks advanced slice by slice in turn, so that all curves grow together, and orders obeyed.

The stack that is furthest behind goes next. Who joins later (further rates, further seeds) starts from the beginning
with the same seeds and has caught up when the stacks stand at the same epoch again: its curve is the one it would have
had from the first. This module imports torch; import it when a job starts.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from bigmodel.compare import CompareConfig, Entry, Ranking, Round, Tiles, Trial, rank
from bigmodel.compare.entries import Lane, entries, lanes, plan
from bigmodel.compare.orders import Leave, MoreRates, MoreSeeds, Order, Orders
from bigmodel.config import limits_of
from bigmodel.errors import BigModelError, ConfigError
from bigmodel.networks import build
from bigmodel.train import Progress
from bigmodel.train.course import Course, advance, begin, drop

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset

MOST_ROUNDS = 1000
MOST_TOLD = 40_000
"""Rounds of a race, and trials in all of them together: with more epochs than this, only every so many is told."""


@dataclass
class Heat:
    """One stack under way. `places` and `seeds` say which entry and which start each of its members is."""

    course: Course
    places: np.ndarray
    seeds: np.ndarray
    history: list[np.ndarray] = field(default_factory=list)
    """One (members, 4) per epoch: losses and accuracies of the training and the validation part."""

    @property
    def finished(self) -> int:
        """The last epoch that was measured, -1 before any."""
        return len(self.history) - 1

    @property
    def living(self) -> bool:
        """Whether there is more to do."""
        return self.course.ended is None

    @property
    def per_epoch(self) -> float:
        """Steps of an epoch."""
        return self.course.steps / max(1, self.course.config.epochs)

    def record(self) -> None:
        """Keep what was just measured."""
        rows = [(m.train_loss, m.valid_loss, m.train_accuracy, m.valid_accuracy) for m in self.course.members]
        self.history.append(np.array(rows, dtype=np.float32))


class Race:
    """All stacks of a comparison, and what they have shown. One thread works on it at a time.

    `seconds` is the work so far, `budget` how much it may be: an order that brings more work brings as much time as a
    new race would have.
    """

    def __init__(self, config: CompareConfig, data: Dataset) -> None:
        self.config, self.data = config, data
        self.entries: list[Entry] = list(entries(config))
        self.seeds = list(range(config.seed, config.seed + config.seeds))
        self.plan = plan(config, data, self.entries, self.seeds)
        self.epochs, self.budget = config.epochs, config.seconds
        self.left: dict[int, int] = {}
        self.lock = threading.Lock()
        """Held by whoever drives the race."""
        self.pixels: dict[int, bytes] = {}
        """The last picture of each entry that has one."""
        self.heats: list[Heat] = []
        self.rounds: list[Round] = []
        self.ended: str | None = None
        self.number = -1
        self.beside = 0.0
        """Seconds that went into pictures and the like."""
        self._add(range(len(self.entries)), self.seeds)

    @property
    def rates(self) -> tuple[float, ...]:
        """Every learning rate in the race, each once, from the lowest up."""
        return tuple(sorted({entry.learning_rate for entry in self.entries}))

    @property
    def seconds(self) -> float:
        """Work so far."""
        return self.beside + sum(heat.course.seconds for heat in self.heats)

    def turn(self) -> Round | Progress | None:
        """Work for a slice: a Round when all have done another epoch, None when only some have."""
        heat = min(
            (heat for heat in self.heats if heat.living),
            key=lambda heat: (heat.finished, heat.course.step / max(1, heat.course.steps)),
        )
        done = advance(heat.course)
        if done:
            heat.record()
        # A race has a first round, however small its budget is.
        if self.number >= 0 and self.seconds > self.budget and any(heat.living for heat in self.heats):
            self.ended = "time"
            return self._round()
        return self._conclude() if done else self._progress(heat)

    def obey(self, orders: Iterable[Order]) -> None:
        """Do what was asked. What cannot be done (any more) is passed over: `check` tells why before it is asked."""
        for order in orders:
            try:
                self.check(order)
            except ConfigError:
                continue
            self._obey(order)

    def check(self, order: Order) -> None:
        """ConfigError when an order cannot be obeyed: too many entries, seeds or epochs, or too much memory."""
        found, seeds, epochs = list(self.entries), list(self.seeds), self.epochs
        if isinstance(order, Leave):
            return
        if isinstance(order, MoreRates):
            found += self._fresh(order.rates)
        elif isinstance(order, MoreSeeds):
            seeds += self._further(order.count)
        else:
            epochs += order.epochs
        for name, count in (("epochs", epochs), ("seeds", len(seeds))):
            most = int(limits_of(CompareConfig, name).high)
            if count > most:
                raise ConfigError((BigModelError(f"compare.no_{name}", count=count, most=most),))
        plan(replace(self.config, epochs=epochs), self.data, found, seeds)

    def trials(self) -> tuple[Trial, ...]:
        """Every entry as it stands."""
        reached = self._numbers()
        table = np.full((len(self.entries), len(self.seeds), 4), np.nan)
        broke: dict[int, tuple[int, float]] = {}
        for heat in self.heats:
            at = np.minimum(reached[heat.places], heat.finished)
            for number in np.unique(at[at >= 0]):
                rows = at == number
                table[heat.places[rows], heat.seeds[rows]] = heat.history[number][rows]
            for member, step in heat.course.broke.items():
                place = int(heat.places[member])
                broke[place] = min((step, step / heat.per_epoch), broke.get(place, (step, math.inf)))
        counts = np.isfinite(table).sum(1)
        means = np.where(counts > 0, np.nansum(table, 1) / np.maximum(counts, 1), np.nan)
        made = []
        for k, entry in enumerate(self.entries):
            train_loss, valid_loss, train_accuracy, valid_accuracy = means[k].tolist()
            made.append(
                Trial(
                    entry=entry,
                    number=int(reached[k]),
                    train_loss=train_loss,
                    valid_loss=valid_loss,
                    train_accuracy=train_accuracy,
                    valid_accuracy=valid_accuracy,
                    losses=tuple(table[k, :, 1].tolist()),
                    diverged_at=broke[k][0] if k in broke else None,
                    broke=broke[k][1] if k in broke else None,
                    left=k in self.left,
                )
            )
        return tuple(made)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _add(self, places: Sequence[int], seeds: Sequence[int]) -> None:
        """Let these entries run from these seeds, in stacks of their own."""
        config = replace(self.config, epochs=self.epochs)
        for lane, part in lanes(config, self.entries, places, seeds, self.data):
            at = np.array([self.seeds.index(seed) for _, seed in lane.runners])
            self.heats.append(Heat(self._begin(lane), np.array(part), at))

    def _begin(self, lane: Lane) -> Course:
        return begin(lane, build(lane, self.data), self.data)

    def _fresh(self, rates: Sequence[float]) -> list[Entry]:
        """The entries that further rates make: each with every optimizer, schedule and value that is there."""
        kinds = dict.fromkeys((entry.optimizer, entry.schedule, entry.value) for entry in self.entries)
        made = [Entry(rate, *kind) for kind in kinds for rate in rates]
        return [entry for entry in made if entry not in self.entries]

    def _further(self, count: int) -> list[int]:
        return [self.seeds[-1] + 1 + k for k in range(count)]

    def _obey(self, order: Order) -> None:
        if isinstance(order, Leave):
            self._leave({order.trial})
            return
        self.budget = max(self.budget, self.seconds + self.config.seconds)
        if isinstance(order, MoreRates):
            fresh, before = self._fresh(order.rates), len(self.entries)
            self.entries += fresh
            self._add(range(before, len(self.entries)), self.seeds)
        elif isinstance(order, MoreSeeds):
            further = self._further(order.count)
            self.seeds += further
            self._add([place for place, trial in enumerate(self.trials()) if trial.runs], further)
        else:
            self._go_on(order.epochs)
        self.plan = plan(replace(self.config, epochs=self.epochs), self.data, self.entries, self.seeds)
        self.ended = None if any(heat.living for heat in self.heats) else self.ended or "finished"

    def _go_on(self, epochs: int) -> None:
        """So many epochs more for all who run. A schedule is stretched: it goes on at the place it then stands at."""
        before, self.epochs = self.epochs, self.epochs + epochs
        for heat in self.heats:
            course = heat.course
            if course.ended == "finished" and epochs:
                course.ended = None
            course.steps = round(course.steps * self.epochs / before)
            course.config = replace(course.config, epochs=self.epochs)

    def _leave(self, places: set[int]) -> None:
        """Take entries out of the race; what they have shown stays."""
        numbers = self._numbers()
        for place in places:
            if 0 <= place < len(self.entries):
                self.left.setdefault(place, int(numbers[place]))
        for heat in self.heats:
            alive = heat.course.stack.alive
            gone = torch.tensor([int(heat.places[member]) in places for member in alive], dtype=torch.bool)
            if alive and bool(gone.any()):
                with torch.inference_mode():
                    drop(heat.course, gone)
                if not heat.course.stack.alive:
                    heat.course.ended = "left"
        if not any(heat.living for heat in self.heats):
            self.ended = self.ended or "finished"

    def _numbers(self) -> np.ndarray:
        """How far each entry is: as far as the last of its stacks that still run."""
        behind = np.full(len(self.entries), np.iinfo(np.int64).max)
        ahead = np.zeros(len(self.entries), dtype=np.int64)
        for heat in self.heats:
            if heat.finished < 0:
                continue
            places = np.unique(heat.places)
            ahead[places] = np.maximum(ahead[places], heat.finished)
            if heat.living or heat.course.ended == "finished":
                behind[places] = np.minimum(behind[places], heat.finished)
        numbers = np.where(behind > ahead, ahead, behind)
        for place, number in self.left.items():
            numbers[place] = number
        return numbers

    def _conclude(self) -> Round | None:
        """After an epoch of one stack: a Round if it was the last to do it."""
        living = [heat.finished for heat in self.heats if heat.living]
        if not living:
            over = all(heat.course.ended == "diverged" for heat in self.heats)
            self.ended = "diverged" if over else "finished"
        number = min(living, default=max(heat.finished for heat in self.heats))
        if number == self.number and not self.ended:
            return None
        self.number = number
        most = min(MOST_ROUNDS, max(20, MOST_TOLD // len(self.entries)))
        if self.ended or number % math.ceil(self.epochs / most) == 0:
            return self._round()
        return None

    def _round(self) -> Round:
        step, steps = self._steps()
        made = Round(
            number=self.number,
            of=self.epochs,
            step=step,
            steps=steps,
            seconds=self.seconds,
            budget=self.budget,
            trials=self.trials(),
            ended=self.ended,
        )
        self.rounds.append(made)
        if self.config.halving and not self.ended:
            self._halve(made)
        return made

    def _halve(self, made: Round) -> None:
        """At a rung the worse part of those that run leaves."""
        from bigmodel.compare.knobs import rungs

        for epoch, kept in rungs(len(self.entries), self.epochs):
            order = [row.trial for row in rank(made).ranking if row.diverged_at is None and not row.left]
            if made.number >= epoch and len(order) > kept:
                self._leave(set(order[kept:]))
                return

    def _progress(self, heat: Heat) -> Progress:
        step, steps = self._steps()
        return Progress(max(1, self.number + 1), self.epochs, step, steps, self.seconds, heat.course.batch_loss)

    def _steps(self) -> tuple[int, int]:
        """Steps done and steps in all; a stack that is over has no more to come."""
        done = sum(heat.course.step for heat in self.heats)
        return done, sum(heat.course.steps if heat.living else heat.course.step for heat in self.heats)


def run(
    race: Race, orders: Orders | None = None, *, paint: bool = False
) -> Iterator[Round | Progress | Tiles | Ranking | None]:
    """Drive a race to its end, obeying orders on the way; a race that had ended goes on if an order says so.

    With `paint` there are small boundaries now and then. The inbox closes with the generator: who asks later is told.
    """
    from bigmodel.compare.tiles import Painter

    inbox = orders or Orders()
    race.lock.acquire()  # whoever drove it before may still be at its last slice
    try:
        painter = Painter(race) if paint else None
        race.obey(inbox.drain())
        while race.ended is None or not inbox.close():
            if race.ended is None:
                told = race.turn()
                if painter is not None:
                    yield from painter.look(last=race.ended is not None)
                yield told
            race.obey(inbox.drain())
        if race.rounds:
            yield rank(race.rounds[-1])
    finally:
        race.lock.release()
        inbox.close(now=True)
