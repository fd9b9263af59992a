"""Charts of a comparison: a curve per entry, and what each of them reached by its learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import plotly.graph_objects as go

from bigmodel.plots.draw import GREY, LEGEND, LOG, MOST_POINTS, PALETTE, Trace, Words, curve, draw, number, thin, tint

MOST_CURVES = 128
"""Curves in one chart; of more entries evenly chosen ones are drawn."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKS = ("circle", "square", "triangle-up", "pentagon", "hexagon", "cross")


class EntryRow(Protocol):
    """What the charts need of an entry (see `compare.Entry`)."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def schedule(self) -> str: ...
    @property
    def value(self) -> str: ...


class TrialRow(Protocol):
    """What they need of a trial (see `compare.Trial`)."""

    @property
    def entry(self) -> EntryRow: ...
    @property
    def valid_loss(self) -> float: ...
    @property
    def diverged_at(self) -> int | None: ...
    @property
    def broke(self) -> float | None: ...
    @property
    def left(self) -> bool: ...


class StandingRow(Protocol):
    """A mean with its interval (see `compare.answer.Standing`)."""

    @property
    def trial(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def equal(self) -> bool: ...


class AnswerRow(Protocol):
    """What the axis needs of an answer (see `compare.answer.Answer`)."""

    @property
    def best(self) -> int: ...
    @property
    def cheapest(self) -> int: ...
    @property
    def standings(self) -> Sequence[StandingRow]: ...


def rate_colour(place: int, count: int) -> str:
    """The colour of the rate at a place among `count`: the same in every chart and table."""
    if count <= len(PALETTE):
        return PALETTE[place]
    along = 0.05 + 0.9 * place / (count - 1)
    return _between(along)


def _between(along: float) -> str:
    """A colour along blue, green, yellow (stations of viridis that read on light and dark), 0 to 1."""
    stations = ((59, 82, 180), (33, 145, 160), (70, 180, 110), (190, 170, 30))
    at = along * (len(stations) - 1)
    low = min(int(at), len(stations) - 2)
    mixed = (round(a + (b - a) * (at - low)) for a, b in zip(stations[low], stations[low + 1], strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def entry_colours(trials: Sequence[TrialRow]) -> list[str]:
    """The colour of each entry: its own while they are few, else that of its rate, from the lowest to the highest."""
    if len(trials) <= len(PALETTE):
        return [rate_colour(place, len(trials)) for place in range(len(trials))]
    rates = sorted({trial.entry.learning_rate for trial in trials})
    places = {rate: place for place, rate in enumerate(rates)}
    return [rate_colour(places[trial.entry.learning_rate], len(rates)) for trial in trials]


def kinds(trials: Sequence[TrialRow]) -> list[int]:
    """Entries that differ in more than their rate are of different kinds: the number of each one's kind."""
    found: dict[tuple[str, str, str], int] = {}
    return [found.setdefault((t.entry.optimizer, t.entry.schedule, t.entry.value), len(found)) for t in trials]


