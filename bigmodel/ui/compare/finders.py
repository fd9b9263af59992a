"""The finders on trial: what every published rule votes for, on the axis of the race, and what that would cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.compare import Trial
from bigmodel.compare.answer import answer
from bigmodel.compare.finders import Said, Vote, around, judged, listen, stretch
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.compare.seen import Seen
from bigmodel.ui.words import chart_words, say

if TYPE_CHECKING:
    from bigmodel.compare.race import Race
    from bigmodel.ui.compare import Track
    from bigmodel.ui.live import Live
    from bigmodel.ui.widgets import Page


@dataclass(frozen=True)
class Case:
    """One optimizer before the race, as the chart takes it (see `plots/finders.py`)."""

    name: str
    votes: tuple[Vote, ...]
    curve: tuple[tuple[float, float], ...]
    test: tuple[tuple[float, float], ...]
    best: tuple[float, float]
    equals: tuple[float, float]


def build(page: Page, live: Live, track: Track) -> list[Any]:
    """The chart; it comes with the first vote."""
    return [chart(height=560, elem_id="compare-votes", visible=False)]


def view(seen: Seen | None, language: str) -> list[Any]:
    """The votes, against the race as it stands."""
    cases = heard(seen, language) if seen else []
    figure = frame(plots.finder_votes(cases, chart_words(language))) if cases else None
    return [gr.update(value=figure, visible=bool(cases))]


def heard(seen: Seen, language: str) -> list[Case]:
    """Every optimizer that the finders have spoken for."""
    told = {event.optimizer: event for event in seen.snapshot.events if isinstance(event, Said)}
    return [found for said in told.values() if (found := case(said, seen, language)) is not None]


def case(said: Said, seen: Seen, language: str) -> Case | None:
    """One optimizer's trial; None while none of its entries runs."""
    votes = judged(said, seen.trials)
    if votes is None:
        return None
    places = [k for k, trial in enumerate(seen.trials) if kind(trial) == (said.optimizer, said.schedule, said.value)]
    own = [seen.trials[k] for k in places]
    found = answer(own, [seen.curves[k] for k in places])
    equals = [own[k].learning_rate for k in found.equals] if found else []
    rates = [trial.learning_rate for trial in own]
    return Case(
        name=say(f"optimizer.{said.optimizer}", language),
        votes=votes.votes,
        # Who was taken out has trained for less: its loss is no measure for a rate.
        curve=tuple((trial.learning_rate, trial.valid_loss) for trial in own if not trial.left),
        test=tuple(zip(said.test.rates, said.test.losses, strict=True)),
        best=(votes.best_rate, votes.best_loss),
        equals=stretch(around(votes.best_rate, rates, equals), rates),
    )


def kind(trial: Trial) -> tuple[str, str, str]:
    """What an entry shares with those that only differ in the rate."""
    return trial.entry.optimizer, trial.entry.schedule, trial.entry.value


def after(race: Race) -> Iterator[Any]:
    """When the race has ended: let the finders speak, if they were asked."""
    if race.config.finders:
        yield from listen(race.config, race.trials(), race.data, race.seeds)
