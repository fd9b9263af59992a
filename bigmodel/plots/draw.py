"""What every chart is made of: the figure itself, colours, numbers and lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

Words = Mapping[str, str]
"""The words of a chart in one language, by the last part of their keys `chart.…` ("epoch", "loss", "train", …)."""

PALETTE = ("#0083c9", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#8c6bb1", "#c0504d")
GREY = "#8a8a8a"
FAINT = "rgba(138,138,138,0.25)"
MOST_POINTS = 500
"""Points of one curve; longer ones are thinned."""

LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
LOG = {"type": "log", "tickformat": "~g", "nticks": 3}
"""A logarithmic axis: figures written out, at every power of ten, or at 1, 2 and 5 where there are two of them at most.
Plotly's own choice would be all nine digits of each, and they collide."""
Trace = dict[str, Any]


def draw(
    x: str,
    y: str,
    traces: Sequence[Trace],
    *,
    xaxis: dict[str, Any] | None = None,
    yaxis: dict[str, Any] | None = None,
    waiting: tuple[tuple[float, float], tuple[float, float]] | None = None,
    **layout: Any,
) -> go.Figure:
    """A figure with axis titles: transparent, a grid that reads on light and dark.

    `waiting` are the axes' ranges while there is nothing to draw; plotly's own choice would be from -1 to 6. A chart
    that waits has a state of its own on the page (`uirevision`): else its ranges would be kept for the next run. All is
    given to one constructor: plotly checks every later change anew, ten times as slowly. The empty template is meant:
    without it plotly puts its whole default template (6 kB) into every figure. `meta` may hold a `caption` and a
    `switch` of the chart (see `ui/chart.py`).
    """
    common = {"gridcolor": FAINT, "zeroline": False, "linecolor": GREY, "automargin": True}
    ranges = waiting if waiting and not traces else (None, None)
    axes = {
        name: {**common, "title": {"text": title}, **({"range": fixed} if fixed else {}), **(own or {})}
        for name, title, fixed, own in (("xaxis", x, ranges[0], xaxis), ("yaxis", y, ranges[1], yaxis))
    }
    base = {
        "template": {},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": GREY, "size": 13},
        "hovermode": "closest",
        "uirevision": "same" if ranges[0] is None else "waiting",
        "margin": {"l": 56, "r": 12, "t": 12, "b": 44},
    }
    return go.Figure(data=list(traces), layout={**base, **axes, **layout})


def thin(rows: Sequence[Any], most: int = MOST_POINTS) -> list[Any]:
    """At most `most` of the rows, the first and the last among them.

    Every second, fourth, eighth … row: as a curve grows its points stay, so that the page is sent the new ones only.
    """
    stride = 1
    while (len(rows) - 2) // stride + 2 > most:
        stride *= 2
    return [*rows[:-1:stride], *rows[-1:]]


def number(value: float) -> float | None:
    """A value as the chart takes it: five digits, and a gap where it is no finite number."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def tint(colour: str, strength: float) -> str:
    """A palette colour let through: strength 0 is clear, 1 is full."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{strength:g})"


def curve(x: list[Any], y: list[Any], name: str, colour: str, marker: dict[str, Any]) -> Trace:
    """A line with a mark at each of its points."""
    line = {"color": colour, "width": 2}
    return {
        "type": "scatter", "x": x, "y": y, "name": name, "mode": "lines+markers", "line": line, "marker": marker
    }  # fmt: skip
