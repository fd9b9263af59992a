"""Charts: plain values and words in, a new plotly figure out. Nothing is kept, nothing is drawn on the page here.

Every figure is transparent and has no template, so that the page behind gives it its colours; every colour here reads
on a light and on a dark page and stays apart for colour-blind eyes (the set of Okabe and Ito, "Color Universal
Design", 2008). `draw.py` holds what all of them share; the others are a file a panel or tab, and all names stand here.
"""

from bigmodel.plots.compare import entry_colours, rate_axis, rate_colour, rate_curves
from bigmodel.plots.draw import GREY, LOG, MOST_POINTS, PALETTE, Words, draw, number, thin, tint
from bigmodel.plots.finders import finder_votes
from bigmodel.plots.health import health
from bigmodel.plots.judge import confusion, marks
from bigmodel.plots.knobs import along, halving, knob_map, knob_weights, short
from bigmodel.plots.plane import boundary
from bigmodel.plots.transcribe import spectrogram, waveform
from bigmodel.plots.watch import accuracy_curves, loss_curves

__all__ = [
    "GREY",
    "LOG",
    "MOST_POINTS",
    "PALETTE",
    "Words",
    "accuracy_curves",
    "along",
    "boundary",
    "confusion",
    "draw",
    "entry_colours",
    "finder_votes",
    "halving",
    "health",
    "knob_map",
    "knob_weights",
    "loss_curves",
    "marks",
    "number",
    "rate_axis",
    "rate_colour",
    "rate_curves",
    "short",
    "spectrogram",
    "thin",
    "tint",
    "waveform",
]
