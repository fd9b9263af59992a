"""A training on the page: what it is about, and all that is seen beside its epochs, as one stream of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bigmodel.runs import Shelf
from bigmodel.train import Changed, Epoch, Progress, TrainConfig
from bigmodel.train.baselines import baselines
from bigmodel.train.coach import Listener, leaks
from bigmodel.train.judging import Judge
from bigmodel.train.plane import Plane

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.networks import Stack
    from bigmodel.train.finetune import Tuned


@dataclass(frozen=True)
class Setup:
    """What is about to be trained, known once the data is loaded. Texts on which an encoder is tuned have no plane."""

    dataset: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    rows: tuple[int, int, int]
    parameters: int
    plane: Plane | None
    notices: tuple[Any, ...]
    config: TrainConfig = field(default_factory=TrainConfig)


def tuned(events: Sequence[Any]) -> bool:
    """Whether a run fine-tunes an encoder: what belongs to networks that start from nothing cannot be done with it."""
    return any(isinstance(event, Setup) and event.plane is None for event in events)


def settings(events: Sequence[Any]) -> TrainConfig | None:
    """The recipe of a run by its events: its settings, with the changes made on the way."""
    setup = next((event for event in events if isinstance(event, Setup)), None)
    config = setup.config if setup else None
    for event in events:
        if isinstance(event, Changed) and config is not None:
            config = config.recorded(event)
    return config


def standing(events: Sequence[Any]) -> TrainConfig | None:
    """What holds at the end of the events: what was changed on the way is a plain setting."""
    setup = next((event for event in events if isinstance(event, Setup)), None)
    if setup is None:
        return None
    first = next((event.step for event in events if isinstance(event, Epoch)), 0)
    config = replace(setup.config.at(first), changes=())
    for event in events:
        if isinstance(event, Changed):
            config = config.changed(event.field, event.new)
    return config


def amended(values: Mapping[str, Any], event: Any) -> Mapping[str, Any]:
    """What a run was made of, with a change that was made on the way."""
    config = values.get("config")
    if not isinstance(event, Changed) or not isinstance(config, TrainConfig) or config.recorded(event) is config:
        return values
    return {**values, "config": config.recorded(event)}


def describe(data: Dataset, stack: Stack | Tuned, plane: Plane | None, config: TrainConfig) -> Setup:
    """The first event of a run on the page."""
    return Setup(
        dataset=data.name,
        features=data.features,
        classes=data.classes,
        rows=(len(data.train.y), len(data.valid.y), len(data.test.y)),
        parameters=stack.shape.parameters,
        plane=plane,
        notices=data.notices,
        config=config,
    )


def watched(events: Iterator[Any], shelf: Shelf, known: Sequence[Any] = ()) -> Iterator[Any]:
    """The events of a training on the shelf's data and stack, with what is seen beside them.

    First what it is about; then, before an epoch, the pictures that belong to it, and after it a piece of work on the
    baselines and leaks, so that the first point never waits for them; `known` ones are not looked for again. The plane
    is left on the shelf as "cut", the last epoch as "last", and a change that took effect is written into "config"
    there.
    """
    from bigmodel.train.plane import Painter, cut

    data, stack = shelf["data"], shelf["stack"]
    shelf["cut"] = where = cut(data)
    yield describe(data, stack, where.plane, shelf["config"])
    painter, listener, marks = Painter(stack, where), Listener(stack, data), iter(known) if known else _marks(shelf)
    judge = Judge(stack, data)
    for event in events:
        shelf["config"] = amended(shelf, event)["config"]
        if isinstance(event, (Epoch, Progress)):
            last = getattr(event, "ended", None) is not None
            yield from painter.look(event.number, last=last)
        if isinstance(event, Epoch):
            shelf["last"] = event
            yield from judge.look(event.number)
            yield from listener.look(event.number, last=last)
        yield event
        yield next(marks, None)
    yield from marks


def read(events: Iterator[Any], shelf: Shelf) -> Iterator[Any]:
    """The same for a fine-tuning: its network has no plane to be drawn on, no layers of units and no album.

    The simple models that it has to beat see its tokens as TF-IDF weights.
    """
    from bigmodel.train.finetune import bag

    data, network = shelf["data"], shelf["stack"]
    yield describe(data, network, None, shelf["config"])
    marks, judge = _marks(shelf, bag(data)), Judge(network, data)
    for event in events:
        shelf["config"] = amended(shelf, event)["config"]
        if isinstance(event, Epoch):
            shelf["last"] = event
            yield from judge.look(event.number)
        yield event
        yield next(marks, None)
    yield from marks


def _marks(shelf: Shelf, data: Dataset | None = None) -> Iterator[Any]:
    """What simple models reach, and what in a table gives the answers away."""
    yield from baselines(data or shelf["data"], shelf["config"].loss)
    source = shelf.get("source")
    if source is not None:
        yield from leaks(source.file, source.target, source.config, source.leave_out)
