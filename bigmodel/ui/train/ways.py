"""Where the data may hold text: TF-IDF, a frozen and a fine-tuned encoder, trained one after another and side by side.

The comparison is a run of its own, beside that of the tab: it takes the settings as they stand and leaves the tab's
network alone.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.datasets import FEATURES, SENTENCES
from bigmodel.runs import Shelf, Snapshot
from bigmodel.train import Epoch, Progress, TrainConfig
from bigmodel.train.ways import Told, Tried, Trying, ways
from bigmodel.ui.data import TABLE, Source, loading, loading_line
from bigmodel.ui.live import Controls, Start
from bigmodel.ui.train.chances import chances
from bigmodel.ui.widgets import QUIET, status_bar
from bigmodel.ui.words import say

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """A button, how far it is, and a bar a way; there as soon as data is chosen that may hold text."""
    with gr.Column(visible=False, elem_id="train-ways") as box:
        page.markdown("train.ways.title", elem_classes="panel-title")
        page.markdown("train.ways.info", elem_classes="hint")
        with gr.Row(elem_classes="actions"):
            start = page.button("train.ways.start", size="sm", elem_id="train-ways-start")
            stop = page.button("live.stop", size="sm", interactive=False, elem_id="train-ways-stop")
        status = status_bar(elem_id="train-ways-status")
        bars = chances(elem_id="train-ways-bars")

    def prepare(language: str, *values: Any) -> Start:
        count = len(desk.data.inputs)
        return comparison(desk.data.read(values[:count]), desk.form.read(values[count:]))

    controls = Controls(status, start, stop)
    live.connect("ways", controls, prepare, desk.inputs, drawn, [box, bars], status=status_line)
    desk.data.source.change(_has_words, [desk.data.source], [box], queue=False, **QUIET)
    return []


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """The run of the tab changes nothing here."""
    return []


def _has_words(source: str) -> Any:
    return gr.update(visible=source in (TABLE, *SENTENCES))


def comparison(source: Source, config: TrainConfig) -> Start:
    """A run that compares the three on the data that was chosen."""

    def load(features: str) -> Generator[Any, None, Dataset]:
        return (yield from loading(replace(source, config=replace(source.config, features=features))))

    def job(shelf: Shelf) -> Iterator[Any]:
        yield from ways(config, load)

    return Start(job)


def drawn(snapshot: Snapshot | None, language: str) -> list[Any]:
    """The panel, which a run opens, and its bars."""
    events = snapshot.events if snapshot else ()
    tried = [event for event in events if isinstance(event, Tried)]
    shown = [one for one in tried if not math.isnan(one.accuracy)]
    names = {features: say(f"features.{features}", language) for features in FEATURES}
    rows = [(names[one.features], *(round(v, 4) for v in (one.accuracy, one.low, one.high))) for one in shown]
    caption = say("train.ways.right", language, rows=shown[0].rows) if shown else ""
    lost = [names[one.features] for one in tried if math.isnan(one.accuracy)]
    notes = [say("train.ways.diverged", language, names=", ".join(lost))] if lost else []
    told = next((event for event in events if isinstance(event, Told)), None)
    if told is not None:
        others = ", ".join(names[name] for name in told.equal)
        key = "train.ways.equal" if told.equal else "train.ways.best"
        notes.append(say(key, language, best=names[told.best], others=others))
    times = ", ".join(f"{names[one.features]} {one.seconds:.1f}" for one in shown)
    notes += [say("train.ways.took", language, times=times)] if times else []
    bars = {"caption": caption, "note": " ".join(notes), "rows": rows}
    return [gr.update(visible=True) if snapshot is not None else gr.skip(), bars]


def status_line(snapshot: Snapshot, language: str) -> tuple[str, float]:
    """Which way is on its way and how far it is; the share of the three that is done."""
    trying = next((event for event in reversed(snapshot.events) if isinstance(event, Trying)), None)
    last = snapshot.events[-1] if snapshot.events else None
    if trying is None or last is None:
        return "", 0.0
    done = sum(isinstance(event, Tried) for event in snapshot.events)
    if done == len(FEATURES):
        return say("train.ways.done", language), 1.0
    text, within = say(f"features.{trying.features}", language), 0.0
    moved = next((event for event in reversed(snapshot.events) if isinstance(event, (Epoch, Progress, Trying))), None)
    if isinstance(moved, (Epoch, Progress)):
        within = moved.step / max(1, moved.steps)
        text += " · " + say("train.ways.epoch", language, number=moved.number, of=moved.of)
    elif loading_line(last, language)[0]:
        text += " · " + loading_line(last, language)[0]
    share = (done + within) / len(FEATURES) if done == trying.place else done / len(FEATURES)
    return text, share
