"""The Train tab: a network learns, and every epoch is seen.

Controls left; the result right, a panel a file, in the order of PANELS. A panel has two functions: `build(page, live,
desk)` lays it out and gives the components it draws into, `view(snapshot, language)` gives their values: pure, in the
same order. What a panel needs beside the events lies on the run's shelf: "source" and "config" (what was chosen),
"data", "stack" (the network), "album" (how it was after its epochs), "steering" (what is asked of it meanwhile), for a
fork "origin", "last" (the last Epoch).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.runs import Earlier, Recipe, Shelf, Snapshot
from bigmodel.train import Epoch, Progress, TrainConfig
from bigmodel.ui.data import DataForm, Source, loading, loading_line
from bigmodel.ui.link import link_button
from bigmodel.ui.live import PACES, Controls, Live, Start, pace_choice, run_buttons, time_left
from bigmodel.ui.train import coach, earlier, health, judge, plane, predict, steer, takeaway, watch, ways
from bigmodel.ui.train.setup import amended, read, watched
from bigmodel.ui.train.steer import Cutting
from bigmodel.ui.widgets import QUIET, Form, Page, status_bar
from bigmodel.ui.words import say

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset

PANELS = (watch, steer, coach, plane, health, judge, ways, predict, takeaway, earlier)

NETWORK = ("architecture", "widths", "activation", "normalisation", "dropout")
TRAINING = ("optimizer", "momentum", "weight_decay", "loss", "label_smoothing", "l1", "l2", "clip", "batch")
SCHEDULE = ("schedule", "warmup", "seconds")


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
            rate, features = form.field("encoder_rate", visible=False), data.form.widgets["features"]
            features.change(_shown, [features], [rate], queue=False, **QUIET)
            form.field("epochs")
            pace = pace_choice(page, live, "train")
            form.section("train.network", NETWORK)
            form.section("train.training", TRAINING)
            form.section("train.timing", (*SCHEDULE, "patience", "seed", "seeds"))
            share = link_button(page, "train")
        with gr.Column(scale=2, min_width=320, elem_classes="results"):
            status = status_bar(elem_id="train-status")
            desk = Desk(data, form)
            outputs = [component for panel in PANELS for component in panel.build(page, live, desk)]
            with page.words(gr.Accordion(open=False, elem_id="train-lesson"), label="train.lesson.title"):
                page.markdown("train.lesson", elem_classes="lesson")

    # Before the start itself: the page calls one after the other, and a run takes its time.
    share.connect(buttons[0], data, form)

    def prepare(language: str, speed: str, *values: Any) -> Start:
        count = len(data.inputs)
        return training(data.read(values[:count]), form.read(values[count:]), PACES.get(speed, 0.0))

    live.connect("train", Controls(status, *buttons), prepare, [pace, *desk.inputs], view, outputs, status=status_line)
    return desk


def _shown(features: str) -> Any:
    """The encoder's rate is there while an encoder is fine-tuned."""
    return gr.update(visible=features == "tuned")


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """All panels of a run as it stands."""
    return [value for panel in PANELS for value in panel.view(snapshot, language)]


def training(
    source: Source, config: TrainConfig, rate: float, cutting: Cutting | None = None, under: tuple[Earlier, ...] = ()
) -> Start:
    """A run that loads the data, says what it found, trains, and is judged on the validation part at its end. A fork
    goes on from its cutting. The curves that lie `under` it are kept with its recipe."""
    made = {"source": source, "config": config, "under": tuple((one.id, one.name) for one in under if one.id)}
    made |= {"origin": cutting.origin} if cutting and cutting.origin else {}

    def job(shelf: Shelf) -> Iterator[Any]:
        from bigmodel.networks import build as build_stack
        from bigmodel.train import train
        from bigmodel.train.album import Album
        from bigmodel.train.fork import planted
        from bigmodel.train.steering import Steering

        shelf |= made
        data = (cutting.data if cutting else None) or (yield from loading(source))
        if data.tuned:
            yield from tuning(config, data, shelf)
            return
        if cutting:
            start, known = cutting.parent.epoch, cutting.known
            stack, moments = yield from planted(cutting.parent, config, data, cutting.album)
        else:
            start, known, stack, moments = 0, (), build_stack(config, data), None
        shelf |= {"data": data, "stack": stack, "album": Album(), "steering": Steering()}
        helpers = {"album": shelf["album"], "steering": shelf["steering"]}
        yield from watched(train(config, stack, data, start=start, moments=moments, **helpers), shelf, known)

    return Start(job, conclude, rate, Recipe(made, earlier.digest, amended))


def tuning(config: TrainConfig, data: Dataset, shelf: Shelf) -> Iterator[Any]:
    """An encoder that is fine-tuned on texts, instead of a stack of networks."""
    from bigmodel.train.finetune import Tuned, finetune
    from bigmodel.train.steering import Steering

    shelf |= {"data": data, "stack": Tuned(config, data), "steering": Steering()}
    yield from read(finetune(config, shelf["stack"], data, steering=shelf["steering"]), shelf)


def conclude(shelf: Shelf) -> Iterator[Any]:
    """After the end, and after a stop too: the marks on the validation part. The test part stays sealed until asked."""
    if "stack" in shelf:
        from bigmodel.train.judging import marks

        found = marks(shelf["stack"], shelf["data"], "valid", judge.final(shelf))
        yield from (event for event in found if event is not None)


def status_line(snapshot: Snapshot, language: str) -> tuple[str, float]:
    """Epoch, step, time and losses; the share that is done."""
    last = next((e for e in reversed(snapshot.events) if isinstance(e, (Epoch, Progress))), None)
    if last is None:
        return loading_line(snapshot.events[-1], language) if snapshot.events else ("", 0.0)
    epoch = next((e for e in reversed(snapshot.events) if isinstance(e, Epoch)), None)
    text = say("train.status", language, number=last.number, of=last.of, step=last.step, seconds=last.seconds)
    if epoch is not None:
        text += " · " + say("train.status.losses", language, train=epoch.train_loss, valid=epoch.valid_loss)
        if epoch.ended == "diverged":
            text += " · " + say("train.status.diverged", language)
        if epoch.ended == "early":
            text += " · " + say("train.status.early", language, best=epoch.best)
    return text + time_left(snapshot, last.step / max(1, last.steps), language), last.step / max(1, last.steps)
