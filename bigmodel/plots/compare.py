"""Charts of a comparison: a curve per learning rate, and what each of them reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import plotly.graph_objects as go

from bigmodel.plots.draw import GREY, LEGEND, MOST_POINTS, PALETTE, Trace, Words, curve, draw, number, thin


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
        traces.append(curve(x, y, name, colour, _markers(len(shown), broken)))
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
        traces.append({**curve(x, y, "", GREY, {"size": 6}), "showlegend": False})
    if best is not None:
        star = {"color": PALETTE[2], "size": 14, "symbol": "star"}
        traces.append({**curve([x[best]], [y[best]], words["best"], GREY, star), "mode": "markers"})
    broken = [row.learning_rate for row in ranking if row.diverged_at is not None]
    if broken:
        top = max((value for value in y if value is not None), default=1.0)
        cross = {"color": GREY, "size": 11, "symbol": "x"}
        traces.append({**curve(broken, [top] * len(broken), words["diverged"], GREY, cross), "mode": "markers"})
    rates = [row.learning_rate for row in ranking]
    # Over two decades and more a label for each is enough; plotly's own 2 and 5 between them collide on a phone.
    decades = {"dtick": 1} if rates and max(rates) >= 99 * min(rates) else {}
    axis = {"type": "log", "tickformat": "~g", **decades}
    waiting = ((-4, 0), (-2, 0))
    return draw(
        words["rate"], words["valid_loss"], traces, xaxis=axis, yaxis={"type": "log"}, waiting=waiting, legend=LEGEND
    )
