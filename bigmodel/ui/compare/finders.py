"""The finders on trial: what every published rule votes for, on the axis of the race, and what that would cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.compare import Trial
from bigmodel.compare.answer import answer
from bigmodel.compare.finders import Said, Vote, around, judged
from bigmodel.runs import Shelf, Snapshot
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.compare.standing import Standing, standing
from bigmodel.ui.words import chart_words, say

if TYPE_CHECKING:
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


def build(page: Page, live: Live, desk: Any) -> list[Any]:
    """The chart; it comes with the first vote."""
    return [chart(height=560, elem_id="compare-finders", visible=False)]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """The votes, against the race as it stands."""
    told = {event.optimizer: event for event in snapshot.events if isinstance(event, Said)} if snapshot else {}
    stand = standing(snapshot)
    cases = [found for said in told.values() if stand and (found := case(said, stand, language)) is not None]
    figure = frame(plots.finder_votes(cases, chart_words(language))) if cases else None
    return [gr.update(value=figure, visible=bool(cases))]


def case(said: Said, stand: Standing, language: str) -> Case | None:
    """One optimizer's trial; None while none of its entries runs."""
    votes = judged(said, stand.trials)
    if votes is None:
        return None
    places = [k for k, trial in enumerate(stand.trials) if kind(trial) == (said.optimizer, said.schedule, said.value)]
    own = [stand.trials[k] for k in places]
    found = answer(own, [stand.lines[k] for k in places])
    equals = [own[k].learning_rate for k in found.equals] if found else []
    stretch = around(votes.best_rate, [trial.learning_rate for trial in own], equals)
    return Case(
        name=say(f"optimizer.{said.optimizer}", language),
        votes=votes.votes,
        curve=tuple((trial.learning_rate, trial.valid_loss) for trial in own),
        test=tuple(zip(said.test.rates, said.test.losses, strict=True)),
        best=(votes.best_rate, votes.best_loss),
        equals=(stretch[0], stretch[-1]),
    )


def kind(trial: Trial) -> tuple[str, str, str]:
    """What an entry shares with those that only differ in the rate."""
    return trial.entry.optimizer, trial.entry.schedule, trial.entry.value


def after(shelf: Shelf) -> Iterator[Any]:
    """When the race has ended: let the finders speak, if they were asked."""
    from bigmodel.compare.finders import listen

    race = shelf["race"]
    if race.config.finders:
        trials: Sequence[Trial] = race.trials()
        yield from listen(race.config, trials, race.data, race.seeds)
