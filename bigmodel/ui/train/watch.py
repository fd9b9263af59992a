"""What is seen while a network learns: losses, accuracy, and where it draws its lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.runs import Snapshot
from bigmodel.train import Epoch
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.words import chart_words

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
    """Two curves side by side; under them the boundary, once there is one."""
    with gr.Row(elem_classes="charts"):
        loss = chart(elem_id="train-loss-curve", min_width=300)
        accuracy = chart(elem_id="train-accuracy-curve", min_width=300)
    boundary = chart(height=420, visible=False, elem_id="train-boundary", min_width=300)
    return [loss, accuracy, boundary]


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


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """Loss, accuracy and boundary of a run as it stands."""
    words = chart_words(language)
    events = snapshot.events if snapshot else ()
    epochs = [event for event in events if isinstance(event, Epoch)]
    setup = next((event for event in events if isinstance(event, Setup)), None)
    surface = next((epoch.surface for epoch in reversed(epochs) if epoch.surface), None)
    drawn = None
    if setup and surface and setup.points:
        drawn = frame(plots.boundary(surface, setup.grid, setup.points, setup.classes, setup.features))
    return [
        frame(plots.loss_curves(epochs, words)),
        frame(plots.accuracy_curves(epochs, words)),
        gr.update(value=drawn, visible=drawn is not None),
    ]
