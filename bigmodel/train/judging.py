"""Judging a network while it learns and after it: its marks on the validation part, and on the test part when asked.

The test part stays sealed: nothing here opens it by itself. Who looks at it and then changes the network has used it
up, a little, as validation data; so every look is counted.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bigmodel.errors import RunError
from bigmodel.metrics import Scores
from bigmodel.metrics.curves import Curves

if TYPE_CHECKING:
    import numpy as np

    from bigmodel.datasets import Dataset, Part
    from bigmodel.networks import Stack
    from bigmodel.train.finetune import Tuned

PartName = Literal["valid", "test"]

SLICE = 0.1
"""Seconds of work between two events."""

EVERY = 0.5
"""Seconds between two looks at a network that learns."""

SHARE = 0.03
"""The share of the time that such looks may take, and of the whole run that must have passed since the last one."""


@dataclass(frozen=True)
class Judged:
    """The marks of the network after `number` epochs on a part; `looks` counts the looks at the test part so far, this
    one included. `curves` are not made while it learns."""

    paced = False

    part: PartName
    number: int
    looks: int
    scores: Scores
    curves: Curves | None = None


@dataclass(frozen=True)
class Cut:
    """From now on the second of two classes is said where its probability reaches this threshold."""

    paced = False

    threshold: float


@dataclass(frozen=True)
class Show:
    """From now on the marks on this part are on show."""

    paced = False

    part: PartName


def part_of(data: Dataset, name: PartName) -> Part:
    """A part of the data by its name."""
    return data.test if name == "test" else data.valid


def probabilities(stack: Stack | Tuned, x: np.ndarray) -> Generator[None, None, np.ndarray]:
    """P(class) (K, rows, classes) of standardised rows x. None between two slices of work.

    RunError when no member of the stack is left.
    """
    import torch

    from bigmodel.networks import Stack, chunk_rows, predict, threads

    if not isinstance(stack, Stack):
        return (yield from stack.probabilities(x))
    if not stack.alive:
        raise RunError("train.diverged")
    rows, size, pieces = torch.from_numpy(x), chunk_rows(stack), []
    begun = time.perf_counter()
    for start in range(0, len(rows), size):
        if time.perf_counter() - begun > SLICE:
            yield None
            begun = time.perf_counter()
        with threads(1):
            pieces.append(predict(stack, rows[start : start + size]))
    return torch.cat(pieces, 1).numpy()


def marks(
    stack: Stack | Tuned, data: Dataset, name: PartName, number: int, looks: int = 0, *, drawn: bool = True
) -> Iterator[Judged | None]:
    """The network after `number` epochs on a part, with what is drawn of it. None between two slices of work."""
    from bigmodel.metrics import scores
    from bigmodel.metrics.curves import curves

    part = part_of(data, name)
    p = yield from probabilities(stack, part.x)
    if drawn:
        yield None
    found = scores(part.y, p, data.classes)
    yield Judged(name, number, looks, found, curves(part.y, p[0]) if drawn else None)


class Judge:
    """Looks at a network on the validation part from time to time while it learns.

    The looks take a small share of the time and grow rarer in a long run, so that their number stays in the hundreds.
    """

    def __init__(self, stack: Stack | Tuned, data: Dataset) -> None:
        self.stack, self.data = stack, data
        self.begun = time.perf_counter()
        self.due = 0.0

    def look(self, number: int) -> Iterator[Judged | None]:
        """Its marks after `number` epochs, if it is time for a look and a network is left."""
        now = time.perf_counter()
        if now < self.due or not self.stack.alive:
            return
        yield from marks(self.stack, self.data, "valid", number, drawn=False)
        cost = time.perf_counter() - now
        self.due = now + max(EVERY, cost / SHARE, SHARE * (now - self.begun))
