"""The chart of how a network fares inside: gradients, steps and silent units, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import plotly.graph_objects as go

from bigmodel.plots.draw import LEGEND, LOG, PALETTE, Trace, Words, curve, draw, number, thin, tint

MOST = 60
"""Points of a curve: this chart is looked at now and then, so it must cost little."""

HEALTHY = (-3.5, -2.5)
"""Powers of ten between which a step moves the weights of a healthy layer: about a thousandth of their length."""


class HealthRow(Protocol):
    """What the chart needs of an epoch (see `train.Epoch`)."""

    @property
    def number(self) -> int: ...
    @property
    def health(self) -> Any: ...


def health(epochs: Sequence[HealthRow], words: Words) -> go.Figure:
    """Three looks of one chart, a line a layer: the length of its gradient, the length of a step beside that of its
    weights (both logarithmic, the second over the band where steps are healthy), the share of its silent units."""
    rows = thin([row for row in epochs if row.health is not None], MOST)
    layers = rows[-1].health.layers if rows else ()
    groups = {
        look: [_line(rows, look, place, name) for place, name in enumerate(layers)]
        for look in ("gradient", "update", "dead")
    }
    groups["update"] += _band(rows) if rows else []
    traces = [trace for group in groups.values() for trace in group]
    switch: list[dict[str, Any]] = []
    first = 0
    for look, group in groups.items():
        own = range(first, first := first + len(group))
        axis: dict[str, Any] = {"title": {"text": words[look]}}
        share = {"type": "linear", "range": [-0.02, 1.02], "tickformat": ".0%", "nticks": 0}
        axis |= share if look == "dead" else LOG
        hidden = [place for place in range(len(traces)) if place not in own]
        said = {"label": words[f"{look}.short"], "title": words[f"{look}.info"]}
        switch.append({**said, "layout": {"yaxis": axis}, "hidden": hidden})
    meta = {"caption": words["health.caption"], "note": words["health.note"], "switch": switch}
    waiting = ((0.0, 10.0), (-4.0, 0.0))
    return draw(words["epoch"], words["gradient"], traces, yaxis=LOG, waiting=waiting, legend=LEGEND, meta=meta)


def _line(rows: Sequence[HealthRow], look: str, place: int, name: str) -> Trace:
    """One layer; what has no meaning there is a gap, and a length of 0 is none on a logarithmic axis."""
    found = [getattr(row.health, look)[place] for row in rows]
    values = [number(value) if look == "dead" or value > 0 else None for value in found]
    return curve([row.number for row in rows], values, name, PALETTE[place % len(PALETTE)], {"size": 4})


def _band(rows: Sequence[HealthRow]) -> list[Trace]:
    """The healthy range as a tinted stripe under the lines."""
    ends = [rows[0].number, rows[-1].number]
    low, high = ([10**power] * 2 for power in HEALTHY)
    edge: Trace = {"type": "scatter", "x": ends, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    edge["showlegend"] = False
    return [{**edge, "y": low}, {**edge, "y": high, "fill": "tonexty", "fillcolor": tint(PALETTE[2], 0.15)}]
