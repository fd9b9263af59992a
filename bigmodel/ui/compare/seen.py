"""What there is to see of a race: its events sorted out once, for all panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bigmodel.compare import Before, Chosen, Entry, Plan, Ranking, Round, Tiles, Trial, lines, rank
from bigmodel.compare.answer import Answer, answer
from bigmodel.runs import Snapshot
from bigmodel.ui.words import dictionary


@dataclass(frozen=True)
class Seen:
    """A race as it stands. `curves` are `compare.lines` of all rounds, also of those before it was taken up again.

    `verdict` is the last `compare.verdict.Verdict` in the events, if there is one; `chosen` is the number of the entry
    that somebody points at.
    """

    snapshot: Snapshot
    plan: Plan | None
    rounds: tuple[Round, ...]
    curves: list[dict[int, float]]
    ranking: Ranking
    answer: Answer | None
    tiles: Tiles | None
    verdict: Any
    chosen: int | None = None

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All entries as they stand."""
        return self.rounds[-1].trials

    @property
    def busy(self) -> bool:
        """Whether more may come by itself."""
        return self.snapshot.state in ("waiting", "running", "paused")

    @property
    def varied(self) -> tuple[str, ...]:
        """What differs between the entries beside the rate: "optimizer", "schedule", "value"."""
        return varied([trial.entry for trial in self.trials])

    def last(self, kind: str) -> Any:
        """The newest event of a class, by its name: also of one whose module loads torch."""
        return newest(self.snapshot, kind)


def newest(snapshot: Snapshot, kind: str) -> Any:
    """The newest event of a class, by its name; None when there is none."""
    return next((event for event in reversed(snapshot.events) if type(event).__name__ == kind), None)


def see(snapshot: Snapshot | None) -> Seen | None:
    """A race that has begun; None before its first round."""
    if snapshot is None:
        return None
    before = newest(snapshot, "Before")
    rounds = (before.rounds if isinstance(before, Before) else ()) + tuple(
        event for event in snapshot.events if isinstance(event, Round)
    )
    if not rounds:
        return None
    curves = lines(rounds)
    tiles = newest(snapshot, "Tiles") or (before.tiles if before else None)
    found = answer(rounds[-1].trials, curves)
    plan, verdict, pointed = (newest(snapshot, kind) for kind in ("Plan", "Verdict", "Chosen"))
    chosen = pointed.trial if isinstance(pointed, Chosen) else None
    return Seen(snapshot, plan, rounds, curves, rank(rounds[-1]), found, tiles, verdict, chosen)


def varied(entries: Sequence[Entry]) -> tuple[str, ...]:
    """What differs between the entries beside the rate."""
    return tuple(name for name in ("optimizer", "schedule", "value") if len({getattr(e, name) for e in entries}) > 1)


def named(entry: Entry, parts: Sequence[str], language: str) -> str:
    """An entry in words: its rate, and of the rest what differs between entries."""
    return " · ".join([rate(entry.learning_rate), *(part(entry, name, language) for name in parts)])


def rate(value: float, digits: int = 4) -> str:
    """A learning rate, short: 0.0035, 1.2e-4."""
    if value >= 0.001:
        return f"{value:.{digits}g}"
    number, power = f"{value:.{digits - 1}e}".split("e")
    return f"{float(number):g}e{int(power)}"


def part(entry: Entry, name: str, language: str) -> str:
    """What an entry's optimizer, schedule or value is called, without what stands in brackets after it."""
    value = str(getattr(entry, name))
    strings = dictionary(language)
    said = strings.get(f"{name}.{value}") or strings.get(f"activation.{value}") or value
    return said.split(" (")[0].split("（")[0]
