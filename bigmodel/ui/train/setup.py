"""A training on the page: what it is about, and all that is seen beside its epochs, as one stream of events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bigmodel.runs import Shelf
from bigmodel.train import Epoch, Progress
from bigmodel.train.baselines import baselines
from bigmodel.train.plane import Plane

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.networks import Stack


@dataclass(frozen=True)
class Setup:
    """What is about to be trained, known once the data is loaded."""

    dataset: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    rows: tuple[int, int, int]
    parameters: int
    plane: Plane
    notices: tuple[Any, ...]


def describe(data: Dataset, stack: Stack, plane: Plane) -> Setup:
    """The first event of a run on the page."""
    return Setup(
        dataset=data.name,
        features=data.features,
        classes=data.classes,
        rows=(len(data.train.y), len(data.valid.y), len(data.test.y)),
        parameters=stack.shape.parameters,
        plane=plane,
        notices=data.notices,
    )


def watched(events: Iterator[Any], shelf: Shelf) -> Iterator[Any]:
    """The events of a training on the shelf's data and stack, with what is seen beside them.

    First what it is about; then, before an epoch, the pictures that belong to it, and after it a piece of work on the
    baselines, so that the first point never waits for them. The plane is left on the shelf as "cut".
    """
    from bigmodel.train.plane import Painter, cut

    data, stack = shelf["data"], shelf["stack"]
    shelf["cut"] = where = cut(data)
    yield describe(data, stack, where.plane)
    painter, marks = Painter(stack, where), baselines(data, shelf["config"].loss)
    for event in events:
        if isinstance(event, (Epoch, Progress)):
            yield from painter.look(event.number, last=getattr(event, "ended", None) is not None)
        yield event
        yield next(marks, None)
    yield from marks
