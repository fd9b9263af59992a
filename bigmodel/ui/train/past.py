"""A look back: what is drawn of a run as it was after one of its epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bigmodel.runs import Shelf
from bigmodel.train import Epoch
from bigmodel.train.plane import Picture, Units
from bigmodel.ui.widgets import written
from bigmodel.ui.words import say

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.networks import Stack

ROWS = 5_000
"""Most rows of the validation part that a matrix of the past counts."""


@dataclass(frozen=True)
class Past:
    """After `number` epochs: the pictures of the plane, and what the first living member takes for what on the
    validation part. What can no longer be made is None or empty."""

    number: int
    picture: Picture | None
    units: Units | None
    confusion: tuple[tuple[int, ...], ...] = ()
    classes: tuple[str, ...] = ()


def look_back(shelf: Shelf, events: Sequence[Any], number: int) -> Past:
    """The run after `number` epochs, or after the nearest ones before that were kept.

    The album of the networks makes everything anew. Without it (the lab was started again since) the pictures that were
    drawn on the way are what is left.
    """
    album = shelf.get("album")
    known = album.numbers() if album is not None else ()
    if album is None or not known or "cut" not in shelf:
        return Past(number, _drawn(events, Picture, number), _drawn(events, Units, number))
    from bigmodel.train.plane import listen, paint

    number = max((n for n in known if n <= number), default=known[0])
    stack, data = album.stack_at(number), shelf["data"]
    return Past(
        number,
        paint(stack, shelf["cut"], number),
        listen(stack, shelf["cut"], number),
        _taken(stack, data),
        data.classes,
    )


def _drawn(events: Sequence[Any], kind: type, number: int) -> Any:
    """The last picture of a kind that was drawn by then."""
    return next((e for e in reversed(events) if isinstance(e, kind) and e.number <= number), None)  # type: ignore[attr-defined]


def _taken(stack: Stack, data: Dataset) -> tuple[tuple[int, ...], ...]:
    """Rows of the validation part by class and by guess."""
    import numpy as np
    import torch

    from bigmodel.networks import predict, threads

    size, y = len(data.classes), data.valid.y[:ROWS]
    with threads(1):
        guess = predict(stack, torch.from_numpy(data.valid.x[:ROWS]))[0].argmax(1).numpy()
    counts = np.bincount(y * size + guess, minlength=size * size).reshape(size, size)
    return tuple(tuple(int(n) for n in row) for row in counts)


def epoch_at(events: Sequence[Any], number: int) -> Epoch | None:
    """The epoch of that number, or the nearest one before that is still there."""
    found = None
    for event in events:
        if isinstance(event, Epoch) and event.number <= number:
            found = event
    return found


def mark_words(field: str, value: float, language: str) -> str:
    """A change in a few words: "rate → 0.01"."""
    return say(f"train.mark.{field}", language, value=written(float(f"{value:.3g}")))
