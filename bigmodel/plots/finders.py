"""The chart of the finders on trial: the race's losses by rate, and under them, on the same axis, every rule's vote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import plotly.graph_objects as go

from bigmodel.plots.draw import FAINT, GREY, LEGEND, PALETTE, Trace, Words, curve, draw, number, tint

GOOD, POOR = PALETTE[2], PALETTE[1]


class VoteRow(Protocol):
    """What a rule's line needs (see `compare.finders.Vote`)."""

    @property
    def rule(self) -> str: ...
    @property
    def rate(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def loss(self) -> float: ...
    @property
    def regret(self) -> float: ...
    @property
    def inside(self) -> bool: ...


class CaseRow(Protocol):
    """One optimizer on trial (see `ui/compare/finders.py`).

    `curve` are (rate, loss) of the race, NaN where it diverged; `test` those of one range test; `equals` the lowest
    and the highest rate that cannot be told apart from the best.
    """

    @property
    def name(self) -> str: ...
    @property
    def votes(self) -> Sequence[VoteRow]: ...
    @property
    def curve(self) -> Sequence[tuple[float, float]]: ...
    @property
    def test(self) -> Sequence[tuple[float, float]]: ...
    @property
    def best(self) -> tuple[float, float]: ...
    @property
    def equals(self) -> tuple[float, float]: ...


def finder_votes(cases: Sequence[CaseRow], words: Words) -> go.Figure:
    """The race above, the votes below. With several optimizers a switch shows one at a time."""
    rules = list(dict.fromkeys(vote.rule for case in cases for vote in case.votes))
    span = _span(cases) if cases else [-7.0, 1.0]
    traces: list[Trace] = []
    owners: list[int] = []
    for place, case in enumerate(cases):
        own = [*_race(case, span, words), *_votes(case, rules, span, words)]
        traces += own
        owners += [place] * len(own)
    looks = [
        {"label": case.name, "title": case.name, "hidden": [k for k, owner in enumerate(owners) if owner != place]}
        for place, case in enumerate(cases)
    ]
    below = {
        "domain": [0, 0.46], "tickmode": "array", "tickvals": list(range(len(rules))), "fixedrange": True,
        "ticktext": [words[f"rule.{rule}"] for rule in rules], "range": [len(rules) - 0.4, -0.6],
        "gridcolor": FAINT, "zeroline": False, "automargin": True, "tickfont": {"size": 12},
    }  # fmt: skip
    # Every second decade of many: on a phone the others would collide.
    axis: dict[str, Any] = {"type": "log", "tickformat": "~g", "dtick": 2 if span[1] - span[0] > 6 else 1}
    if cases:
        axis |= {"anchor": "y2", "range": span}
    return draw(
        words["rate"],
        words["valid_loss"],
        traces,
        xaxis=axis,
        yaxis={"type": "log", "tickformat": "~g", "dtick": _steps(cases), **({"domain": [0.54, 1]} if cases else {})},
        waiting=((-7, 1), (-2, 0)),
        legend=LEGEND,
        meta={
            "caption": words["finders.caption"],
            "note": words["finders.note"] if cases else "",
            "switch": looks if len(looks) > 1 else [],
        },
        **({"yaxis2": below} if cases else {}),
    )


def _span(cases: Sequence[CaseRow]) -> list[float]:
    """The axis of rates: all that raced and all votes, with room at the right for the regrets."""
    rates = [rate for case in cases for rate, _ in case.curve]
    rates += [end for case in cases for vote in case.votes for end in (vote.low, vote.high)]
    low, high = math.log10(min(rates)), math.log10(max(rates))
    return [low - 0.04 * (high - low), high + 0.38 * (high - low)]


def _steps(cases: Sequence[CaseRow]) -> Any:
    """The axis of losses: 1, 2 and 5 of each decade where there are few, else the decades."""
    losses = [loss for case in cases for _, loss in case.curve if loss > 0] or [1.0]
    return "D2" if max(losses) < 1000 * min(losses) else 1


def _race(case: CaseRow, span: Sequence[float], words: Words) -> list[Trace]:
    points = sorted(case.curve)
    ran = [(rate, loss) for rate, loss in points if math.isfinite(loss)]
    star = {"color": PALETTE[2], "size": 14, "symbol": "star"}
    # The race alone says how high the axis goes: a range test that explodes would flatten it.
    top = 1.5 * max(loss for _, loss in ran)
    seen = [(rate, loss) for rate, loss in case.test if loss <= top and math.log10(rate) >= span[0]]
    dots = curve([r for r, _ in seen], [number(loss) for _, loss in seen], words["range_test"], GREY, {"size": 1})
    dots["line"] = {"color": GREY, "width": 1.5, "dash": "dot"}
    return [
        {**dots, "mode": "lines"},
        curve([r for r, _ in ran], [number(loss) for _, loss in ran], words["race"], PALETTE[0], {"size": 6}),
        {**curve([case.best[0]], [number(case.best[1])], words["best"], GREY, star), "mode": "markers"},
    ]


def _votes(case: CaseRow, rules: Sequence[str], span: Sequence[float], words: Words) -> list[Trace]:
    """The stretch of the best, the votes with their spread over seeds, and at the right what each costs."""
    rows = [vote for vote in case.votes if vote.rule in rules]
    y = [rules.index(vote.rule) for vote in rows]
    low, high = case.equals
    band = {
        "type": "scatter", "x": [low, high, high, low], "y": [-0.6, -0.6, len(rules) - 0.4, len(rules) - 0.4],
        "yaxis": "y2", "fill": "toself", "fillcolor": tint(GOOD, 0.18), "mode": "lines", "hoverinfo": "skip",
        "line": {"width": 2, "color": tint(GOOD, 0.5)}, "name": words["equals"],
    }  # fmt: skip
    colours = [GOOD if low <= vote.rate <= high else POOR for vote in rows]
    spread = {
        "type": "data", "symmetric": False, "array": [number(vote.high - vote.rate) for vote in rows],
        "arrayminus": [number(vote.rate - vote.low) for vote in rows], "thickness": 1.5, "width": 4, "color": GREY,
    }  # fmt: skip
    told = [_told(vote, words) for vote in rows]
    marks = {
        "type": "scatter", "x": [number(vote.rate) for vote in rows], "y": y, "yaxis": "y2", "mode": "markers",
        "marker": {"color": colours, "size": 12, "symbol": "diamond"}, "error_x": spread, "showlegend": False,
        "customdata": told, "hovertemplate": "%{x:.3g}<br>%{customdata}<extra></extra>",
    }  # fmt: skip
    costs = {
        "type": "scatter", "x": [10 ** span[1]] * len(rows), "y": y, "yaxis": "y2", "mode": "text", "text": told,
        "textposition": "middle left", "textfont": {"color": colours, "size": 12}, "showlegend": False,
        "hoverinfo": "skip",
    }  # fmt: skip
    return [band, marks, costs]


def _told(vote: VoteRow, words: Words) -> str:
    if math.isinf(vote.regret):
        return words["diverged"]
    return f"{'' if vote.inside else '≥ '}+{vote.regret:.3f}"
