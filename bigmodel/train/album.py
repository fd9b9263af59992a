"""The networks of a training as they were after its epochs: to look back, and to fork from."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bigmodel.errors import RunError

if TYPE_CHECKING:
    from bigmodel.networks import Stack
    from bigmodel.networks.stack import Picture
    from bigmodel.optimizers import Moments, Optimizer

BUDGET = 64 * 2**20
"""Bytes that one album may hold."""


class Album:
    """Pictures of a stack, one an epoch until `budget` bytes are full; then every second, fourth, … epoch and the last.

    Any thread may look while the training adds to it: a picture never changes. The optimizer's moments are kept
    beside it, so that a fork goes on as the training would have; a picture so large that few would fit goes without.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self.spacing = 1
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[Picture, Moments | None, int]] = {}

    def keep(self, number: int, stack: Stack, optimizer: Optimizer) -> None:
        """Add the stack after epoch `number`; the optimizer's moments with it."""
        picture, moments = stack.picture(), optimizer.moments()
        kept: Moments | None = moments
        size = picture.size + moments.size
        if size > self.budget // 8:
            kept, size = None, picture.size
        with self._lock:
            latest = max(self._kept, default=None)
            if latest is not None and latest % self.spacing:
                del self._kept[latest]  # it was there as the last one only
            self._kept[number] = (picture, kept, size)
            while len(self._kept) > 1 and sum(size for _, _, size in self._kept.values()) > self.budget:
                self.spacing *= 2
                self._kept = {n: one for n, one in self._kept.items() if n % self.spacing == 0 or n == number}
                if self.spacing > number:
                    self._kept = {number: self._kept[number]}

    def numbers(self) -> tuple[int, ...]:
        """The epochs that can be looked at, in their order."""
        with self._lock:
            return tuple(sorted(self._kept))

    def stack_at(self, number: int) -> Stack:
        """A copy of the stack after epoch `number`, or after the nearest kept one before it. RunError without one."""
        from bigmodel.networks import Stack

        return Stack.of(self._at(number)[0])

    def optimizer_at(self, number: int) -> Moments | None:
        """The optimizer's moments of the same epoch as `stack_at`; None where they were too large to keep."""
        return self._at(number)[1]

    def _at(self, number: int) -> tuple[Picture, Moments | None, int]:
        with self._lock:
            before = [n for n in self._kept if n <= number] or sorted(self._kept)[:1]
            if not before:
                raise RunError("train.album_empty")
            return self._kept[max(before)]
