"""What all panels of a race look at: its entries as they stand, their curves, and what that says."""

from __future__ import annotations

from dataclasses import dataclass

from bigmodel.compare import Round, Trial, lines
from bigmodel.compare.answer import Answer, answer
from bigmodel.runs import Snapshot


@dataclass(frozen=True)
class Standing:
    """A race as it stands. `still` says that nothing moves: it has ended, or is paused."""

    round: Round
    trials: tuple[Trial, ...]
    lines: tuple[dict[int, float], ...]
    answer: Answer | None
    still: bool


def standing(snapshot: Snapshot | None) -> Standing | None:
    """The race of a snapshot; None before its first round."""
    rounds = [event for event in snapshot.events if isinstance(event, Round)] if snapshot else []
    if snapshot is None or not rounds:
        return None
    found = lines(rounds)
    last = rounds[-1]
    still = snapshot.state in ("done", "stopped", "paused", "failed")
    return Standing(last, last.trials, tuple(found), answer(last.trials, found), still)
