"""How the network fares inside, behind a title that is closed at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.runs import Snapshot
from bigmodel.train import Epoch
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.words import chart_words

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """One chart with three looks."""
    with page.words(gr.Accordion(open=False, elem_id="train-health-fold"), label="train.health"):
        return [chart(height=360, elem_id="train-health")]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """The chart of a run as it stands."""
    epochs = [event for event in snapshot.events if isinstance(event, Epoch)] if snapshot else []
    return [frame(plots.health(epochs, chart_words(language)))]
