"""How good the network is: its scores on the test part, and what it takes for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.runs import Snapshot
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.train.setup import Setup
from bigmodel.ui.widgets import number_cards
from bigmodel.ui.words import chart_words, say

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """The scores, and the confusion matrix once there is one."""
    cards = number_cards(elem_id="train-scores")
    confusion = chart(height=420, visible=False, elem_id="train-confusion", min_width=300)
    return [cards, confusion]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """Scores and confusion matrix of a run as it stands."""
    events = snapshot.events if snapshot else ()
    setup = next((event for event in events if isinstance(event, Setup)), None)
    scores = next((event for event in events[-1:] if type(event).__name__ == "Scores"), None)
    words = chart_words(language)
    matrix = frame(plots.confusion(scores.confusion, scores.classes, words)) if scores else None
    past = snapshot.past if snapshot else None
    if past is not None and past.confusion:
        figure = plots.confusion(past.confusion, past.classes, words)
        figure.layout.meta = {"caption": say("train.past.confusion", language, number=past.number)}
        matrix = frame(figure)
    return [score_cards(scores, setup, language), gr.update(value=matrix, visible=matrix is not None)]


def score_cards(scores: Any, setup: Setup | None, language: str) -> dict[str, Any]:
    """The numbers of the test, or a hint at what will stand here."""
    if scores is None:
        return {"note": say("train.scores.later", language), "cards": []}
    rows = [
        (say(f"train.scores.{name}", language), "–" if value is None else f"{value:.3f}")
        for name, value in (
            ("accuracy", scores.accuracy),
            ("precision", scores.precision),
            ("recall", scores.recall),
            ("f1", scores.f1),
            ("auc", scores.auc),
        )
    ]
    note = say(f"train.scores.note.{scores.average}", language, rows=scores.rows, positive=scores.classes[-1])
    if len(scores.members) > 1:
        low, high = min(scores.members), max(scores.members)
        note += " " + say("train.scores.seeds", language, count=len(scores.members), low=low, high=high)
    for notice in setup.notices if setup else ():
        note += " " + say(f"datasets.notice.{notice.key}", language, **dict(notice.values))
    return {"note": note, "cards": rows}
