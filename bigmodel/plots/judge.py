"""Charts of a network's marks: what it takes for what."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from bigmodel.plots.draw import GREY, PALETTE, Words, draw, number, tint


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
