"""The finders' table: every published rule on trial, on several data sets and with several optimizers, as a page.

`python -m bigmodel finders` makes the page that the README links to. This module imports torch; import it when a job
starts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bigmodel.compare import CompareConfig, lines
from bigmodel.compare.answer import answer
from bigmodel.compare.finders import RULES, STABILITY, Said, Vote, around, ask, judged, stretch
from bigmodel.compare.race import Race, run
from bigmodel.config import bounded, check, limits_of, several
from bigmodel.datasets import DATASETS, DatasetConfig, load_dataset
from bigmodel.train import Setting

LOWEST, HIGHEST = 1e-7, 10.0
"""The race is as wide as the rates can be, so that every vote has its regret measured."""

NAMES = {
    "valley": "fastai valley",
    "slide": "fastai slide",
    "steep": "fastai steep",
    "minimum": "fastai minimum/10",
    "lightning_old": "Lightning ≤ 2.5.2",
    "lightning_new": "Lightning ≥ 2.5.3",
    STABILITY: "2/λmax",
}


@dataclass(frozen=True, kw_only=True)
class FindersConfig:
    """Which data sets and optimizers, how many rates from 1e-7 to 10, from how many starts, for how long."""

    datasets: tuple[str, ...] = several(("digits", "cancer", "moons"), *DATASETS)
    optimizers: tuple[str, ...] = several(("sgd", "adam"), *limits_of(Setting, "optimizer").options)
    count: int = bounded(41, 5, 128, step=1)
    seeds: int = bounded(8, 2, 16, step=1)
    epochs: int = bounded(20, 1, 1000, step=1)
    width: int = bounded(64, 1, 1024, step=1)

    def __post_init__(self) -> None:
        check(self)

    def race(self, optimizer: str) -> CompareConfig:
        """The race of one optimizer. SGD runs without momentum, as the rules' authors tried it."""
        return CompareConfig(
            rates_as="range", lowest=LOWEST, highest=HIGHEST, count=self.count, seeds=self.seeds, epochs=self.epochs,
            widths=(self.width,), optimizer=optimizer, momentum=0.0, seconds=86_400.0,
        )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One data set with one optimizer: the race's answer, the rates that cannot be told apart from it, from where to
    where a vote counts as one of them (`finders.stretch`), the votes."""

    dataset: str
    optimizer: str
    best_rate: float
    best_loss: float
    best_accuracy: float
    equals: tuple[float, ...]
    stretch: tuple[float, float]
    votes: tuple[Vote, ...]
    seconds: float


def hear(config: FindersConfig) -> Iterator[Case]:
    """Race every data set with every optimizer, and try the finders against each race."""
    for name in config.datasets:
        data = load_dataset(DatasetConfig(dataset=name))
        for optimizer in config.optimizers:
            race = Race(config.race(optimizer), data)
            for _ in run(race):
                pass
            trials = race.trials()
            found = answer(trials, lines(race.rounds))
            if found is None:
                continue
            best = trials[found.best]
            said = next(event for event in ask(race.config, best.entry, data, race.seeds) if isinstance(event, Said))
            votes = judged(said, trials)
            raced = [trial.learning_rate for trial in trials]
            equals = around(best.learning_rate, raced, [raced[place] for place in found.equals])
            told = votes.votes if votes else ()
            yield Case(
                dataset=name,
                optimizer=optimizer,
                best_rate=best.learning_rate,
                best_loss=best.valid_loss,
                best_accuracy=best.valid_accuracy,
                equals=equals,
                stretch=stretch(equals, raced),
                votes=told,
                seconds=race.seconds,
            )


def page(cases: Sequence[Case], config: FindersConfig) -> str:
    """The page: what was measured, every vote, every regret, and what each rule is worth."""
    rules = [rule for rule in (*RULES, STABILITY) if any(vote.rule == rule for case in cases for vote in case.votes)]
    return "\n".join(
        (
            "# The finders on trial",
            "",
            f"Made by `python -m bigmodel finders` in {sum(case.seconds for case in cases):.0f} s of work. Each race: "
            f"{config.count} learning rates from {LOWEST:g} to {HIGHEST:g} × {config.seeds} seeds × {config.epochs} "
            f"epochs of a network with {config.width} hidden units, batches of 32, a constant rate; SGD without "
            "momentum. Each rule reads the range tests of the same seeds, from the same starts and batches "
            "(`bigmodel/compare/finders.py` names its sources).",
            "",
            "## Rates",
            "",
            "The race's answer is the rate with the lowest mean validation loss, in brackets the rates that cannot be "
            "told apart from it (95 %, paired by seed). A vote is the median over seeds, in brackets the lowest and "
            "the highest.",
            "",
            *_table(cases, rules, _best, _rate),
            "",
            "## Regret",
            "",
            "The validation loss of the race at the vote (between two raced rates: interpolated on the logarithmic "
            "axis) minus that of the answer. *∞*: the race diverged there. **Bold**: among the best, that is between "
            "the rates that cannot be told apart from it, or nearer to one of them than to the next rate.",
            "",
            *_table(cases, rules, lambda case: f"loss {case.best_loss:.3f}", _regret),
            "",
            "## What a rule is worth",
            "",
            *_worth(cases, rules),
            "",
            "2/λmax is no advice: it is where plain gradient descent would leave the bowl that it starts in.",
            "",
        )
    )


def _table(
    cases: Sequence[Case], rules: Sequence[str], head: Callable[[Case], str], cell: Callable[[Case, Vote], str]
) -> Iterator[str]:
    """A row per rule, a column per case: the race's own answer first."""
    yield "| | " + " | ".join(f"{case.dataset} {_title(case.optimizer)}" for case in cases) + " |"
    yield "|---" * (len(cases) + 1) + "|"
    yield "| **the race** | " + " | ".join(head(case) for case in cases) + " |"
    for rule in rules:
        found = [next((vote for vote in case.votes if vote.rule == rule), None) for case in cases]
        told = (cell(case, vote) if vote else "–" for case, vote in zip(cases, found, strict=True))
        yield f"| {NAMES[rule]} | " + " | ".join(told) + " |"


