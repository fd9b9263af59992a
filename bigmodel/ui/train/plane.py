"""Where the network draws its lines, and what each of its hidden units sees: pictures of a plane through the data."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.errors import BigModelError
from bigmodel.runs import Snapshot
from bigmodel.train.plane import UNIT_SIDE, UNITS, Picture, Plane, Units
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.data import Source, load
from bigmodel.ui.train.setup import Setup
from bigmodel.ui.train.units import unit_maps
from bigmodel.ui.widgets import QUIET
from bigmodel.ui.words import chart_words, say

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page


LARGE = 5_000_000
"""Bytes of an own table above which its points are not shown before the start: reading it takes seconds."""


NOWHERE = Plane((" ", " "), (), (-1.0, 1.0, -1.0, 1.0), ())
"""What stands where there is no plane to be drawn."""


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """The plane, and beside it the hidden units. Before a run, the plane shows the rows of the chosen data."""
    with gr.Row(elem_classes="charts"):
        boundary = chart(height=440, elem_id="train-boundary", min_width=300)
        units = unit_maps(elem_id="train-units", min_width=300)
    glance = lru_cache(maxsize=8)(_glance)

    def opened(visitor: str, language: str, request: gr.Request, *values: Any) -> Any:
        """A page without a run, in its language."""
        return gr.skip() if live.run("train", visitor, request) else preview(language, values)

    def chosen(visitor: str, language: str, request: gr.Request, *values: Any) -> Any:
        """Other data than before: its rows are shown, unless a run is being watched."""
        run = live.run("train", visitor, request)
        return preview(language, values) if run is None or run.ended else gr.skip()

    def preview(language: str, values: tuple[Any, ...]) -> Any:
        try:
            source = desk.data.read(values)
            if source.read_slowly or (source.file and Path(source.file).stat().st_size > LARGE):
                return gr.skip()
            classes, flat = glance(source)
        except BigModelError:
            return gr.skip()  # told by the form, or at the start
        return frame(plots.boundary(flat, classes, chart_words(language)))

    inputs = [page.visitor, page.language, *desk.data.inputs]
    quiet: dict[str, Any] = {**QUIET, "trigger_mode": "always_last"}
    gr.on([page.visitor.change, page.language.change], opened, inputs, [boundary], **quiet)
    touched = [event for widget in desk.data.inputs if (event := _touched(widget)) is not None]
    gr.on(touched, chosen, inputs, [boundary], **quiet)
    return [boundary, units]


def _touched(widget: Any) -> Any:
    """The event of a person's hand on a widget: what the page itself fills in is no new choice."""
    names = ("release", "upload", "input", "select")
    return next((getattr(widget, name) for name in names if hasattr(widget, name)), None)


def _glance(source: Source) -> tuple[tuple[str, ...], Plane]:
    """Classes and plane of a choice of data."""
    from bigmodel.train.plane import cut

    data = load(source)
    return data.classes, cut(data).plane


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """The newest pictures of a run."""
    events = snapshot.events if snapshot else ()
    setup = next((event for event in events if isinstance(event, Setup)), None)
    if setup is None:
        # The preview of the data stays until the run has something to show.
        return [gr.skip(), shown(None, language)]
    if setup.plane is None:
        empty = plots.boundary(NOWHERE, setup.classes, chart_words(language))
        empty.layout.meta = {**empty.layout.meta, "note": say("train.units.tuned", language)}
        return [frame(empty), {**shown(None, language), "note": ""}]
    past, words = snapshot.past if snapshot else None, chart_words(language)
    picture = next((event for event in reversed(events) if isinstance(event, Picture)), None)
    units = next((event for event in reversed(events) if isinstance(event, Units)), None)
    if past is not None:
        picture, units = past.picture, past.units
        words |= {"boundary.caption": say("train.past.boundary", language, number=past.number)}
    surface, spread = (picture.surface, picture.spread) if picture else (b"", b"")
    boundary = plots.boundary(setup.plane, setup.classes, words, surface, spread)
    return [frame(boundary), shown(units, language)]


def shown(units: Units | None, language: str) -> dict[str, Any]:
    """The value of the units' component; without units it says what will stand there."""
    said = {name: say(f"train.units.{name}", language) for name in ("caption", "note", "silent")}
    if units is None:
        return {**said, "note": say("train.units.later", language), "side": UNIT_SIDE, "layers": []}
    layers = [
        {
            "name": say("train.units.layer", language, number=k + 1),
            "note": say("train.units.first", language, count=UNITS, of=width) if width > UNITS else "",
            "maps": base64.b64encode(maps).decode(),
            "silent": [place for place, peak in enumerate(peaks) if peak == 0],
        }
        for k, (width, maps, peaks) in enumerate(zip(units.widths, units.maps, units.peaks, strict=True))
    ]
    return {**said, "side": UNIT_SIDE, "layers": layers}
