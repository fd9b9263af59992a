"""The charts of a report where no page has drawn any: curves, matrix, and what is drawn of the probabilities."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bigmodel import plots

if TYPE_CHECKING:
    from bigmodel.train import Epoch
    from bigmodel.train.judging import Judged


def charts(epochs: Sequence[Epoch], judged: Sequence[Judged], words: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Figures as plain JSON: losses, accuracy, and of the part that was judged last its matrix and curves."""
    said = {key.removeprefix("chart."): value for key, value in words.items() if key.startswith("chart.")}
    drawn = [plots.loss_curves(epochs, said), plots.accuracy_curves(epochs, said)]
    if judged:
        scores, curves = judged[-1].scores, judged[-1].curves
        drawn.append(plots.confusion(scores.confusion, scores.classes, said))
        drawn += [plots.marks(curves, scores.classes, said)] if curves else []
    for figure in drawn:
        found: dict[str, Any] = json.loads(figure.to_json(engine="json"))
        yield found
