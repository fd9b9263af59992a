"""A coach: what is wrong with a training, told from its events, each with its evidence and with what would mend it.

    for diagnosis in diagnose(events, config, over=True):
        diagnosis.key, diagnosis.values, diagnosis.mend

A diagnosis is a key and numbers, worded on the page (`coach.<key>`). It is made of what stands in the events alone, so
a run of last week is diagnosed like the present one. Silence is the default: each rule needs a margin that healthy
runs do not come near, and where one fault explains another only the first is told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bigmodel.train import Epoch, Health, TrainConfig
from bigmodel.train.baselines import Baseline

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset, DatasetConfig
    from bigmodel.networks import Stack

MOST = 3
"""Diagnoses at once: who is told ten things does none."""

ROWS = 1_000
"""Most rows of the validation part that are asked for their class."""

LARGE = 5_000_000
COLUMNS = 200
"""Bytes and columns of a table above which leaks are not looked for here; the data doctor did when it came."""

SILENT = 0.4
"""A share of dead or saturated units of a layer that is a loss."""

FAST = {"sgd": 0.3, "adagrad": 0.1, "rmsprop": 5e-3, "adam": 5e-3, "adamw": 5e-3}
"""Learning rates above which the rate is suspected first."""


@dataclass(frozen=True)
class Answers:
    """What the first living member takes the validation rows for after `number` epochs: rows by guess, by class."""

    paced: ClassVar[bool] = False

    number: int
    given: tuple[int, ...]
    true: tuple[int, ...]


@dataclass(frozen=True)
class Leak:
    """Something in a table that gives the answers away, as the data doctor found it: "telling" or "twins"."""

    paced: ClassVar[bool] = False

    key: str
    values: tuple[tuple[str, Any], ...]


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


def diagnose(events: Sequence[Any], config: TrainConfig, *, rows: int, over: bool) -> tuple[Diagnosis, ...]:
    """What is wrong with a training, the worst first. `config` is what holds now, `rows` counts the validation part,
    `over` says that nothing more will come."""
    found = [_leak(event) for event in events if isinstance(event, Leak)]
    epochs = tuple(event for event in events if isinstance(event, Epoch))
    if len(epochs) > 1:
        case = Case(
            config=config,
            epochs=epochs,
            baselines=tuple(event for event in events if isinstance(event, Baseline)),
            answers=next((event for event in reversed(events) if isinstance(event, Answers)), None),
            health=next((epoch.health for epoch in reversed(epochs) if epoch.health), None),
            rows=rows,
            over=over,
        )
        explained: set[str] = set()
        for key, (rule, explains) in RULES.items():
            diagnosis = None if key in explained else rule(case)
            if diagnosis is not None:
                found.append(diagnosis)
                explained |= set(explains)
    return tuple(found[:MOST])


# ---- the rules ----------------------------------------------------------------------------------------------------


def _leak(leak: Leak) -> Diagnosis:
    values = dict(leak.values)
    if leak.key == "telling":
        return Diagnosis("telling", leak.values, Mend("anew", leave_out=str(values["column"])))
    return Diagnosis("twins", leak.values, Mend("anew", distinct=True))


def _diverged(case: Case) -> Diagnosis | None:
    broken = [member for member in case.last.members if member.diverged_at is not None]
    if not broken:
        return None
    said = (("step", broken[0].diverged_at), ("rate", case.config.learning_rate), ("count", len(broken)))
    return Diagnosis("diverged", (*said, ("of", len(case.last.members))), _slower(case))


def _leaping(case: Case) -> Diagnosis | None:
    """The training loss is above where it began, or leaps up again and again."""
    rate = ("rate", case.config.learning_rate)
    start = case.first.train_loss
    above = [epoch for epoch in case.epochs[1:] if epoch.train_loss > 1.2 * max(start, 0.5 * case.chance)]
    if above and case.fast:
        said = (("number", above[-1].number), ("loss", above[-1].train_loss), ("start", start), rate)
        return Diagnosis("rate_high", said, _slower(case))
    recent = case.epochs[-11:]
    leaps = [
        after
        for before, after in pairwise(recent)
        if after.train_loss > 1.1 * before.train_loss and after.train_loss - before.train_loss > 0.02 * case.chance
    ]
    if len(recent) > 3 and len(leaps) >= max(2, 0.25 * (len(recent) - 1)) and case.update > 8e-3:
        count = (("count", len(leaps)), ("of", len(recent) - 1), ("update", case.update))
        return Diagnosis("rate_leaps", (*count, rate), _slower(case))
    return None


def _slower(case: Case) -> Mend:
    """A tenth of the rate: from the best epoch, or anew where nothing good came before."""
    rate = (("learning_rate", rounded(case.config.learning_rate / 10)),)
    best = next((epoch for epoch in case.epochs if epoch.number == case.last.best), case.first)
    good = best.number > case.first.number and best.train_loss < 0.9 * case.chance
    if good and _silent(case) is None:
        return Mend("fork", rate, best.number)
    return Mend("anew", rate)


def _silence(case: Case) -> Diagnosis | None:
    """Units that pass nothing on, or let no slope through."""
    worst = _silent(case)
    if worst is None:
        return None
    layer, share = worst
    key = "dead" if case.config.activation == "relu" else "saturated"
    said = (("layer", layer), ("share", share), ("rate", case.config.learning_rate))
    if case.fast:
        return Diagnosis(key, said, Mend("anew", (("learning_rate", rounded(case.config.learning_rate / 10)),)))
    bend = ("activation", "gelu") if key == "dead" else ("normalisation", "layer")
    return Diagnosis(key, said, Mend("anew", (bend,)))


def _silent(case: Case) -> tuple[int, float] | None:
    """(number of the layer, share) of the layer with the most silent units, where they are too many."""
    shares = case.health.dead if case.health else ()
    known = [(share, -k) for k, share in enumerate(shares, 1) if math.isfinite(share)]
    share, place = max(known, default=(0.0, 0))
    return (-place, share) if share >= SILENT else None


def _slow(case: Case) -> Diagnosis | None:
    """Hardly anything has been learnt, by small and steady steps."""
    learnt = (case.chance - case.last.valid_loss) / case.chance if case.chance > 0 else 1.0
    count = case.last.number - case.first.number
    if count < (2 if case.over else 5) or learnt > (0.2 if case.over else 0.1) or not 0 < case.update < 2e-3:
        return None
    middle = case.epochs[len(case.epochs) // 2].train_loss
    early, late = case.first.train_loss - middle, middle - case.last.train_loss
    if not 0 < early <= 2 * late:  # what is stuck does not fall, or less and less
        return None
    rate = rounded(case.config.learning_rate * 10)
    said = (("share", max(0.0, learnt)), ("update", case.update), ("rate", case.config.learning_rate))
    return Diagnosis("rate_low", said, Mend("fork", (("learning_rate", min(rate, 10.0)),)))


def _collapsed(case: Case) -> Diagnosis | None:
    """One answer to everything."""
    answers, config = case.answers, case.config
    if answers is None or answers.number < case.first.number + 3 or not sum(answers.given):
        return None
    place = max(range(len(answers.given)), key=lambda k: answers.given[k])
    share, true = answers.given[place] / sum(answers.given), answers.true[place] / sum(answers.true)
    if share < 0.995 or true > 0.95:
        return None
    settings: tuple[tuple[str, Any], ...] = (("normalisation", "batch"),)
    if config.l1 or config.l2:
        settings = (("l1", 0.0), ("l2", 0.0))
    elif case.fast or config.normalisation != "none":
        settings = (("learning_rate", rounded(config.learning_rate / 10)),)
    said = (("place", place), ("share", share), ("true", true), ("number", answers.number))
    return Diagnosis("collapse", said, Mend("anew", settings))


def _overfitting(case: Case) -> Diagnosis | None:
    """The validation loss rises from its best while the training loss still falls."""
    best = next((epoch for epoch in case.epochs if epoch.number == case.last.best), case.last)
    since, config = case.last.number - best.number, case.config
    if since < max(3, 0.1 * case.last.number) or case.last.ended == "early":
        return None
    # All of the last ones: a single bad epoch is none.
    risen = min(epoch.valid_loss for epoch in case.epochs[-3:]) - best.valid_loss
    if risen < max(0.1 * best.valid_loss, 0.02) or case.last.train_loss >= best.train_loss:
        return None
    if config.widths and config.architecture != "logistic" and config.dropout < 0.5:
        cure: tuple[str, Any] = ("dropout", rounded(min(0.5, config.dropout + 0.3)))
    else:
        cure = ("l2", rounded(max(0.01, min(1.0, 10 * config.l2))))
    said = (("best", best.number), ("low", best.valid_loss), ("high", case.last.valid_loss))
    falls = (("before", best.train_loss), ("after", case.last.train_loss))
    return Diagnosis("overfitting", (*said, *falls), Mend("fork", (cure,), best.number))


def _unfinished(case: Case) -> Diagnosis | None:
    """It was still falling at the end."""
    if not case.over or case.falling <= 0.15 or case.last.ended == "early":
        return None
    said = (("share", case.falling), ("loss", case.last.valid_loss), ("number", case.last.number))
    return Diagnosis("unfinished", said, Mend("fork", (("epochs", _more(case)),)))


def _more(case: Case) -> int:
    """Twice the epochs."""
    return min(10_000, max(2 * case.last.number, case.last.number + 10))


def _beaten(case: Case) -> Diagnosis | None:
    """A simple model does better, by more than luck on so many rows would explain."""
    if not case.over or not case.baselines or not case.rows:
        return None
    best = max(case.baselines, key=lambda mark: mark.valid_accuracy)
    reached = max(case.last.valid_accuracy, 0.0)
    middle = (best.valid_accuracy + reached) / 2
    luck = 2 * math.sqrt(max(0.0, middle * (1 - middle)) / case.rows)
    if not best.valid_accuracy - reached > max(luck, 0.01):
        return None
    said = (("name", best.name), ("theirs", best.valid_accuracy), ("ours", reached), ("luck", luck))
    if case.falling > 0.05:
        return Diagnosis("beaten", said, Mend("fork", (("epochs", _more(case)),)))
    if best.name == "logistic":
        settings: tuple[tuple[str, Any], ...] = (("architecture", "logistic"),)
    elif sum(case.config.widths) < 64 or case.config.architecture == "logistic":
        settings = (("architecture", "mlp"), ("widths", (64, 64)))
    else:
        settings = (("dropout", 0.3),)
    return Diagnosis("beaten", said, Mend("anew", settings))


RULES: dict[str, tuple[Callable[[Case], Diagnosis | None], tuple[str, ...]]] = {
    "diverged": (_diverged, ("leaping", "silence", "slow", "collapsed", "overfitting", "unfinished", "beaten")),
    "leaping": (_leaping, ("slow", "collapsed", "overfitting", "unfinished", "beaten")),
    "silence": (_silence, ("unfinished", "beaten")),
    "slow": (_slow, ("collapsed", "unfinished", "beaten")),
    "collapsed": (_collapsed, ("overfitting", "unfinished", "beaten")),
    "overfitting": (_overfitting, ("unfinished", "beaten")),
    "unfinished": (_unfinished, ("beaten",)),
    "beaten": (_beaten, ()),
}
"""Each rule, and which later ones need not be asked once it has spoken."""


def rounded(value: float) -> float:
    """Two digits: a person reads it."""
    return float(f"{value:.2g}")


# ---- what is heard beside the epochs ------------------------------------------------------------------------------


class Listener:
    """Asks the network for its answers now and then: at most three times a second, and at the end."""

    def __init__(self, stack: Stack, data: Dataset) -> None:
        self._stack, self._data = stack, data
        self._next = 0.0

    def look(self, number: int, *, last: bool = False) -> Iterator[Answers]:
        """The answers after `number` epochs, if it is time."""
        if self._stack.alive and (last or time.monotonic() >= self._next):
            yield answers(self._stack, self._data, number)
            self._next = time.monotonic() + 0.33


def answers(stack: Stack, data: Dataset, number: int) -> Answers:
    """What the first living member takes the validation rows for."""
    import numpy as np
    import torch

    from bigmodel.networks import predict, threads

    y, size = data.valid.y[:ROWS], len(data.classes)
    with threads(1):
        guess = predict(stack, torch.from_numpy(data.valid.x[:ROWS]))[0].argmax(1).numpy()
    given, true = (tuple(np.bincount(rows, minlength=size).tolist()) for rows in (guess, y))
    return Answers(number, given, true)


def leaks(file: str, target: str, config: DatasetConfig, leave_out: Sequence[str]) -> Iterator[Leak]:
    """What the data doctor finds in a table that gives the answers away; nothing for a large one."""
    if not file or not Path(file).exists() or Path(file).stat().st_size > LARGE:
        return
    from bigmodel.datasets import read_table
    from bigmodel.datasets.doctor import examine

    table = read_table(file)
    if len(table.columns) > COLUMNS:
        return
    for finding in examine(table, target or table.target, config).findings:
        if finding.key in ("telling", "twins") and dict(finding.values).get("column") not in leave_out:
            yield Leak(finding.key, finding.values)
