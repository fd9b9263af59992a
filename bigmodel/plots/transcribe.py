"""Charts of a recording: its waveform and its pitches over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go

from bigmodel.plots.draw import PALETTE, Words, draw, tint


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


ALIGNED = {"l": 68, "r": 12, "t": 12, "b": 44}
"""The margins of both charts, whatever their figures: a moment is at one place in both."""


def waveform(picture: SoundPicture, words: Words) -> go.Figure:
    """How loud a recording is over time: between its lowest and its highest sample of each moment."""
    step = picture.seconds / max(1, len(picture.high))
    there = [round((i + 0.5) * step, 4) for i in range(len(picture.high))]
    shape = {
        "type": "scatter", "x": [*there, *reversed(there)], "y": [*picture.high, *reversed(picture.low)],
        "fill": "toself", "mode": "lines", "line": {"width": 1, "color": PALETTE[0]},
        "fillcolor": tint(PALETTE[0], 0.6), "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip
    time, loud = {"range": [0, picture.seconds]}, {"automargin": False}
    return draw(words["seconds"], words["amplitude"], [shape], xaxis=time, yaxis=loud, margin=ALIGNED)


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
    pitch = {"range": [-0.5, picture.bins - 0.5], "showgrid": False, "automargin": False}
    pitch |= {"tickvals": places, "ticktext": [str(hertz) for hertz in marks]}
    time = {"range": [0, picture.seconds], "showgrid": False}
    return draw(words["seconds"], words["hertz"], [pixels], xaxis=time, yaxis=pitch, margin=ALIGNED)


def _mel(hertz: float) -> float:
    """The mel scale: steps that sound alike (O'Shaughnessy 1987)."""
    return 2595 * math.log10(1 + hertz / 700)
