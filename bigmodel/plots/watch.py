"""Charts of a training: its curves, over what went before and beside what simple models reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import plotly.graph_objects as go

from bigmodel.plots.draw import FAINT, GREY, LEGEND, LOG, PALETTE, Trace, Words, curve, draw, number, thin, tint


class EpochRow(Protocol):
    """What a training curve needs of an epoch (see `train.Epoch`)."""

    @property
    def number(self) -> int: ...
    @property
    def rate(self) -> float: ...
    @property
    def train_loss(self) -> float: ...
    @property
    def valid_loss(self) -> float: ...
    @property
    def train_accuracy(self) -> float: ...
    @property
    def valid_accuracy(self) -> float: ...
    @property
    def members(self) -> Sequence[Any]: ...


Others = Sequence[tuple[str, Sequence[EpochRow]]]
"""Earlier runs to lay over: (name, epochs) each."""

Marks = Sequence[tuple[float, str]]
"""What happened on the way: (place on the axis of epochs, a word or two) each."""

Lines = Sequence[tuple[str, float]]
"""What others reach without this network: (name, value) each."""

DOTS = 60
"""Up to so many points of a curve have a dot each; more would run together."""


def loss_curves(
    epochs: Sequence[EpochRow], words: Words, *, others: Others = (), marks: Marks = (), baselines: Lines = ()
) -> go.Figure:
    """Training and validation loss by epoch with a band over the seeds; under them the learning rate.

    Earlier runs are dotted, live changes are vertical lines, baselines dashed ones. A switch over the chart makes the
    axis of losses logarithmic.
    """
    traces = [*_pair(epochs, words, "loss"), *_earlier(others, "valid_loss"), *_rate(epochs, words)]
    logarithmic: dict[str, Any] = {**LOG, "range": None if traces else [-2, 0]}
    switch = [
        {"label": words["linear"], "title": words["linear.info"]},
        {"label": words["log"], "title": words["log.info"], "layout": {"yaxis": logarithmic}},
    ]
    return draw(
        words["epoch"],
        words["loss"],
        traces,
        xaxis={"rangemode": "nonnegative", **({"anchor": "y2"} if epochs else {})},
        yaxis={"domain": [0.27, 1], **_room(baselines)} if epochs else {},
        waiting=((0, 10), (0, 1)),
        legend=LEGEND,
        shapes=[*_marked(marks, 0.27), *_levels(baselines)],
        meta={"caption": words["loss.caption"], "switch": switch},
        annotations=[*_named(marks), *([_rate_name(words)] if epochs else [])],
        **(_under(epochs) if epochs else {}),
    )


def _room(baselines: Lines) -> dict[str, Any]:
    """Room for the name over the highest baseline."""
    known = [value for _, value in baselines if math.isfinite(value)]
    return {"autorangeoptions": {"include": [1.08 * max(known)]}} if known else {}


def _under(epochs: Sequence[EpochRow]) -> dict[str, Any]:
    """The axis of the learning rate, under the other: labelled at its ends only, it is low."""
    rates = sorted({row.rate for row in epochs if row.rate > 0})
    ends = sorted({rates[0], rates[-1]}) if rates else []
    axis = {
        "domain": [0, 0.13], "type": "log", "tickvals": ends, "ticktext": [f"{rate:.3g}" for rate in ends],
        "gridcolor": FAINT, "zeroline": False, "automargin": True,
    }  # fmt: skip
    return {"yaxis2": axis}


def _rate_name(words: Words) -> dict[str, Any]:
    return {
        "text": words["rate"], "xref": "paper", "yref": "paper", "x": 0, "y": 0.14, "xanchor": "left",
        "yanchor": "bottom", "showarrow": False, "font": {"size": 12},
    }  # fmt: skip


def accuracy_curves(
    epochs: Sequence[EpochRow], words: Words, *, others: Others = (), marks: Marks = (), baselines: Lines = ()
) -> go.Figure:
    """Training and validation accuracy by epoch with a band over the seeds; the rest as for the losses."""
    traces = [*_pair(epochs, words, "accuracy"), *_earlier(others, "valid_accuracy")]
    return draw(
        words["epoch"],
        words["accuracy"],
        traces,
        xaxis={"rangemode": "nonnegative"},
        yaxis={"tickformat": ".0%"},
        waiting=((0, 10), (0, 1)),
        legend=LEGEND,
        shapes=[*_marked(marks, 0), *_levels(baselines)],
        annotations=_named(marks),
        meta={"caption": words["accuracy.caption"]},
    )


def _pair(epochs: Sequence[EpochRow], words: Words, measure: str) -> list[Trace]:
    """Training and validation curve of one measure; none while there are no epochs."""
    rows = thin(epochs)
    x = [row.number for row in rows]
    traces: list[Trace] = []
    for part, colour in (("train", PALETTE[0]), ("valid", PALETTE[1])) if rows else ():
        name = f"{part}_{measure}"
        if len(rows[0].members) > 1:
            traces += _band(x, [[getattr(m, name) for m in row.members] for row in rows], colour)
        y = [number(getattr(row, name)) for row in rows]
        traces.append(_line(x, y, words[part], colour))
    return traces


def _line(x: list[Any], y: list[Any], name: str, colour: str) -> Trace:
    """A curve whose points have dots while there are few."""
    return {**curve(x, y, name, colour, {"size": 4}), "mode": "lines+markers" if len(x) <= DOTS else "lines"}


def _earlier(others: Others, name: str) -> list[Trace]:
    """The validation curves of earlier runs: thin and dotted, so that the present one stands out."""
    traces = []
    for k, (run, epochs) in enumerate(others):
        rows = thin(epochs)
        x, y = [row.number for row in rows], [number(getattr(row, name)) for row in rows]
        line = {"color": PALETTE[(k + 2) % len(PALETTE)], "width": 1.5, "dash": "dot"}
        traces.append({"type": "scatter", "x": x, "y": y, "name": run, "mode": "lines", "line": line})
    return traces


def _rate(epochs: Sequence[EpochRow], words: Words) -> list[Trace]:
    """The learning rate on the lower axis; where it stands still, only its ends are points."""
    rates = [row.rate for row in epochs]
    turns = [k for k, rate in enumerate(rates) if k in (0, len(rates) - 1) or not rates[k - 1] == rate == rates[k + 1]]
    rows = thin([epochs[k] for k in turns])
    if not rows:
        return []
    line = {**_line([row.number for row in rows], [number(row.rate) for row in rows], words["rate"], PALETTE[2])}
    return [{**line, "mode": "lines", "yaxis": "y2", "showlegend": False}]


def _marked(marks: Marks, bottom: float) -> list[dict[str, Any]]:
    """A vertical line for each change on the way."""
    line = {"color": GREY, "width": 1, "dash": "dot"}
    return [
        {"type": "line", "xref": "x", "yref": "paper", "x0": number(x), "x1": number(x), "y0": bottom, "y1": 1,
         "line": line}
        for x, _ in marks
    ]  # fmt: skip


def _named(marks: Marks) -> list[dict[str, Any]]:
    """Its words along it, inside the plot; where several stand at one place, one line for all of them."""
    places: dict[float, list[str]] = {}
    for x, text in marks:
        places.setdefault(x, []).append(text)
    return [
        {"text": ", ".join(texts), "xref": "x", "yref": "paper", "x": number(x), "y": 1, "xanchor": "left",
         "yanchor": "top", "textangle": -90, "showarrow": False, "font": {"size": 12}}
        for x, texts in places.items()
    ]  # fmt: skip


def _levels(baselines: Lines) -> list[dict[str, Any]]:
    """A dashed line for each baseline, its name at a place of its own along it: lines may lie close. A curve comes from
    the first, the simplest, and goes to the last: each has its name at the end that the curve is far from."""
    places = ("end", "middle", "start")
    return [
        {"type": "line", "xref": "paper", "yref": "y", "x0": 0.01, "x1": 1, "y0": number(value), "y1": number(value),
         "line": {"color": GREY, "width": 1.3, "dash": "dash"}, "layer": "below",
         "label": {"text": name, "textposition": places[k % 3], "font": {"size": 12}, "padding": 4}}
        for k, (name, value) in enumerate(baselines) if math.isfinite(value)
    ]  # fmt: skip


def _band(x: list[int], values: list[list[float]], colour: str) -> list[Trace]:
    """The room between the lowest and the highest of the members."""
    quiet = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    low, high = ([_extreme(pick, row) for row in values] for pick in (min, max))
    return [
        {**quiet, "x": x, "y": low},
        {**quiet, "x": x, "y": high, "fill": "tonexty", "fillcolor": tint(colour, 0.2)},
    ]


def _extreme(pick: Callable[[list[float]], float], row: list[float]) -> float | None:
    finite = [value for value in row if math.isfinite(value)]
    return number(pick(finite)) if finite else None
