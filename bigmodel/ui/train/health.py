"""How the network fares inside, behind a title that is closed at first.

What the run sends is the number of the newest epoch that was examined; the chart is fetched for it by the page, once a
second at most and only while it can be seen. Closed, it costs nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.runs import Snapshot
from bigmodel.train import Epoch
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.widgets import QUIET
from bigmodel.ui.words import chart_words, dictionary, say

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page

_SCRIPT = """
let drawn = '', asked = 0, waiting = 0;
function ask() {
    waiting = 0;
    const now = (props.value || {}).turn || '';
    if (!element.offsetWidth || now === drawn) return;  // closed, on another tab, or nothing new
    drawn = now;
    asked = Date.now();
    trigger('select', {});
}
function look() { waiting ||= setTimeout(ask, Math.max(0, asked + 1000 - Date.now())); }
watch('value', look);
new ResizeObserver(look).observe(element);
look();
"""


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """One chart with three looks, and what fetches it."""
    with page.words(gr.Accordion(open=False, elem_id="train-health-fold"), label="train.health"):
        figure = chart(height=360, elem_id="train-health")
        pulse = gr.HTML(
            None, html_template="<div></div>", js_on_load=_SCRIPT, elem_id="train-health-pulse", padding=False
        )

    def fetch(visitor: str, language: str, request: gr.Request) -> dict[str, Any]:
        run = live.run("train", visitor, request)
        return drawn(run.snapshot() if run else None, language)

    pulse.select(fetch, [page.visitor, page.language], [figure], trigger_mode="always_last", **QUIET)
    return [pulse]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """What tells the page that there is something new to fetch: another language, epoch or run."""
    last = next((epoch for epoch in reversed(_epochs(snapshot)) if epoch.health is not None), None)
    return [{"turn": f"{language} {last.number} {last.train_loss!r}" if last else language}]


def drawn(snapshot: Snapshot | None, language: str) -> dict[str, Any]:
    """The chart of a run as it stands."""
    words = chart_words(language)
    return frame(plots.health([named(epoch, language) for epoch in _epochs(snapshot)], words))


def named(epoch: Epoch, language: str) -> Epoch:
    """An epoch whose layers go by their names in a language."""
    if epoch.health is None:
        return epoch
    names = tuple(layer(name, language) for name in epoch.health.layers)
    return replace(epoch, health=replace(epoch.health, layers=names))


def layer(name: str, language: str) -> str:
    """A layer of `Shape.layers` in words: "hidden2" is hidden layer 2."""
    found = re.fullmatch(r"([a-z]+)(\d*)", name)
    kind, number = found.groups() if found else (name, "")
    key = f"train.layer.{kind}"
    return say(key, language, number=number) if key in dictionary(language) else name


def _epochs(snapshot: Snapshot | None) -> list[Epoch]:
    return [event for event in snapshot.events if isinstance(event, Epoch)] if snapshot else []