def rate_curves(
    trials: Sequence[TrialRow],
    curves: Sequence[Mapping[int, float]],
    names: Sequence[str],
    words: Words,
    *,
    best: int | None = None,
    chosen: int | None = None,
) -> go.Figure:
    """Validation loss by epoch, a curve per entry; one that broke is grey and ends with a cross where it did.

    `curves` are those of `compare.lines`. An entry that was taken out is a faint dotted line. Each line carries the
    number of its entry, for clicks.
    """
    colours, dashes = entry_colours(trials), kinds(trials)
    order = sorted(range(len(trials)), key=lambda place: (dashes[place], trials[place].entry.learning_rate))
    shown = sorted(order[:: math.ceil(len(order) / MOST_CURVES)] if order else [])
    # Many curves share the room: their points are what takes time, here and in the browser.
    most = min(MOST_POINTS, max(60, 4000 // max(1, len(shown))))
    traces = []
    for place in shown:
        trial, points = trials[place], thin(list(curves[place].items()), most)
        x, y = [point[0] for point in points], [number(point[1]) for point in points]
        broken = trial.diverged_at is not None
        if broken and trial.broke is not None and y:
            x, y = [*x, number(trial.broke)], [*y, y[-1]]
        name = names[place] + (f" ({words['diverged']})" if broken else "")
        line = curve(x, y, name, GREY if broken or trial.left else colours[place], _markers(len(x), broken))
        line["line"] |= {"dash": "dot" if trial.left else DASHES[dashes[place] % len(DASHES)]}
        line["line"] |= {"width": 4 if place in (best, chosen) else 1.2 if broken or trial.left else 2}
        line["meta"] = place
        traces.append(line)
    legend = LEGEND if len(trials) <= len(PALETTE) else {}
    return draw(
        words["epoch"],
        words["valid_loss"],
        traces,
        yaxis=LOG,
        waiting=((0, 10), (-2, 0)),
        legend=legend,
        showlegend=len(trials) <= len(PALETTE),
        meta={"caption": words["race.caption"], "clicks": True},
    )


def _markers(points: int, broken: bool) -> dict[str, Any]:
    """Small dots; the last one of a broken curve is a cross."""
    if not broken:
        return {"size": 3}
    return {"size": [3] * (points - 1) + [11], "symbol": ["circle"] * (points - 1) + ["x"], "line": {"width": 0}}


def rate_axis(
    trials: Sequence[TrialRow],
    found: AnswerRow | None,
    names: Sequence[str],
    words: Words,
    *,
    tests: Sequence[float] = (),
    chosen: int | None = None,
) -> go.Figure:
    """The validation loss reached by each rate, on a logarithmic axis of rates, with its interval over the seeds.

    Green are the best and those that cannot be told apart from it. `tests`, the losses on the sealed part, are hollow.
    Points carry the number of their entry, for clicks; a ring is round the one that is chosen.
    """
    traces: list[Trace] = []
    if found is not None:
        family = kinds(trials)
        rows = sorted(found.standings, key=lambda row: trials[row.trial].entry.learning_rate)
        for kind in sorted({family[row.trial] for row in rows}):
            own = [row for row in rows if family[row.trial] == kind]
            traces.append(_reached(own, trials, names, kind))
        traces += _tested(rows, trials, tests, words)
        traces += _stars(found, trials, words, chosen)
    traces += _lost(trials, found, words)
    rates = [trial.entry.learning_rate for trial in trials]
    # Over two decades and more a label for each is enough, below that 1, 2 and 5: more of them collide on a phone.
    wide = max(rates) / min(rates) if rates else 1
    decades = {"dtick": 1} if wide >= 99 else {"dtick": "D2"} if wide >= 4 else {}
    return draw(
        words["rate"],
        words["valid_loss"],
        traces,
        xaxis={"type": "log", "tickformat": "~g", **decades},
        yaxis=LOG,
        waiting=((-4, 0), (-2, 0)),
        legend=LEGEND,
        meta={"caption": words["axis.caption"], "clicks": True},
    )


def _lost(trials: Sequence[TrialRow], found: AnswerRow | None, words: Words) -> list[Trace]:
    """A cross for each entry that diverged, at the height of the worst loss of the others."""
    lost = [place for place, trial in enumerate(trials) if trial.diverged_at is not None]
    if not lost:
        return []
    losses = [row.mean for row in found.standings if math.isfinite(row.mean)] if found else []
    rates = [trials[place].entry.learning_rate for place in lost]
    cross = {"color": GREY, "size": 11, "symbol": "x"}
    made = curve(rates, [max(losses, default=1.0)] * len(lost), words["diverged"], GREY, cross)
    return [{**made, "mode": "markers", "customdata": lost}]


def _reached(rows: Sequence[StandingRow], trials: Sequence[TrialRow], names: Sequence[str], kind: int) -> Trace:
    """The entries of one kind: means, intervals, and a line from rate to rate."""
    x = [trials[row.trial].entry.learning_rate for row in rows]
    y = [number(row.mean) for row in rows]
    colours = [PALETTE[2] if row.equal else GREY for row in rows]
    mark = {"size": 8, "color": colours, "symbol": MARKS[kind % len(MARKS)], "line": {"width": 0}}
    made = {**curve(x, y, "", tint(GREY, 0.6), mark), "showlegend": False, "text": [names[row.trial] for row in rows]}
    made["line"] = {"color": tint(GREY, 0.6), "width": 1.5, "dash": DASHES[kind % len(DASHES)]}
    made["hovertemplate"] = "%{text}: %{y}<extra></extra>"
    made["customdata"] = [row.trial for row in rows]
    if any(math.isfinite(row.low) for row in rows):
        # A logarithmic axis has no place for what lies below 0; a mean may lie outside of its own interval.
        below = [number(max(0.0, min(row.mean - row.low, 0.95 * row.mean))) or 0 for row in rows]
        above = [number(max(0.0, row.high - row.mean)) or 0 for row in rows]
        made["error_y"] = {
            "type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": GREY, "thickness": 1.2,
            "width": 3,
        }  # fmt: skip
    return made


def _tested(
    rows: Sequence[StandingRow], trials: Sequence[TrialRow], tests: Sequence[float], words: Words
) -> list[Trace]:
    """The losses on the sealed test part: hollow, in the same places."""
    seen = [row for row in rows if row.trial < len(tests) and math.isfinite(tests[row.trial])]
    if not seen:
        return []
    x = [trials[row.trial].entry.learning_rate for row in seen]
    ring = {"size": 8, "symbol": "circle-open", "color": PALETTE[1]}
    line = curve(x, [number(tests[row.trial]) for row in seen], words["sealed"], PALETTE[1], ring)
    return [{**line, "mode": "markers", "customdata": [row.trial for row in seen]}]


def _stars(found: AnswerRow, trials: Sequence[TrialRow], words: Words, chosen: int | None) -> list[Trace]:
    """The best, the cheapest of its equals where that is another, and who is chosen."""
    traces = []
    losses = {row.trial: row.mean for row in found.standings}
    for place, word, symbol in ((found.best, "best", "star"), (found.cheapest, "cheapest", "diamond")):
        if word == "cheapest" and found.cheapest == found.best:
            continue
        mark = {"color": PALETTE[2], "size": 15, "symbol": symbol, "line": {"color": "#ffffff", "width": 1}}
        x, y = [trials[place].entry.learning_rate], [number(losses[place])]
        traces.append({**curve(x, y, words[word], GREY, mark), "mode": "markers", "customdata": [place]})
    if chosen in losses:
        ring = {"color": PALETTE[0], "size": 22, "symbol": "circle-open", "line": {"width": 3}}
        x, y = [trials[chosen].entry.learning_rate], [number(losses[chosen])]
        traces.append({**curve(x, y, words["chosen"], GREY, ring), "mode": "markers", "customdata": [chosen]})
    return traces
