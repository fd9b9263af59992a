"""Settings with limits: declared once in the field, used by the check and by the widget.

@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    learning_rate: float = bounded(1e-3, 1e-6, 10.0, log=True)
    optimizer: str = chosen("adam", "sgd", "adam", "adamw")
    widths: tuple[int, ...] = listed((64, 64), 1, 1024, most=8)

    def __post_init__(self) -> None:
        check(self)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from bigmodel.errors import BigModelError, ConfigError


@dataclass(frozen=True)
class Limits:
    """What a field allows. `low`/`high` bound a number, each item of a tuple, or the length of a text."""

    low: float = -math.inf
    high: float = math.inf
    step: float | None = None
    log: bool = False
    options: tuple[str, ...] = ()
    fewest: int = 0
    most: int = 0


def bounded(default: float, low: float, high: float, *, step: float | None = None, log: bool = False) -> Any:
    """A number between `low` and `high`, both included; `log` asks the widget for a logarithmic scale."""
    return field(default=default, metadata={"limits": Limits(low, high, step, log)})


def chosen(default: str, *options: str) -> Any:
    """One of `options`."""
    return field(default=default, metadata={"limits": Limits(options=options)})


def several(default: tuple[str, ...], *options: str) -> Any:
    """Any number of `options`."""
    return field(default=default, metadata={"limits": Limits(options=options, most=len(options))})


def listed(default: tuple[float, ...], low: float, high: float, *, fewest: int = 0, most: int) -> Any:
    """`fewest` to `most` numbers, each between `low` and `high`."""
    return field(default=default, metadata={"limits": Limits(low, high, fewest=fewest, most=most)})


def limits_of(config: type, name: str) -> Limits:
    """The limits of one field of a config class; a field without any gets open limits."""
    found: Field[Any] = next(f for f in fields(config) if f.name == name)
    limits: Limits = found.metadata.get("limits", Limits())
    return limits


def feature(config: type) -> str:
    """The word of the feature a config belongs to: bigmodel.train.course → train."""
    return config.__module__.removeprefix("bigmodel.").split(".")[0]


def check(config: Any) -> None:
    """Raise one ConfigError that lists every field out of its limits."""
    problems = tuple(p for f in fields(config) for p in _problems(config, f))
    if problems:
        raise ConfigError(problems)


def _problems(config: Any, f: Field[Any]) -> Iterator[BigModelError]:
    limits: Limits | None = f.metadata.get("limits")
    if limits is None:
        return
    value = getattr(config, f.name)
    # The label of a field is the string `<feature>.<field>.label`: one word per feature, here too.
    said = {"field": f.name, "label": f"{feature(type(config))}.{f.name}.label", "value": value}
    if limits.options:
        for item in _strangers(value, limits.options):
            yield BigModelError("config.choice", **said | {"value": item}, options=", ".join(limits.options))
    elif isinstance(value, tuple):
        outside = [item for item in value if not _inside(item, limits)]
        if not limits.fewest <= len(value) <= limits.most:
            yield BigModelError("config.count", **said, count=len(value), low=limits.fewest, high=limits.most)
        elif outside:
            yield BigModelError("config.range", **said | {"value": some(outside)}, low=limits.low, high=limits.high)
    elif f.type in ("int", int) and (not isinstance(value, int) or isinstance(value, bool)):
        yield BigModelError("config.whole", **said, low=limits.low, high=limits.high)
    elif not _inside(value, limits):
        yield BigModelError("config.range", **said, low=limits.low, high=limits.high)


def some(values: Iterable[Any], most: int = 5) -> str:
    """The first few of many, for a sentence, each once."""
    told = list(dict.fromkeys(f"{value}"[:40] for value in values))
    return ", ".join(told[:most]) + (" …" if len(told) > most else "")


def _strangers(value: Any, options: tuple[str, ...]) -> list[Any]:
    """What of a choice, or of several, is no option."""
    return [item for item in (value if isinstance(value, tuple) else (value,)) if item not in options]


def _inside(value: object, limits: Limits) -> bool:
    # Comparing takes whole numbers of any length; NaN is never inside.
    return isinstance(value, (int, float)) and limits.low <= value <= limits.high and abs(value) != math.inf
