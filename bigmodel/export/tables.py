"""The numbers of a training as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bigmodel.train import Epoch


def curve(epochs: Sequence[Epoch]) -> str:
    """Losses, accuracies and the rate, an epoch a line, as CSV; numbers that are none are empty."""
    names = ("number", "step", "seconds", "rate", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["epoch", *names[1:]])
    for epoch in epochs:
        values = (getattr(epoch, name) for name in names)
        writer.writerow(["" if isinstance(v, float) and not math.isfinite(v) else f"{v:.9g}" for v in values])
    return out.getvalue()
