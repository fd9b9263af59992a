"""Charts of a network's marks: what it takes for what, its curves, and whether its probabilities can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from bigmodel.plots.draw import GREY, PALETTE, Trace, Words, draw, number, tint

if TYPE_CHECKING:
    from bigmodel.metrics.curves import Curves


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
        # No colour of their own: the page's ink reads on every tint.
        {"x": j, "y": i, "text": str(n), "showarrow": False, "font": {"size": 16}}
        for i, row in enumerate(matrix) for j, n in enumerate(row) if len(classes) <= 12
    ]  # fmt: skip
    names = [name if len(name) <= 16 else name[:15] + "…" for name in classes]
    ticks = {"tickmode": "array", "tickvals": list(range(len(classes))), "ticktext": names, "showgrid": False}
    down = {"autorange": "reversed", **ticks}
    meta = {
        "caption": words["confusion.caption"],
        "note": words["confusion.note"],
        "clicks": True,
        "keys": words["confusion.keys"],
        "cell": words["confusion.cell"],
    }
    return draw(words["guess"], words["truth"], [cells], xaxis=ticks, yaxis=down, annotations=counts, meta=meta)


def marks(found: Curves, classes: Sequence[str], words: Words, threshold: float = 0.5) -> go.Figure:
    """ROC, precision against recall, and calibration: three looks of one chart.

    With two classes a dot on the first two shows where the threshold stands.
    """
    looks = (_roc(found, classes, words, threshold), _pr(found, classes, words, threshold), _calibration(found, words))
    names = ("roc", "pr", "calibration")
    axes = (("false_positives", "true_positives"), ("recall", "precision"), ("probability", "frequency"))
    traces = [trace for look in looks for trace in look]
    switch, first = [], 0
    for name, (x, y), look in zip(names, axes, looks, strict=True):
        own = range(first, first + len(look))
        first += len(look)
        layout = {
            axis: {"title": {"text": words[title]}, "range": [-0.02, 1.02]}
            for axis, title in (("xaxis", x), ("yaxis", y))
        }
        hidden = [place for place in range(len(traces)) if place not in own]
        switch.append({"label": words[name], "title": words[f"{name}.info"], "layout": layout, "hidden": hidden})
    many = len(found.lines) > 1
    meta = {"caption": words["marks.caption"], "note": _note(found, words), "switch": switch}
    legend = {"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0}
    return draw(
        *(words["false_positives"], words["true_positives"], traces),
        meta=meta,
        legend=legend,
        showlegend=many,
        margin={"l": 56, "r": 12, "t": 12, "b": 96 if many else 44},
    )


def _note(found: Curves, words: Words) -> str:
    if not found.lines:
        return words["marks.lone"].format(error=found.calibration_error)
    auc = sum(line.auc for line in found.lines) / len(found.lines)
    precision = sum(line.average_precision for line in found.lines) / len(found.lines)
    return words["marks.note"].format(auc=auc, precision=precision, error=found.calibration_error)


def _roc(found: Curves, classes: Sequence[str], words: Words, threshold: float) -> list[Trace]:
    lines = [_dashed([0, 1], [0, 1], words["chance"])]
    lines += [_line(line.roc, classes[line.label], k) for k, line in enumerate(found.lines)]
    if found.cuts:
        tn, fp, fn, tp = _cut(found, threshold)
        lines.append(_dot(fp / max(1, fp + tn), tp / max(1, tp + fn), threshold, words))
    return lines


def _pr(found: Curves, classes: Sequence[str], words: Words, threshold: float) -> list[Trace]:
    lines = [_line(line.pr, classes[line.label], k) for k, line in enumerate(found.lines)]
    if found.cuts:
        base = found.lines[0].share if found.lines else 0.0
        _, fp, fn, tp = _cut(found, threshold)
        lines.insert(0, _dashed([0, 1], [base, base], words["chance"]))
        lines.append(_dot(tp / max(1, tp + fn), tp / max(1, tp + fp) if tp + fp else 1.0, threshold, words))
    return lines


def _calibration(found: Curves, words: Words) -> list[Trace]:
    most = max((b.rows for b in found.bins), default=1)
    points: Trace = {
        "type": "scatter", "mode": "lines+markers", "name": words["calibration"], "showlegend": False,
        "x": [number(b.probability) for b in found.bins], "y": [number(b.frequency) for b in found.bins],
        "customdata": [b.rows for b in found.bins],
        "marker": {"size": [6 + 16 * (b.rows / most) ** 0.5 for b in found.bins], "color": PALETTE[0], "opacity": 0.8},
        "line": {"color": PALETTE[0], "width": 1.5},
        "hovertemplate": f"%{{x:.2f}} → %{{y:.2f}}<br>%{{customdata}} {words['rows']}<extra></extra>",
    }  # fmt: skip
    return [_dashed([0, 1], [0, 1], words["ideal"]), points]


def _cut(found: Curves, threshold: float) -> tuple[int, int, int, int]:
    from bigmodel.metrics.curves import place_of

    return found.cuts[place_of(threshold)]


def _line(points: Sequence[tuple[float, float]], name: str, place: int) -> Trace:
    x, y = [point[0] for point in points], [point[1] for point in points]
    dash = "solid" if place < len(PALETTE) else "dot"
    return {
        "type": "scatter", "x": x, "y": y, "name": name, "mode": "lines",
        "line": {"color": PALETTE[place % len(PALETTE)], "width": 2, "dash": dash},
    }  # fmt: skip


def _dashed(x: list[float], y: list[float], name: str) -> Trace:
    line: dict[str, Any] = {"color": GREY, "width": 1, "dash": "dash"}
    return {"type": "scatter", "x": x, "y": y, "name": name, "mode": "lines", "line": line, "showlegend": False,
            "hoverinfo": "name"}  # fmt: skip


def _dot(x: float, y: float, threshold: float, words: Words) -> Trace:
    marker = {"color": PALETTE[1], "size": 13, "line": {"color": "#ffffff", "width": 2}}
    name = f"{words['threshold']} {threshold:.2f}"
    return {
        "type": "scatter", "x": [number(x)], "y": [number(y)], "name": name, "mode": "markers", "marker": marker,
        "showlegend": False, "hovertemplate": f"{name}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
    }  # fmt: skip
