"""Charts of two knobs: the map of their losses, what each weighs, and what halving would have thrown away."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import plotly.graph_objects as go

from bigmodel.plots.draw import GREY, LEGEND, LOG, PALETTE, Trace, Words, draw, number, thin, tint

SCALE = [[0, "#1e9e77"], [0.25, "#3c8fb0"], [0.6, "#3b52b4"], [1, "#3a2a5e"]]
"""From the lowest loss to the highest; white stands out on all of it."""

WRITTEN = (5, 12)
"""Columns and rows up to which each cell has its number written into it."""

SPARSE = 0.5
"""The share of filled cells below which points are drawn instead: after a random search every rate is another."""

THROWN, WRONG, KEPT = GREY, PALETTE[1], PALETTE[2]
YELLOW = "#ffd75e"


class CellsRow(Protocol):
    """What the map needs (see `compare.knobs.Cells`)."""

    @property
    def rates(self) -> Sequence[float]: ...
    @property
    def values(self) -> Sequence[str]: ...
    @property
    def losses(self) -> Sequence[Sequence[float]]: ...
    @property
    def trials(self) -> Sequence[Sequence[int]]: ...
    @property
    def filled(self) -> float: ...


class WeightRow(Protocol):
    """What a bar needs (see `compare.knobs.Weight`)."""

    @property
    def knobs(self) -> Sequence[str]: ...
    @property
    def share(self) -> float: ...


class HalvedRow(Protocol):
    """What the replay needs (see `compare.knobs.Halved`)."""

    @property
    def thrown(self) -> Sequence[tuple[int, int]]: ...
    @property
    def wrongly(self) -> Sequence[int]: ...


def knob_map(maps: Sequence[tuple[str, CellsRow]], equals: Sequence[int], words: Words) -> go.Figure:
    """The loss of every pair of a rate and another knob's value: (name of the knob, its cells) each.

    `equals` are the numbers of the best trial, and of those that cannot be told apart from it. With several knobs a
    switch shows one at a time.
    """
    traces: list[Trace] = []
    owners: list[int] = []
    axes: list[dict[str, Any]] = []
    for place, (label, cells) in enumerate(maps):
        own, layout = _map(label, cells, equals, words)
        traces += own
        owners += [place] * len(own)
        axes.append(layout)
    looks = [
        {
            "label": label, "title": label, "layout": axes[place],
            "hidden": [k for k, owner in enumerate(owners) if owner != place],
        }
        for place, (label, _) in enumerate(maps)
    ]  # fmt: skip
    return draw(
        words["rate"],
        "",
        traces,
        waiting=((-4, 0), (0, 1)),
        legend=LEGEND,
        meta={
            "caption": words["map.caption"],
            "clicks": True,
            "note": words["map.note"] if maps else "",
            "switch": looks[1:] and looks,
        },
        **(axes[0] if axes else {}),
    )


def _map(label: str, cells: CellsRow, equals: Sequence[int], words: Words) -> tuple[list[Trace], dict[str, Any]]:
    """The traces of one knob's map, and its axes."""
    sparse = cells.filled < SPARSE
    wide = sparse and _wide(cells.values)
    x: list[Any] = list(cells.rates) if sparse else [f"{rate:.3g}" for rate in cells.rates]
    y: list[Any] = [float(value) for value in cells.values] if wide else list(cells.values)
    places = [
        (x[j], y[i], cells.losses[i][j], trial)
        for i, row in enumerate(cells.trials)
        for j, trial in enumerate(row)
        if trial >= 0
    ]
    broken = [(a, b) for a, b, loss, _ in places if not math.isfinite(loss)]
    own = [_marks(broken, words["diverged"], {"symbol": "x", "size": 9, "color": GREY})]
    if sparse or not _written(cells):
        best = [(a, b) for a, b, _, trial in places if trial in equals[:1]]
        same = [(a, b) for a, b, _, trial in places if trial in equals[1:]]
        ring = {"symbol": "circle-open", "size": 18, "color": YELLOW, "line": {"width": 2}}
        star = {"symbol": "star", "size": 16, "color": YELLOW}
        own += [_marks(same, words["equals"], ring), _marks(best, words["best"], star)]
    own.insert(0, _dots(places) if sparse else _cells(cells, x, y, equals))
    logarithmic, named = {"type": "log", "tickformat": "~g"}, {"type": "category", "showgrid": False}
    across = {**(logarithmic if sparse else named), "title": {"text": words["rate"]}}
    up = {**(logarithmic if wide else named), "title": {"text": label}}
    return own, {"xaxis": across, "yaxis": up}


