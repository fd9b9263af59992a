"""Charts: plain values and words in, a new plotly figure out. Nothing is kept, nothing is drawn on the page here.

Every figure is transparent and has no template, so that the page behind gives it its colours; every colour here reads
on a light and on a dark page and stays apart for colour-blind eyes (the set of Okabe and Ito, "Color Universal
Design", 2008).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import plotly.graph_objects as go

Words = Mapping[str, str]
"""The words of a chart in one language, by the last part of their keys `chart.…` ("epoch", "loss", "train", …)."""

PALETTE = ("#0083c9", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#8c6bb1", "#c0504d")
GREY = "#8a8a8a"
MOST_POINTS = 500
"""Points of one curve; longer ones are thinned."""


LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
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

    `waiting` are the axes' ranges while there is nothing to draw; plotly's own choice would be from -1 to 6. All is
    given to one constructor: plotly checks every later change anew, ten times as slowly. The empty template is meant:
    without it plotly puts its whole default template (6 kB) into every figure.
    """
    common = {"gridcolor": "rgba(138,138,138,0.25)", "zeroline": False, "linecolor": GREY, "automargin": True}
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
        "uirevision": "same",
        "margin": {"l": 56, "r": 12, "t": 12, "b": 44},
    }
    return go.Figure(data=list(traces), layout={**base, **axes, **layout})


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


class TrialRow(Protocol):
    """What a rate's curve needs of a trial (see `compare.Trial`)."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def valid_loss(self) -> float: ...
    @property
    def diverged_at(self) -> int | None: ...


class RoundRow(Protocol):
    """What the rates' curves need of a round (see `compare.Round`)."""

    @property
    def number(self) -> int: ...
    @property
    def trials(self) -> Sequence[TrialRow]: ...


class RankRow(TrialRow, Protocol):
    """What the rate axis needs of a row of the ranking (see `compare.Rank`)."""

    @property
    def best(self) -> bool: ...


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


def rate_colour(place: int, count: int) -> str:
    """The colour of the rate at a place among `count`: the same in every chart and table."""
    if count <= len(PALETTE):
        return PALETTE[place]
    along = 0.25 + 0.6 * place / (count - 1)
    return _between(along)


