"""Charts of a plane through the data: its points, where the network draws its lines, where its seeds disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import plotly.graph_objects as go

from bigmodel.plots.draw import LEGEND, PALETTE, Trace, Words, draw, number, thin, tint

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "pentagon", "hexagon")


class PlaneRow(Protocol):
    """What the chart needs of a plane (see `train.plane.Plane`)."""

    @property
    def axes(self) -> Sequence[str]: ...
    @property
    def shares(self) -> Sequence[float]: ...
    @property
    def grid(self) -> tuple[float, float, float, float]: ...
    @property
    def points(self) -> Sequence[tuple[float, float, int]]: ...


def boundary(
    plane: PlaneRow, classes: Sequence[str], words: Words, surface: bytes = b"", spread: bytes = b""
) -> go.Figure:
    """The points of a plane, and under them what a network makes of each place: the colour of its class, the stronger
    the surer.

    surface and spread: those of a `train.plane.Picture`. With a spread, a switch shows where the seeds disagree.
    """
    traces: list[Trace] = []
    looks: list[dict[str, Any]] = []
    if surface:
        traces.append(_heat(plane, _classes(surface, len(classes)), 100 * len(classes), _regions(len(classes))))
    if surface and spread:
        doubt = np.frombuffer(spread, np.uint8)
        scale = [[0, tint(PALETTE[6], 0)], [1, tint(PALETTE[6], 0.95)]]
        traces.append(_heat(plane, doubt, 255, scale))
        looks = [
            {"label": words["classes"], "title": words["classes.info"], "hidden": [1]},
            {"label": words["spread"], "title": words["spread.info"], "hidden": [0]},
        ]
    traces += [_dots(plane, k, name) for k, name in enumerate(classes)]
    x0, x1, y0, y1 = plane.grid
    titles = tuple(plane.axes) or tuple(
        words["component"].format(number=k + 1, share=share) for k, share in enumerate(plane.shares)
    )
    return draw(
        titles[0],
        titles[1],
        traces,
        xaxis={"range": [x0, x1], "showgrid": False},
        yaxis={"range": [y0, y1], "showgrid": False},
        legend={**LEGEND, "itemsizing": "constant"},
        meta={
            "caption": words["boundary.caption" if surface else "points.caption"],
            "note": words["slice"].format(share=sum(plane.shares)) if plane.shares else "",
            "switch": looks,
        },
    )


def _heat(plane: PlaneRow, values: np.ndarray, top: int, scale: list[Any]) -> Trace:
    """A picture of the plane, from its lowest y up."""
    side, (x0, x1, y0, y1) = math.isqrt(len(values)), plane.grid
    return {
        "type": "heatmap", "z": values.reshape(side, side), "zmin": 0, "zmax": top, "colorscale": scale,
        "x0": x0, "dx": (x1 - x0) / (side - 1), "y0": y0, "dy": (y1 - y0) / (side - 1),
        "showscale": False, "hoverinfo": "skip",
    }  # fmt: skip


def _classes(surface: bytes, classes: int) -> np.ndarray:
    """One number per place holds both: hundreds are the class, the rest is how far its share stands over mere
    chance."""
    sure = np.frombuffer(surface, np.uint8).reshape(classes, -1)
    chance = 255 / classes
    strength = np.clip((sure.max(0) - chance) / (255 - chance) * 99, 0, 99).round()
    return np.asarray(sure.argmax(0) * 100 + strength, np.uint16)


def _dots(plane: PlaneRow, k: int, name: str) -> Trace:
    """The points of one class."""
    own = thin([point for point in plane.points if point[2] == k])
    dot = {
        "color": PALETTE[k % len(PALETTE)], "symbol": SYMBOLS[k // len(PALETTE) % len(SYMBOLS)], "size": 6,
        "line": {"color": "#ffffff", "width": 0.7},
    }  # fmt: skip
    x, y = [number(point[0]) for point in own], [number(point[1]) for point in own]
    return {"type": "scatter", "x": x, "y": y, "name": name, "mode": "markers", "marker": dot}


def _regions(classes: int) -> list[list[float | str]]:
    """A colour scale of one stretch per class, from faint to full."""
    scale: list[list[float | str]] = []
    for k in range(classes):
        colour = PALETTE[k % len(PALETTE)]
        scale += [[k / classes, tint(colour, 0.08)], [(k + 0.99) / classes, tint(colour, 0.55)]]
    return [*scale, [1, scale[-1][1]]]
