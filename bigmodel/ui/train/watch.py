"""What is seen while a network learns: losses and accuracy, against what simple models reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.runs import Snapshot
from bigmodel.train import Epoch
from bigmodel.train.baselines import Baseline
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.train import steer
from bigmodel.ui.train.ladder import ladder
from bigmodel.ui.words import chart_words, say

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """Two curves side by side, under them the ladder."""
    with gr.Row(elem_classes="charts"):
        loss = chart(height=400, elem_id="train-loss-curve", min_width=300)
        accuracy = chart(height=400, elem_id="train-accuracy-curve", min_width=300)
    rungs = ladder(visible=False, elem_id="train-ladder")
    return [loss, accuracy, rungs]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """Loss, accuracy and ladder of a run as it stands."""
    words = chart_words(language)
    events = snapshot.events if snapshot else ()
    epochs = [event for event in events if isinstance(event, Epoch)]
    marks = [event for event in events if isinstance(event, Baseline)]
    names = [say(f"train.baseline.{mark.name}", language) for mark in marks]
    losses = [(name, mark.valid_loss) for name, mark in zip(names, marks, strict=True)]
    hits = [(name, mark.valid_accuracy) for name, mark in zip(names, marks, strict=True)]
    others, notes = earlier_curves(snapshot), steer.marks(events, language, snapshot.past if snapshot else None)
    return [
        frame(plots.loss_curves(epochs, words, others=others, marks=notes, baselines=losses)),
        frame(plots.accuracy_curves(epochs, words, others=others, marks=notes, baselines=hits)),
        gr.update(value=rungs(epochs[-1], marks, language) if epochs and marks else None, visible=bool(marks)),
    ]


def earlier_curves(snapshot: Snapshot | None) -> list[tuple[str, list[Epoch]]]:
    """The epochs of the earlier runs that are laid over this one, each with its name."""
    others = snapshot.others if snapshot else ()
    return [(other.name, [event for event in other.events if isinstance(event, Epoch)]) for other in others]


def rungs(last: Epoch, marks: list[Baseline], language: str) -> dict[str, Any]:
    """The network and the baselines by what they reach on the validation part: (name, note, accuracy, loss) each."""
    rows = [(say("train.baseline.network", language), "", last.valid_accuracy, last.valid_loss)]
    for mark in reversed(marks):
        note = ""
        if mark.rows < mark.of:
            note = say("train.baseline.rows", language, rows=mark.rows, of=mark.of)
        if 0 < mark.columns < mark.wide:
            note = (note and note + ", ") + say("train.baseline.columns", language, columns=mark.columns, of=mark.wide)
        rows.append((say(f"train.baseline.{mark.name}", language), note, mark.valid_accuracy, mark.valid_loss))
    heads = [say(f"train.baseline.{head}", language) for head in ("title", "accuracy", "loss")]
    return {"heads": heads, "rows": [(name, note, *map(plots.number, numbers)) for name, note, *numbers in rows]}
