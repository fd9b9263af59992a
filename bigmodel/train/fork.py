"""Forks: a training goes on from one of its epochs with other settings.

    parent = Origin(config, epoch)
    settings, origin = forked(parent, step, wish)
    stack, moments = yield from planted(parent, settings, data, album)

Where the wish differs only in what may change while it runs, the fork is the parent with one more change at that step:
one config tells all of it, from the first step on. Otherwise an `Origin` tells where it comes from. Either way the
numbers of the fork's start can be made again from the recipe alone, by training the parent up to that epoch: what an
album remembers is only faster.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bigmodel.config import limits_of
from bigmodel.errors import BigModelError, ConfigError
from bigmodel.train import LIVE, Change, Epoch, TrainConfig, train

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.networks import Stack
    from bigmodel.optimizers import Moments
    from bigmodel.train.album import Album

FIXED = ("architecture", "widths", "activation", "normalisation", "loss", "seed", "seeds")
"""What a fork cannot change: it goes on with the same networks."""


@dataclass(frozen=True)
class Origin:
    """A training as it was after `epoch` epochs; `origin` is where that training itself was forked from."""

    config: TrainConfig
    epoch: int
    origin: Origin | None = None


def forked(parent: Origin, step: int, wish: TrainConfig) -> tuple[TrainConfig, Origin | None]:
    """(settings, origin) of a fork of `parent`, which had made `step` steps, that goes on as `wish` says.

    `wish.epochs` that are over already are so many more. ConfigError where the wish is for another network.
    """
    wish = replace(wish, changes=())
    problems = tuple(
        BigModelError("fork.fixed", field=name, label=f"train.{name}.label", value=said(wish, name), kept=kept)
        for name, kept in ((name, said(parent.config, name)) for name in FIXED)
        if getattr(wish, name) != getattr(parent.config, name)
    )
    if problems:
        raise ConfigError(problems)
    if wish.epochs <= parent.epoch:
        most = int(limits_of(TrainConfig, "epochs").high)
        if parent.epoch >= most:
            raise ConfigError((BigModelError("fork.over", epochs=most),))
        wish = replace(wish, epochs=min(most, parent.epoch + wish.epochs))
    before = replace(parent.config, changes=tuple(c for c in parent.config.changes if c.step < step))
    now = before.at(step)
    turned = tuple(
        Change(step, name, getattr(wish, name)) for name in LIVE if getattr(wish, name) != getattr(now, name)
    )
    # A schedule is drawn over all epochs: with another number of them, what went before would have been different.
    free = {"seconds": wish.seconds} | ({"epochs": wish.epochs} if still(wish) else {})
    same = replace(now, **{name: getattr(wish, name) for name in LIVE}, **free)  # type: ignore[arg-type]
    if same == wish:
        return replace(before, changes=(*before.changes, *turned), **free), parent.origin  # type: ignore[arg-type]
    return wish, replace(parent, config=before)


def still(config: TrainConfig) -> bool:
    """Whether the rate does not move by itself."""
    return config.schedule == "constant" and config.warmup == 0


def said(config: TrainConfig, name: str) -> str:
    """A setting in a sentence."""
    value = getattr(config, name)
    return (", ".join(map(str, value)) or "–") if isinstance(value, tuple) else str(value)


def regrown(origin: Origin, data: Dataset) -> Generator[None, None, tuple[Stack, Moments | None]]:
    """The networks of an origin and their optimizer's moments, trained anew; None after each piece of work."""
    from bigmodel.networks import build
    from bigmodel.train.album import Album

    album, start = Album(), 0
    if origin.origin is None:
        stack, moments = build(origin.config, data), None
    else:
        start = origin.origin.epoch
        stack, moments = yield from regrown(origin.origin, data)
        _fitted(stack, origin.config, data)
    events = train(origin.config, stack, data, album=album, start=start, moments=moments)
    for event in events:
        yield None
        if isinstance(event, Epoch) and event.number >= origin.epoch:
            break
    events.close()  # type: ignore[attr-defined]
    return album.stack_at(origin.epoch), album.optimizer_at(origin.epoch)


def planted(
    origin: Origin, config: TrainConfig, data: Dataset, album: Album | None
) -> Generator[None, None, tuple[Stack, Moments | None]]:
    """The networks that a fork with `config` begins with: from the parent's album, or trained anew."""
    if album is not None and album.numbers():
        stack, moments = album.stack_at(origin.epoch), album.optimizer_at(origin.epoch)
    else:
        stack, moments = yield from regrown(origin, data)
    _fitted(stack, config, data)
    return stack, moments


def _fitted(stack: Stack, config: TrainConfig, data: Dataset) -> None:
    """Let the stack have what a fork may change of a network. ConfigError when it is too much for the machine."""
    from bigmodel.networks import check_budget

    check_budget(stack.shape, len(stack.alive), config.batch)
    dropout = config.at(stack.steps).dropout
    if stack.shape.dropout != dropout:
        stack.set_dropout(dropout)
