"""Three ways to learn from text, one after another over the same rows: TF-IDF, a frozen encoder, a fine-tuned one.

All else is the same: the split, the epochs, the seed. At its end each way is judged on the same test part, and a test
over the rows that one gets right and the other does not (McNemar's, exact) tells which of them are worse than the best.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from bigmodel.datasets import FEATURES
from bigmodel.errors import DataError
from bigmodel.train import TrainConfig

if TYPE_CHECKING:
    import numpy as np

    from bigmodel.datasets import Dataset

TEXTS = ("text", "encoder", "tokens")
"""What a column of text is in a recipe."""

CHANCE = 0.05
"""A difference that chance makes more rarely is one."""

Load = Callable[[str], Generator[Any, None, "Dataset"]]


@dataclass(frozen=True)
class Trying:
    """From here on this way is trained, the first, second or third (from 0)."""

    paced: ClassVar[bool] = False

    features: str
    place: int


@dataclass(frozen=True)
class Tried:
    """How a way ended: its accuracy on the `rows` of the test part with its 95 % interval (NaN where it diverged), and
    the seconds that it took, reading included."""

    features: str
    rows: int
    accuracy: float
    low: float
    high: float
    seconds: float


@dataclass(frozen=True)
class Told:
    """What can be said at the end: the best way, and those that may be as good on other rows."""

    best: str
    equal: tuple[str, ...]


def ways(config: TrainConfig, load: Load) -> Iterator[Any]:
    """Train each way on what `load` makes of it: Trying, the events of its data and of its training, Tried; Told last.

    DataError where there is no column of text. A fine-tuning knows one seed and cross-entropy, so all of them have it.
    """
    config = replace(config, seeds=1, loss="cross_entropy", changes=())
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for place, features in enumerate(FEATURES):
        yield Trying(features, place)
        begun = time.monotonic()
        data = yield from load(features)
        if not any(entry["kind"] in TEXTS for entry in data.recipe.get("columns", ())):
            raise DataError("ways.no_text")
        hits = yield from _trained(config, data)
        if hits is None:
            yield Tried(features, len(data.test.y), math.nan, math.nan, math.nan, time.monotonic() - begun)
            continue
        found[features] = hits, data.test.y
        yield tried(features, hits, time.monotonic() - begun)
    told = compared(found)
    if told is not None:
        yield told


def _trained(config: TrainConfig, data: Dataset) -> Generator[Any, None, np.ndarray | None]:
    """Train on data: which rows of the test part the network gets right; None where it has diverged."""
    from bigmodel.networks import Stack
    from bigmodel.train import train
    from bigmodel.train.finetune import finetune, network_for
    from bigmodel.train.judging import probabilities

    network = network_for(config, data)
    if isinstance(network, Stack):
        yield from train(config, network, data)
    else:
        yield from finetune(config, network, data)
    if not network.alive:
        return None
    p = yield from probabilities(network, data.test.x)
    hits: np.ndarray = p[0].argmax(1) == data.test.y
    return hits


def tried(features: str, hits: np.ndarray, seconds: float) -> Tried:
    """A way by the rows that it gets right."""
    from bigmodel.metrics import wilson

    return Tried(features, len(hits), float(hits.mean()), *wilson(int(hits.sum()), len(hits)), seconds)


def compared(found: dict[str, tuple[np.ndarray, np.ndarray]]) -> Told | None:
    """The best way, and those that cannot be told from it on the same rows. None for fewer than two, or other rows."""
    import numpy as np
    from scipy.stats import binomtest

    if len(found) < 2:
        return None
    best = max(found, key=lambda name: found[name][0].mean())
    right, answers = found[best]
    equal = []
    for name, (hits, others) in found.items():
        if not np.array_equal(answers, others):
            return None
        only, differ = int((right & ~hits).sum()), int((right != hits).sum())
        if name != best and (not differ or binomtest(only, differ).pvalue > CHANCE):
            equal.append(name)
    return Told(best, tuple(equal))