def _title(optimizer: str) -> str:
    return {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "adagrad": "Adagrad"}[optimizer]


def _best(case: Case) -> str:
    return f"{case.best_rate:.2g} ({case.equals[0]:.2g} – {case.equals[-1]:.2g})"


def _rate(case: Case, vote: Vote) -> str:
    return f"{vote.rate:.2g} ({vote.low:.2g} – {vote.high:.2g})"


def _regret(case: Case, vote: Vote) -> str:
    if math.isinf(vote.regret):
        return "*∞*"
    shown = f"{'≥ ' if not vote.inside else ''}{vote.regret:.3f}"
    return f"**{shown}**" if among(case, vote) else shown


def among(case: Case, vote: Vote) -> bool:
    """Whether a vote lies where the race sees no difference from the best."""
    return case.stretch[0] <= vote.rate <= case.stretch[1]


def _worth(cases: Sequence[Case], rules: Sequence[str]) -> Iterator[str]:
    """Of each rule: how often it is among the best, how far off it is, how far its seeds disagree, what it costs."""
    yield "| rule | among the best | vote / answer, SGD | vote / answer, others | seeds apart by | worst regret |"
    yield "|---|---|---|---|---|---|"
    for rule in rules:
        own = [(case, vote) for case in cases for vote in case.votes if vote.rule == rule]
        hits = sum(among(case, vote) for case, vote in own)
        plain = [vote.rate / case.best_rate for case, vote in own if case.optimizer == "sgd"]
        other = [vote.rate / case.best_rate for case, vote in own if case.optimizer != "sgd"]
        apart = statistics.median(vote.high / vote.low for _, vote in own)
        worst = max(vote.regret for _, vote in own)
        told = "∞" if math.isinf(worst) else f"{worst:.3f}"
        yield f"| {NAMES[rule]} | {hits} of {len(own)} | {_span(plain)} | {_span(other)} | {apart:.1f} × | {told} |"


def _span(factors: Sequence[float]) -> str:
    if not factors:
        return "–"
    return f"{min(factors):.2g} × – {max(factors):.2g} ×"
