"""The menu of models: shipped ones first, then what is on this machine, then the hub's; any other name can be typed.

Choosing a model fetches and opens it at once, as a run of its own: the download is seen as it goes, and when it cannot
be had the menu goes back to the model that was chosen before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from bigmodel.checkpoints import Fetched, ModelInfo, Opening, catalogue, ready
from bigmodel.runs import Shelf, Snapshot
from bigmodel.ui.live import Controls, Live, Start
from bigmodel.ui.widgets import QUIET, Page, status_bar
from bigmodel.ui.words import say


@dataclass(frozen=True)
class Choosing:
    """A model was asked for; `before` is what was chosen until now."""

    name: str
    before: str


class ModelMenu:
    """The menu for one task. `menu` is the input that a handler takes; its value is a model's name; `chosen` remembers
    the choice that the menu goes back to, and `own` what a hand has chosen."""

    def __init__(self, page: Page, live: Live, task: Literal["text", "speech"], default: str) -> None:
        self.task = task
        prefix = "generate" if task == "text" else "transcribe"
        self.menu = gr.Dropdown(
            [default], value=default, allow_custom_value=True, interactive=True, elem_id=f"{prefix}-model"
        )
        page.words(self.menu, label=f"{prefix}.model.label", info=f"{prefix}.model.info")
        page.says(self.menu, lambda language: {"choices": [(title(m, language), m.name) for m in catalogue(task)]})
        self.chosen = gr.Textbox(default, visible="hidden")
        self.own = gr.Textbox("", visible="hidden")
        self.menu.input(None, [self.menu], [self.own], js="name => name", **QUIET)
        status = status_bar(elem_id=f"{prefix}-model-status")
        live.connect(
            f"{prefix}.model",
            Controls(status),
            self._prepare,
            [self.menu, self.chosen],
            lambda snapshot, language: view(snapshot, language, default),
            [self.menu, self.chosen, self.own],
            status=status_line,
            trigger=self.menu.input,
        )
        # Who looks at the tab will soon press its button: the libraries take seconds to load, the first time.
        page.here.select(lambda: open_ahead(default, task), None, None, queue=False, **QUIET)

    def _prepare(self, language: str, name: str, before: str) -> Start:
        def job(shelf: Shelf) -> Iterator[Any]:
            yield Choosing(name, before)
            yield from ready(name, self.task)

        return Start(job)


def open_ahead(name: str, task: Literal["text", "speech"]) -> None:
    """Begin to open a shipped model, in a thread of its own; an error is told to whoever asks for the model."""
    next((event for event in ready(name, task) if isinstance(event, Opening)), None)


def title(info: ModelInfo, language: str) -> str:
    """How a model stands in the menu: name, size, where it is."""
    return f"{info.name} · {info.size_mb:,.0f} MB · {say(f'model.source.{info.source}', language)}"


def view(snapshot: Snapshot | None, language: str, default: str) -> Sequence[Any]:
    """The menu, the memory of the choice and that of a hand's: back to the model before when this one cannot be had.
    Both are said again when it is there: after a reload the menu stands on its default, and a prompt in another
    language must not change what a hand has chosen. Meanwhile the menu says what comes: else it is blank."""
    choosing = snapshot.events[0] if snapshot and snapshot.events else None
    if not isinstance(choosing, Choosing) or snapshot is None:
        return [gr.skip(), gr.skip(), gr.skip()]
    if snapshot.state in ("failed", "stopped"):
        before = choosing.before
        return [gr.update(value=before), before, before if before != default else ""]
    if snapshot.state != "done":
        return [gr.update(value=choosing.name), gr.skip(), gr.skip()]
    return [gr.update(value=choosing.name), choosing.name, choosing.name]


def opening_line(event: Any, language: str) -> tuple[str, float]:
    """What a download or an opening says on a status line, and its progress."""
    if isinstance(event, Fetched):
        done, whole = event.bytes / 1e6, event.of_bytes / 1e6
        speed = done / event.seconds if event.seconds else 0.0
        left = (whole - done) / speed if speed else 0.0
        text = say("model.fetching", language, file=event.file, done=done, of=whole, speed=speed, left=left)
        return text, event.bytes / event.of_bytes if event.of_bytes else 0.0
    if isinstance(event, Opening):
        return say("model.opening", language, name=event.name, seconds=event.seconds), 0.0
    return "", 0.0


def status_line(snapshot: Snapshot, language: str) -> tuple[str, float]:
    """Download or opening as it goes; at the end that the model is ready."""
    choosing = snapshot.events[0]
    if snapshot.state == "done" and isinstance(choosing, Choosing):
        return say("model.ready", language, name=choosing.name), 1.0
    return opening_line(snapshot.events[-1], language)