def _wide(values: Sequence[str]) -> bool:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return False
    return min(numbers) > 0


def _bar(losses: Sequence[float]) -> dict[str, Any]:
    """Colours by the logarithm of the loss; the bar beside them says the losses."""
    logs = sorted(math.log10(max(loss, 1e-9)) for loss in losses if math.isfinite(loss)) or [0.0]
    # What is far worse than most would leave the rest in one colour.
    low, high = logs[0], min(logs[-1], logs[0] + max(0.3, 2 * (logs[len(logs) // 2] - logs[0]) + 0.3))
    ticks = [low + (high - low) * k / 4 for k in range(5)]
    bar = {"tickvals": ticks, "ticktext": [short(10**tick) for tick in ticks], "thickness": 12, "outlinewidth": 0}
    return {"colorscale": SCALE, "colorbar": bar, "low": low, "high": high}


def _written(cells: CellsRow) -> bool:
    return len(cells.rates) <= WRITTEN[0] and len(cells.values) <= WRITTEN[1]


def _cells(cells: CellsRow, x: Sequence[Any], y: Sequence[Any], equals: Sequence[int]) -> Trace:
    """The cells, with their numbers where they have room for them: a star over the best, a ring over its equals."""
    colours = _bar([loss for row in cells.losses for loss in row])
    text = [
        [_told(loss, trial, equals) for loss, trial in zip(*row, strict=True)]
        for row in zip(cells.losses, cells.trials, strict=True)
    ]
    written = {"texttemplate": "%{text}", "textfont": {"size": 12, "color": "#ffffff"}, "showscale": False}
    return {
        "type": "heatmap", "x": list(x), "y": list(y), "xgap": 2, "ygap": 2,
        "z": [[number(math.log10(max(v, 1e-9))) if math.isfinite(v) else None for v in row] for row in cells.losses],
        "zmin": colours["low"], "zmax": colours["high"], "colorscale": SCALE, "colorbar": colours["colorbar"],
        "text": text, "hovertemplate": "%{x} · %{y}<br>%{text}<extra></extra>", "hoverongaps": False,
        "customdata": [list(row) for row in cells.trials],
        **(written if _written(cells) else {}),
    }  # fmt: skip


def _told(loss: float, trial: int, equals: Sequence[int]) -> str:
    if not math.isfinite(loss):
        return ""
    sign = "★<br>" if trial in equals[:1] else "○<br>" if trial in equals else ""
    return sign + f"{loss:.2g}"


def _dots(places: Sequence[tuple[Any, Any, float, int]]) -> Trace:
    ran = [place for place in places if math.isfinite(place[2])]
    colours = _bar([loss for _, _, loss, _ in ran])
    marker = {
        "size": 13, "color": [number(math.log10(max(loss, 1e-9))) for _, _, loss, _ in ran], "showscale": True,
        "colorscale": SCALE, "colorbar": colours["colorbar"], "cmin": colours["low"], "cmax": colours["high"],
    }  # fmt: skip
    return {
        "type": "scatter", "mode": "markers", "x": [place[0] for place in ran], "y": [place[1] for place in ran],
        "marker": marker, "text": [f"{place[2]:.4f}" for place in ran], "showlegend": False,
        "customdata": [place[3] for place in ran],
        "hovertemplate": "%{x:.3g} · %{y}<br>%{text}<extra></extra>",
    }  # fmt: skip


def _marks(places: Sequence[tuple[Any, Any]], name: str, marker: dict[str, Any]) -> Trace:
    return {
        "type": "scatter", "mode": "markers", "x": [a for a, _ in places], "y": [b for _, b in places],
        "name": name, "marker": marker, "hoverinfo": "skip", "showlegend": bool(places),
    }  # fmt: skip


def knob_weights(weights: Sequence[WeightRow], names: Mapping[str, str], words: Words) -> go.Figure:
    """How much of the differences each knob accounts for, and each pair beyond its parts; `names` are the knobs'."""
    rows = [(" × ".join(names[knob] for knob in weight.knobs), weight) for weight in weights[:8]][::-1]
    bars: list[Trace] = [
        {
            "type": "bar", "orientation": "h", "name": words[kind], "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
            "y": [name for name, weight in rows if (len(weight.knobs) > 1) is pair],
            "x": [number(weight.share) for _, weight in rows if (len(weight.knobs) > 1) is pair],
            "marker": {"color": colour}, "texttemplate": "%{x:.0%}", "textposition": "outside", "cliponaxis": False,
        }
        for kind, pair, colour in (("alone", False, PALETTE[0]), ("together", True, PALETTE[3]))
    ]  # fmt: skip
    return draw(
        words["weight"],
        "",
        bars if rows else [],
        xaxis={"tickformat": ".0%", "range": [0, 1.08]},
        yaxis={"type": "category", "categoryorder": "array", "categoryarray": [n for n, _ in rows], "showgrid": False},
        legend=LEGEND,
        waiting=((0, 1.08), (0, 1)),
        meta={"caption": words["weights.caption"], "note": words["weights.note"] if rows else ""},
    )


def halving(lines: Sequence[Mapping[int, float]], halved: HalvedRow | None, words: Words, note: str = "") -> go.Figure:
    """All curves of a race; where halving would have cut one off it goes on faintly, in colour if that was wrong.

    `note` says in words what it would have saved and cost.
    """
    thrown = dict(halved.thrown) if halved else {}
    wrong = set(halved.wrongly) if halved else set()
    traces: list[Trace] = []
    seen: set[str] = set()
    most = max(20, 3000 // max(1, len(lines)))
    # The wrongly thrown lie on top.
    for place in sorted(range(len(lines)), key=lambda k: (k in wrong, k not in thrown)) if halved else ():
        rows = [(number_, loss) for number_, loss in lines[place].items() if math.isfinite(loss)]
        cut = thrown.get(place)
        name = "wrongly" if place in wrong else "thrown" if cut is not None else "kept"
        colour = {"wrongly": WRONG, "thrown": THROWN, "kept": KEPT}[name]
        before = [row for row in rows if cut is None or row[0] <= cut]
        after = [row for row in rows if cut is not None and row[0] >= cut]
        traces.append(_line(thin(before, most), words[name], colour, name, name not in seen))
        seen.add(name)
        if len(after) > 1:
            faint = _line(thin(after, most), words[name], tint(colour, 0.6 if name == "wrongly" else 0.25), name, False)
            traces.append({**faint, "line": {**faint["line"], "dash": "dot"}})
    return draw(
        words["epoch"],
        words["valid_loss"],
        traces,
        yaxis=LOG,
        waiting=((0, 10), (-2, 0)),
        legend=LEGEND,
        meta={"caption": words["halving.caption"], "note": note},
    )


def _line(rows: Sequence[tuple[int, float]], name: str, colour: str, group: str, legend: bool) -> Trace:
    return {
        "type": "scatter", "mode": "lines", "x": [row[0] for row in rows], "y": [number(row[1]) for row in rows],
        "name": name, "legendgroup": group, "showlegend": legend, "line": {"color": colour, "width": 2},
    }  # fmt: skip


def short(value: float) -> str:
    """A number as an axis says it: two digits, and no power of ten for what is large."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.2g}"


def along(share: float) -> str:
    """The colour of an entry among all: 1 is the best, 0 the worst; reads on light and dark."""
    stations = ((138, 138, 138), (86, 150, 205), (0, 158, 115))
    at = min(max(share, 0.0), 1.0) * (len(stations) - 1)
    low = min(int(at), len(stations) - 2)
    mixed = (round(a + (b - a) * (at - low)) for a, b in zip(stations[low], stations[low + 1], strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
