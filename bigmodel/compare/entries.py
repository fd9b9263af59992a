"""Which settings race, which of them share a stack, and what it will cost: plain Python, so that a page can ask early.

Entries whose networks have one shape and take the same batches go into one stack, whatever their rates, decays,
penalties and momenta are: those are numbers of a member. Others get a stack each.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from bigmodel.compare import CompareConfig, Entry, Plan
from bigmodel.config import limits_of
from bigmodel.errors import BigModelError, ConfigError
from bigmodel.train import Setting

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset

MOST_ENTRIES = 1024
MOST_MEMBERS = 4096
MOST_MEGABYTES = 1024
"""What all stacks of a race and its record may take together."""

RECORDED = 16
"""Bytes that the record of a race keeps per member and epoch."""

PACKED = ("weight_decay", "l1", "l2", "momentum")
"""Knobs that may differ within one stack."""

TOGETHER = 32_000_000
"""Multiply-adds of a forward step that one stack may take; more members than that are cut into several stacks.

A stack of small networks saves calls; one that has outgrown the processor's cache waits for memory at every step: of
64-256-256-10 with 32 rows, stacks of eight are half as fast again as one of 64.
"""

_FIELD = {"width": "widths", "depth": "widths"}


@dataclass(frozen=True, kw_only=True)
class Lane(Setting):
    """The settings of one stack: those that all its members share, and the numbers that they do not."""

    runners: tuple[tuple[float, int], ...] = ()
    packed: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @property
    def members(self) -> tuple[tuple[float, int], ...]:
        """(learning rate, seed) of each member of the stack."""
        return self.runners

    def per_member(self, name: str) -> tuple[float, ...]:
        """A setting of the optimizer, one number per member."""
        return dict(self.packed).get(name) or super().per_member(name)


def entries(config: CompareConfig) -> tuple[Entry, ...]:
    """All that race, in order: the grid of the config, or so many drawn from it. ConfigError when that cannot be."""
    values = checked_values(config)
    optimizers = config.optimizers or (config.optimizer,)
    schedules = config.schedules or (config.schedule,)
    count = len(config.raced) * len(optimizers) * len(schedules) * len(values)
    if config.search == "random":
        return _drawn(config, optimizers, schedules, values)
    if count > MOST_ENTRIES:
        raise ConfigError((BigModelError("compare.cells", count=count, most=MOST_ENTRIES),))
    grid = itertools.product(optimizers, schedules, values, config.raced)
    return tuple(Entry(rate, optimizer, schedule, value) for optimizer, schedule, value, rate in grid)


def checked_values(config: CompareConfig) -> tuple[str, ...]:
    """The values of the second knob, ("",) without one. ConfigError lists all that cannot be used."""
    if config.knob == "none":
        return ("",)
    values = tuple(dict.fromkeys(text.strip() for text in config.values if text.strip()))
    if len(values) < 2:
        raise ConfigError((BigModelError("compare.no_values", knob=config.knob, count=len(values)),))
    problems: list[BigModelError] = []
    for text in values:
        try:
            settings(config, Entry(0.1, config.optimizer, config.schedule, text))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(tuple(problems[:3]))
    return values


def settings(config: CompareConfig, entry: Entry) -> dict[str, Any]:
    """The fields in which an entry differs from its config. ConfigError when its value is none of the knob's."""
    found: dict[str, Any] = {"optimizer": entry.optimizer, "schedule": entry.schedule}
    if not entry.value:
        return found
    value = _read(config.knob, entry.value)
    if config.knob == "width":
        return {**found, "widths": (value,) * max(1, len(config.widths))}
    if config.knob == "depth":
        width = config.widths[0] if config.widths else 64
        return {**found, "widths": (width,) * value}
    return {**found, config.knob: value}


def _read(knob: str, text: str) -> Any:
    """A value of a knob from its text, within the limits of its field."""
    limits = limits_of(Setting, _FIELD.get(knob, knob))
    low, high = (0, limits.most) if knob == "depth" else (limits.low, limits.high)
    said = {"knob": knob, "value": text[:40]}
    if limits.options:
        if text not in limits.options:
            raise ConfigError((BigModelError("compare.value_choice", **said, options=", ".join(limits.options)),))
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    whole = knob in ("batch", "width", "depth")
    if not low <= number <= high or (whole and number != int(number)):
        key = "compare.value_whole" if whole else "compare.value_range"
        raise ConfigError((BigModelError(key, **said, low=low, high=high),))
    return int(number) if whole else number


