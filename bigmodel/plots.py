"""Charts: plain values and words in, a new plotly figure out. Nothing is kept, nothing is drawn on the page here.

Every figure is transparent and has no template, so that the page behind gives it its colours; every colour here reads
on a light and on a dark page and stays apart for colour-blind eyes (the set of Okabe and Ito, "Color Universal
Design", 2008).
"""

from __future__ import annotations

import plotly.graph_objects as go

PALETTE = ("#0083c9", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#8c6bb1", "#c0504d")
GREY = "#8a8a8a"
MOST_POINTS = 500
"""Points of one curve; longer ones are thinned."""


def blank(x: str, y: str) -> go.Figure:
    """An empty figure with axis titles: transparent, no template, a grid that reads on light and dark."""
    figure = go.Figure(
        layout={"template": None, "margin": {"l": 56, "r": 12, "t": 12, "b": 44}, "hovermode": "closest"}
    )
    figure.update_layout(paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": GREY, "size": 13})
    axis = {"gridcolor": "rgba(138,138,138,0.25)", "zeroline": False, "linecolor": GREY, "automargin": True}
    figure.update_xaxes(title_text=x, **axis)
    figure.update_yaxes(title_text=y, **axis)
    return figure
