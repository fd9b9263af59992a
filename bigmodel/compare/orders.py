"""How a person interferes with a race under way: orders go into an inbox, and the race takes them between slices."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from bigmodel.compare import CompareConfig
from bigmodel.config import limits_of
from bigmodel.errors import BigModelError, ConfigError


@dataclass(frozen=True)
class Leave:
    """The entry with this number leaves the race."""

    trial: int


@dataclass(frozen=True)
class MoreRates:
    """These rates come in, trained from the start with the seeds of the others."""

    rates: tuple[float, ...]


@dataclass(frozen=True)
class MoreSeeds:
    """So many further starts for every entry that still runs."""

    count: int


@dataclass(frozen=True)
class GoOn:
    """So many further epochs, from where the entries stand."""

    epochs: int


Order = Leave | MoreRates | MoreSeeds | GoOn


class Orders:
    """An inbox: `ask` from any thread, `drain` and `close` on the race's own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[Order] = []
        self._closed = False

    def ask(self, order: Order) -> bool:
        """Let the race do this as soon as its present slice ends. False when it has ended: start it again with this."""
        with self._lock:
            if not self._closed:
                self._asked.append(order)
            return not self._closed

    def drain(self) -> tuple[Order, ...]:
        """What was asked since the last time."""
        with self._lock:
            asked, self._asked = tuple(self._asked), []
        return asked

    def close(self, *, now: bool = False) -> bool:
        """Take no more, unless something waits; with `now` whatever waits. Whether it is closed."""
        with self._lock:
            self._closed = self._closed or now or not self._asked
            return self._closed


def beyond(rates: Sequence[float], side: str) -> tuple[float, ...]:
    """Rates to add on one side ("low", "high"): at the spacing of that edge, a quarter as many as there are.

    ConfigError where the limits leave no room.
    """
    low, high = limits_of(CompareConfig, "rates").low, limits_of(CompareConfig, "rates").high
    ordered = sorted(rates)
    near, next_ = (ordered[0], ordered[1]) if side == "low" else (ordered[-1], ordered[-2])
    ratio = near / next_
    count = min(8, max(2, round(len(ordered) / 4)))
    found = [float(f"{near * ratio ** (k + 1):.4g}") for k in range(count)]
    inside = tuple(rate for rate in found if low <= rate <= high)
    if not inside:
        raise ConfigError((BigModelError("compare.no_room", rate=near, low=low, high=high),))
    return inside


def between(rates: Sequence[float], best: float) -> tuple[float, ...]:
    """A closer look round the best rate: two rates in each of the gaps to its neighbours."""
    ordered = sorted({*rates, best})
    at = ordered.index(best)
    gaps = [pair for pair in itertools.pairwise(ordered) if best in pair and pair[1] > 1.02 * pair[0]]
    found = [float(f"{low * (high / low) ** share:.4g}") for low, high in gaps for share in (1 / 3, 2 / 3)]
    fresh = tuple(rate for rate in found if rate not in ordered)
    if not fresh:
        raise ConfigError((BigModelError("compare.no_gap", rate=ordered[at]),))
    return fresh
