"""Changes of a training while it runs: asked for on any thread, taken up between two steps. And its stride."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bigmodel.train import TrainConfig


class Steering:
    """What is asked for is checked at once and kept until the training takes it; of one field the latest counts.

    A training tells of its next step alone for each `single` that was asked for.
    """

    def __init__(self) -> None:
        self.singles = 0
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self._check: Callable[[str, float], object] = TrainConfig().changed

    def attach(self, check: Callable[[str, float], object]) -> None:
        """Check with the training that is steered: `check` raises what is wrong with a field's new value."""
        self._check = check

    def ask(self, field: str, value: float) -> None:
        """Ask for a new value of `learning_rate`, `batch`, `dropout` or `weight_decay`. Raises ConfigError."""
        self._check(field, value)
        with self._lock:
            self._asked.pop(field, None)
            self._asked[field] = value

    def single(self) -> None:
        """Let one step more be a piece of work of its own."""
        with self._lock:
            self.singles += 1

    def took(self) -> None:
        """Such a step has been made."""
        with self._lock:
            self.singles -= 1

    def drain(self) -> tuple[tuple[str, float], ...]:
        """(field, value) of all that was asked for since the last time, in its order."""
        if not self._asked:
            return ()
        with self._lock:
            asked, self._asked = tuple(self._asked.items()), {}
        return asked
