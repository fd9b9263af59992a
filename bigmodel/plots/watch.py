"""Charts of a training: its curves, and where the network draws its lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import plotly.graph_objects as go

from bigmodel.plots.draw import LEGEND, PALETTE, Trace, Words, curve, draw, number, thin, tint


class EpochRow(Protocol):
    """What a training curve needs of an epoch (see `train.Epoch`)."""

    @property
    def number(self) -> int: ...
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


def loss_curves(epochs: Sequence[EpochRow], words: Words, *, log: bool = False) -> go.Figure:
    """Training and validation loss by epoch, with a band from the lowest to the highest seed."""
    waiting, axis = ((0, 10), (-2, 0) if log else (0, 1)), {"type": "log"} if log else {}
    traces = _pair(epochs, words, "loss")
    return draw(words["epoch"], words["loss"], traces, yaxis=axis, waiting=waiting, legend=LEGEND)


def accuracy_curves(epochs: Sequence[EpochRow], words: Words) -> go.Figure:
    """Training and validation accuracy by epoch, with a band from the lowest to the highest seed."""
    waiting, axis = ((0, 10), (0, 1)), {"tickformat": ".0%"}
    traces = _pair(epochs, words, "accuracy")
    return draw(words["epoch"], words["accuracy"], traces, yaxis=axis, waiting=waiting, legend=LEGEND)


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
        traces.append(curve(x, y, words[part], colour, {"size": 4}))
    return traces


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


def boundary(
    surface: bytes,
    grid: tuple[float, float, float, float],
    points: Sequence[tuple[float, float, int]],
    classes: Sequence[str],
    features: Sequence[str],
) -> go.Figure:
    """Where a network draws its lines: each place in the colour of its class, the stronger the surer, under the points.

    surface: `Epoch.surface`, len(classes) · side · side bytes. grid: (x0, x1, y0, y1). points: (x, y, class), raw
    units.
    """
    sure = np.frombuffer(surface, np.uint8).reshape(len(classes), -1)
    side, (x0, x1, y0, y1) = math.isqrt(sure.shape[1]), grid
    # One number holds both: hundreds are the class, the rest is how far its share stands over mere chance.
    chance = 255 / len(classes)
    z = sure.argmax(0) * 100 + np.clip((sure.max(0) - chance) / (255 - chance) * 99, 0, 99).round()
    traces: list[Trace] = [{
        "type": "heatmap", "z": z.astype(np.uint16).reshape(side, side),
        "x0": x0, "dx": (x1 - x0) / (side - 1), "y0": y0, "dy": (y1 - y0) / (side - 1),
        "zmin": 0, "zmax": 100 * len(classes), "colorscale": _regions(len(classes)),
        "showscale": False, "hoverinfo": "skip",
    }]  # fmt: skip
    for k, name in enumerate(classes):
        own = thin([p for p in points if p[2] == k])
        dot = {"color": PALETTE[k % len(PALETTE)], "size": 6, "line": {"color": "#ffffff", "width": 0.7}}
        x, y = [number(p[0]) for p in own], [number(p[1]) for p in own]
        traces.append({"type": "scatter", "x": x, "y": y, "name": name, "mode": "markers", "marker": dot})
    xaxis, yaxis = {"range": [x0, x1], "showgrid": False}, {"range": [y0, y1], "showgrid": False}
    return draw(features[0], features[1], traces, xaxis=xaxis, yaxis=yaxis, legend=LEGEND)


def _regions(classes: int) -> list[list[float | str]]:
    """A colour scale of one stretch per class, from faint to full."""
    scale: list[list[float | str]] = []
    for k in range(classes):
        colour = PALETTE[k % len(PALETTE)]
        scale += [[k / classes, tint(colour, 0.08)], [(k + 0.99) / classes, tint(colour, 0.55)]]
    return [*scale, [1, scale[-1][1]]]
