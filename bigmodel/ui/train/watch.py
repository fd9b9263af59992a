"""What is seen while a network learns: losses and accuracy, against what simple models reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.runs import Snapshot
from bigmodel.train import Epoch
from bigmodel.train.baselines import Baseline, baselines
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.train.ladder import ladder
from bigmodel.ui.words import chart_words, say

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.networks import Stack
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page


@dataclass(frozen=True)
class Setup:
    """What is about to be trained, known once the data is loaded. `points`: raw (x, y, class) of two-feature data."""

    dataset: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    rows: tuple[int, int, int]
    parameters: int
    grid: tuple[float, float, float, float]
    points: tuple[tuple[float, float, int], ...]
    notices: tuple[Any, ...]


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """Two curves side by side, under them the ladder; then the boundary, once there is one."""
    with gr.Row(elem_classes="charts"):
        loss = chart(height=400, elem_id="train-loss-curve", min_width=300)
        accuracy = chart(height=400, elem_id="train-accuracy-curve", min_width=300)
    rungs = ladder(visible=False, elem_id="train-ladder")
    boundary = chart(height=420, visible=False, elem_id="train-boundary", min_width=300)
    return [loss, accuracy, rungs, boundary]


def describe(data: Dataset, stack: Stack) -> Setup:
    """The first event of a run on the page."""
    from bigmodel.train import surface_grid

    flat = len(data.features) == 2
    points: tuple[tuple[float, float, int], ...] = ()
    if flat:
        raw = data.train.x * data.scale + data.mean
        points = tuple((float(x), float(y), int(k)) for (x, y), k in zip(raw[:500], data.train.y[:500], strict=True))
    return Setup(
        dataset=data.name,
        features=data.features,
        classes=data.classes,
        rows=(len(data.train.y), len(data.valid.y), len(data.test.y)),
        parameters=stack.shape.parameters,
        grid=surface_grid(data) if flat else (0.0, 0.0, 0.0, 0.0),
        points=points,
        notices=data.notices,
    )


def watched(events: Iterator[Any], data: Dataset, loss: str) -> Iterator[Any]:
    """The events of a training, and the baselines as they are there: a piece of work on them after each event.

    The first point never waits for them, and the training goes on beside them.
    """
    marks = baselines(data, loss)
    for event in events:
        yield event
        yield next(marks, None)
    yield from marks


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """Loss, accuracy, ladder and boundary of a run as it stands."""
    words = chart_words(language)
    events = snapshot.events if snapshot else ()
    epochs = [event for event in events if isinstance(event, Epoch)]
    marks = [event for event in events if isinstance(event, Baseline)]
    setup = next((event for event in events if isinstance(event, Setup)), None)
    surface = next((epoch.surface for epoch in reversed(epochs) if epoch.surface), None)
    drawn = None
    if setup and surface and setup.points:
        drawn = frame(plots.boundary(surface, setup.grid, setup.points, setup.classes, setup.features))
    names = [say(f"train.baseline.{mark.name}", language) for mark in marks]
    losses = [(name, mark.valid_loss) for name, mark in zip(names, marks, strict=True)]
    hits = [(name, mark.valid_accuracy) for name, mark in zip(names, marks, strict=True)]
    return [
        frame(plots.loss_curves(epochs, words, baselines=losses)),
        frame(plots.accuracy_curves(epochs, words, baselines=hits)),
        gr.update(value=rungs(epochs[-1], marks, language) if epochs and marks else None, visible=bool(marks)),
        gr.update(value=drawn, visible=drawn is not None),
    ]


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
