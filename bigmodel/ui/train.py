"""The Train tab: a network learns, and every epoch is seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.runs import Shelf, Snapshot
from bigmodel.train import Epoch, Progress, TrainConfig
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.data import DataForm, Source, load
from bigmodel.ui.live import PACES, Controls, Live, Start, pace_choice, run_buttons, time_left
from bigmodel.ui.widgets import Form, Page, number_cards, status_bar
from bigmodel.ui.words import dictionary, say

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.networks import Stack

NETWORK = ("widths", "activation", "normalisation", "dropout")
TRAINING = ("optimizer", "momentum", "weight_decay", "loss", "l1", "l2", "batch", "seed", "seeds")


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


@dataclass(frozen=True)
class Desk:
    """The forms of the tab, for whoever wants to fill them in (Compare hands over its winner)."""

    data: DataForm
    form: Form

    @property
    def inputs(self) -> list[Any]:
        """All widgets, data first."""
        return [*self.data.inputs, *self.form.inputs]


def build(page: Page, live: Live) -> Desk:
    """Controls left, result right."""
    form = Form(page, TrainConfig)
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=1, min_width=320, elem_classes="controls"):
            buttons = run_buttons(page, "train")
            data = DataForm(page, "train-data")
            form.field("learning_rate")
            form.field("epochs")
            pace = pace_choice(page, live, "train")
            form.section("train.network", NETWORK)
            form.section("train.training", TRAINING)
        with gr.Column(scale=2, min_width=320, elem_classes="results"):
            status = status_bar(elem_id="train-status")
            outputs = _results(page)
    desk = Desk(data, form)

    def prepare(language: str, speed: str, *values: Any) -> Start:
        count = len(data.inputs)
        return training(data.read(values[:count]), form.read(values[count:]), PACES.get(speed, 0.0))

    live.connect("train", Controls(status, *buttons), prepare, [pace, *desk.inputs], view, outputs, status=status_line)
    return desk


def _results(page: Page) -> list[Any]:
    """What `view` draws, in its order, and the lesson under it."""
    with gr.Row(elem_classes="charts"):
        loss = chart(elem_id="train-loss-curve", min_width=300)
        accuracy = chart(elem_id="train-accuracy-curve", min_width=300)
    cards = number_cards(elem_id="train-scores")
    with gr.Row(elem_classes="charts"):
        boundary = chart(height=420, visible=False, elem_id="train-boundary", min_width=300)
        confusion = chart(height=420, visible=False, elem_id="train-confusion", min_width=300)
    with page.words(gr.Accordion(open=False, elem_id="train-lesson"), label="train.lesson.title"):
        page.markdown("train.lesson", elem_classes="lesson")
    return [loss, accuracy, boundary, confusion, cards]


def training(source: Source, config: TrainConfig, rate: float) -> Start:
    """A run that loads the data, says what it found, trains, and is judged on the test part at its end."""

    def job(shelf: Shelf) -> Iterator[Any]:
        from bigmodel.networks import build as build_stack
        from bigmodel.train import train

        data = load(source)
        stack = build_stack(config, data)
        shelf["data"], shelf["stack"] = data, stack
        yield describe(data, stack)
        yield from train(config, stack, data)

    return Start(job, conclude, rate)


def conclude(shelf: Shelf) -> Iterator[Any]:
    """After the end, and after a stop too: the scores on the test part."""
    if "stack" in shelf:
        from bigmodel.train import judge

        yield judge(shelf["stack"], shelf["data"])


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


def chart_words(language: str) -> dict[str, str]:
    """The words of the charts, without their prefix."""
    return {k.removeprefix("chart."): v for k, v in dictionary(language).items() if k.startswith("chart.")}


def view(snapshot: Snapshot | None, language: str) -> Sequence[Any]:
    """Loss, accuracy, boundary, confusion matrix and scores of a run as it stands."""
    words = chart_words(language)
    events = snapshot.events if snapshot else ()
    epochs = [event for event in events if isinstance(event, Epoch)]
    setup = next((event for event in events if isinstance(event, Setup)), None)
    scores = next((event for event in events[-1:] if type(event).__name__ == "Scores"), None)
    surface = next((epoch.surface for epoch in reversed(epochs) if epoch.surface), None)
    drawn = None
    if setup and surface and setup.points:
        drawn = frame(plots.boundary(surface, setup.grid, setup.points, setup.classes, setup.features))
    matrix = frame(plots.confusion(scores.confusion, scores.classes, words)) if scores else None
    return [
        frame(plots.loss_curves(epochs, words)),
        frame(plots.accuracy_curves(epochs, words)),
        gr.update(value=drawn, visible=drawn is not None),
        gr.update(value=matrix, visible=matrix is not None),
        score_cards(scores, setup, language),
    ]


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


def status_line(snapshot: Snapshot, language: str) -> tuple[str, float]:
    """Epoch, step, time and losses; the share that is done."""
    last = next((e for e in reversed(snapshot.events) if isinstance(e, (Epoch, Progress))), None)
    if last is None:
        return "", 0.0
    epoch = next((e for e in reversed(snapshot.events) if isinstance(e, Epoch)), None)
    text = say("train.status", language, number=last.number, of=last.of, step=last.step, seconds=last.seconds)
    if epoch is not None:
        text += " · " + say("train.status.losses", language, train=epoch.train_loss, valid=epoch.valid_loss)
        if epoch.ended == "diverged":
            text += " · " + say("train.status.diverged", language)
    return text + time_left(snapshot, last.step / max(1, last.steps), language), last.step / max(1, last.steps)