def _between(along: float) -> str:
    """A colour along blue, green, yellow (stations of viridis that read on light and dark), 0 to 1."""
    stations = ((59, 82, 180), (33, 145, 160), (70, 180, 110), (190, 170, 30))
    at = along * (len(stations) - 1)
    low = min(int(at), len(stations) - 2)
    mixed = (round(a + (b - a) * (at - low)) for a, b in zip(stations[low], stations[low + 1], strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


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
        traces.append(_curve(x, y, words[part], colour, {"size": 4}))
    return traces


def _curve(x: list[Any], y: list[Any], name: str, colour: str, marker: dict[str, Any]) -> Trace:
    line = {"color": colour, "width": 2}
    return {
        "type": "scatter", "x": x, "y": y, "name": name, "mode": "lines+markers", "line": line, "marker": marker
    }  # fmt: skip


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


def rate_curves(rounds: Sequence[RoundRow], words: Words, *, log: bool = True) -> go.Figure:
    """Validation loss by epoch, a curve per rate; one that diverged is grey and ends with a cross."""
    count = len(rounds[-1].trials) if rounds else 0
    # Many curves share the room: their points are what takes time, here and in the browser.
    rows = thin(rounds, min(MOST_POINTS, max(100, 4000 // max(1, count))))
    traces = []
    for place in range(count):
        last = rows[-1].trials[place]
        broken = last.diverged_at is not None
        colour = GREY if broken else rate_colour(place, count)
        name = f"{last.learning_rate:.3g}" + (f" ({words['diverged']})" if broken else "")
        shown = [row for row in rows if not broken or _runs(row, place)]
        x, y = [row.number for row in shown], [number(row.trials[place].valid_loss) for row in shown]
        traces.append(_curve(x, y, name, colour, _markers(len(shown), broken)))
    waiting, axis = ((0, 10), (-2, 0) if log else (0, 1)), {"type": "log"} if log else {}
    legend = LEGEND if count <= len(PALETTE) else {}
    return draw(words["epoch"], words["valid_loss"], traces, yaxis=axis, waiting=waiting, legend=legend)


def _runs(row: RoundRow, place: int) -> bool:
    return row.trials[place].diverged_at is None


def _markers(points: int, broken: bool) -> dict[str, Any]:
    """Small dots; the last one of a broken curve is a cross."""
    if not broken:
        return {"size": 4}
    return {"size": [4] * (points - 1) + [11], "symbol": ["circle"] * (points - 1) + ["x"], "line": {"width": 0}}


def rate_axis(ranking: Sequence[RankRow], words: Words) -> go.Figure:
    """The validation loss reached by each rate, on a logarithmic axis of rates; the best one stands out."""
    rows = sorted((row for row in ranking if row.diverged_at is None), key=lambda row: row.learning_rate)
    x, y = [row.learning_rate for row in rows], [number(row.valid_loss) for row in rows]
    best = next((i for i, row in enumerate(rows) if row.best), None)
    traces: list[Trace] = []
    if rows:
        traces.append({**_curve(x, y, "", GREY, {"size": 6}), "showlegend": False})
    if best is not None:
        star = {"color": PALETTE[2], "size": 14, "symbol": "star"}
        traces.append({**_curve([x[best]], [y[best]], words["best"], GREY, star), "mode": "markers"})
    broken = [row.learning_rate for row in ranking if row.diverged_at is not None]
    if broken:
        top = max((value for value in y if value is not None), default=1.0)
        cross = {"color": GREY, "size": 11, "symbol": "x"}
        traces.append({**_curve(broken, [top] * len(broken), words["diverged"], GREY, cross), "mode": "markers"})
    rates = [row.learning_rate for row in ranking]
    # Over two decades and more a label for each is enough; plotly's own 2 and 5 between them collide on a phone.
    decades = {"dtick": 1} if rates and max(rates) >= 99 * min(rates) else {}
    axis = {"type": "log", "tickformat": "~g", **decades}
    waiting = ((-4, 0), (-2, 0))
    return draw(
        words["rate"], words["valid_loss"], traces, xaxis=axis, yaxis={"type": "log"}, waiting=waiting, legend=LEGEND
    )


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], words: Words) -> go.Figure:
    """The confusion matrix: a row per true class, a column per guess, coloured by the share of the row."""
    totals = [max(1, sum(row)) for row in matrix]
    shares = [[number(n / total) for n in row] for row, total in zip(matrix, totals, strict=True)]
    scale = [[0, tint(PALETTE[0], 0.04)], [1, tint(PALETTE[0], 0.95)]]
    cells = {
        "type": "heatmap", "z": shares, "customdata": matrix, "zmin": 0, "zmax": 1, "colorscale": scale,
        "showscale": False, "xgap": 2, "ygap": 2,
        "hovertemplate": f"{words['truth']} %{{y}}<br>{words['guess']} %{{x}}<br>%{{customdata}}<extra></extra>",
    }  # fmt: skip
    counts = [
        {"x": j, "y": i, "text": str(n), "showarrow": False,
         "font": {"color": "#ffffff" if n / totals[i] > 0.5 else GREY, "size": 15}}
        for i, row in enumerate(matrix) for j, n in enumerate(row) if len(classes) <= 12
    ]  # fmt: skip
    ticks = {"tickmode": "array", "tickvals": list(range(len(classes))), "ticktext": list(classes), "showgrid": False}
    down = {"autorange": "reversed", **ticks}
    return draw(words["guess"], words["truth"], [cells], xaxis=ticks, yaxis=down, annotations=counts)


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


class SoundPicture(Protocol):
    """What the two charts of a recording need (see `audio.Picture`)."""

    @property
    def seconds(self) -> float: ...
    @property
    def low(self) -> Sequence[float]: ...
    @property
    def high(self) -> Sequence[float]: ...
    @property
    def mel(self) -> bytes: ...
    @property
    def bins(self) -> int: ...
    @property
    def columns(self) -> int: ...
    @property
    def top(self) -> float: ...


def waveform(picture: SoundPicture, words: Words) -> go.Figure:
    """How loud a recording is over time: between its lowest and its highest sample of each moment."""
    step = picture.seconds / max(1, len(picture.high))
    there = [round((i + 0.5) * step, 4) for i in range(len(picture.high))]
    shape = {
        "type": "scatter", "x": [*there, *reversed(there)], "y": [*picture.high, *reversed(picture.low)],
        "fill": "toself", "mode": "lines", "line": {"width": 1, "color": PALETTE[0]},
        "fillcolor": tint(PALETTE[0], 0.6), "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip
    return draw(words["seconds"], words["amplitude"], [shape], xaxis={"range": [0, picture.seconds]})


def spectrogram(picture: SoundPicture, words: Words) -> go.Figure:
    """Which pitches are loud when, low ones below: what the ear, and the model, make of the waveform."""
    step = picture.seconds / max(1, picture.columns)
    pixels = {
        "type": "heatmap", "z": np.frombuffer(picture.mel, np.uint8).reshape(picture.bins, picture.columns),
        "x0": step / 2, "dx": step, "y0": 0, "dy": 1, "zmin": 0, "zmax": 255, "zsmooth": "fast",
        "showscale": False, "hoverinfo": "skip",
        "colorscale": [[0, tint(PALETTE[0], 0.0)], [0.5, tint(PALETTE[0], 0.45)], [1, tint(PALETTE[1], 1.0)]],
    }  # fmt: skip
    marks = [hertz for hertz in (250, 500, 1000, 2000, 4000, 8000) if hertz <= picture.top]
    places = [_mel(hertz) / _mel(picture.top) * (picture.bins + 1) - 1 for hertz in marks]
    pitch = {"range": [-0.5, picture.bins - 0.5], "showgrid": False}
    pitch |= {"tickvals": places, "ticktext": [str(hertz) for hertz in marks]}
    time = {"range": [0, picture.seconds], "showgrid": False}
    return draw(words["seconds"], words["hertz"], [pixels], xaxis=time, yaxis=pitch)


def _mel(hertz: float) -> float:
    """The mel scale: steps that sound alike (O'Shaughnessy 1987)."""
    return 2595 * math.log10(1 + hertz / 700)