def _drawn(
    config: CompareConfig, optimizers: Sequence[str], schedules: Sequence[str], values: Sequence[str]
) -> tuple[Entry, ...]:
    """Random search (Bergstra and Bengio 2012): each entry has a rate of its own, drawn evenly on the log axis.

    A knob of numbers is drawn between the lowest and the highest of its values (evenly on the log axis where all are
    above 0 and span a decade), a knob of words among them. The draw is the same for the same seed.
    """
    dice = random.Random(config.seed)
    low, high = math.log(min(config.raced)), math.log(max(config.raced))
    rates = [float(f"{math.exp(dice.uniform(low, high)):.4g}") for _ in range(config.draws)]
    found = [
        Entry(rate, dice.choice(optimizers), dice.choice(schedules), _drawn_value(config.knob, values, dice))
        for rate in rates
    ]
    return tuple(dict.fromkeys(found))


def _drawn_value(knob: str, values: Sequence[str], dice: random.Random) -> str:
    if knob in ("none", "activation"):
        return dice.choice(values)
    numbers = sorted(float(value) for value in values)
    low, high = numbers[0], numbers[-1]
    wide = low > 0 and high >= 10 * low
    drawn = math.exp(dice.uniform(math.log(low), math.log(high))) if wide else dice.uniform(low, high)
    return f"{round(drawn) if knob in ('batch', 'width', 'depth') else drawn:.3g}"


def lanes(
    config: CompareConfig, found: Sequence[Entry], places: Sequence[int], seeds: Sequence[int], data: Dataset
) -> list[tuple[Lane, tuple[int, ...]]]:
    """The stacks for the entries at `places` with these seeds: the settings of each, and its members' places."""
    groups: dict[Any, list[int]] = {}
    for place in places:
        own = settings(config, found[place])
        shared = tuple(sorted((name, value) for name, value in own.items() if name not in PACKED))
        groups.setdefault(shared, []).append(place)
    made = []
    for shared, group in groups.items():
        base: dict[str, Any] = {f.name: getattr(config, f.name) for f in fields(Setting)} | dict(shared)
        base |= {"seconds": limits_of(Setting, "seconds").high}
        most = max(1, TOGETHER // (len(seeds) * parameters(base, data) * base["batch"]))
        for start in range(0, len(group), most):
            part = tuple(place for place in group[start : start + most] for _ in seeds)
            runners = tuple(
                (found[place].learning_rate, seed) for place in group[start : start + most] for seed in seeds
            )
            made.append((Lane(**base, runners=runners, packed=_packed(config, found, part)), part))
    return made


def _packed(
    config: CompareConfig, found: Sequence[Entry], part: Sequence[int]
) -> tuple[tuple[str, tuple[float, ...]], ...]:
    if config.knob not in PACKED:
        return ()
    return ((config.knob, tuple(settings(config, found[place])[config.knob] for place in part)),)


def parameters(base: dict[str, Any], data: Dataset) -> int:
    """How many numbers one network of these settings has."""
    from bigmodel.networks import shape_of

    return shape_of(Lane(**base), data).parameters


def plan(config: CompareConfig, data: Dataset, found: Sequence[Entry], seeds: Sequence[int]) -> Plan:
    """What a race of these entries and seeds takes. ConfigError when that is more than is allowed."""
    from bigmodel.networks import footprint, shape_of

    members = len(found) * len(seeds)
    if len(found) > MOST_ENTRIES or members > MOST_MEMBERS:
        raise ConfigError((BigModelError("compare.members", members=members, most=MOST_MEMBERS, entries=MOST_ENTRIES),))
    planned = lanes(config, found, range(len(found)), seeds, data)
    total, record = 0, RECORDED * members * (config.epochs + 1)
    for lane, part in planned:
        shape = shape_of(lane, data)
        total += shape.parameters * len(part)
        record += footprint(shape, len(part), lane.batch)
    megabytes = record / 2**20
    if megabytes > MOST_MEGABYTES:
        said = {"members": members, "parameters": total, "megabytes": megabytes, "most": MOST_MEGABYTES}
        raise ConfigError((BigModelError("compare.memory", **said),))
    return Plan(
        entries=len(found),
        seeds=len(seeds),
        members=members,
        parameters=total,
        megabytes=megabytes,
        most=MOST_MEGABYTES,
        stacks=len(planned),
        knob=config.knob,
        halving=config.halving,
    )
