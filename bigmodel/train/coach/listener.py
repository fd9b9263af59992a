"""What the coach hears beside the epochs: the network's answers now and then, and what gives a table's answers away."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset, DatasetConfig
    from bigmodel.networks import Stack

ROWS = 1_000
"""Most rows of the validation part that are asked for their class."""

LARGE = 5_000_000
COLUMNS = 200
"""Bytes and columns of a table above which leaks are not looked for here; the data doctor did when it came."""


@dataclass(frozen=True)
class Answers:
    """What the first living member takes the validation rows for after `number` epochs: rows by guess, by class."""

    paced: ClassVar[bool] = False

    number: int
    given: tuple[int, ...]
    true: tuple[int, ...]


@dataclass(frozen=True)
class Leak:
    """Something in a table that gives the answers away, as the data doctor found it: "telling" or "twins"."""

    paced: ClassVar[bool] = False

    key: str
    values: tuple[tuple[str, Any], ...]


class Listener:
    """Asks the network for its answers now and then: at most three times a second, and at the end."""

    def __init__(self, stack: Stack, data: Dataset) -> None:
        self._stack, self._data = stack, data
        self._next = 0.0

    def look(self, number: int, *, last: bool = False) -> Iterator[Answers]:
        """The answers after `number` epochs, if it is time."""
        if self._stack.alive and (last or time.monotonic() >= self._next):
            yield answers(self._stack, self._data, number)
            self._next = time.monotonic() + 0.33


def answers(stack: Stack, data: Dataset, number: int) -> Answers:
    """What the first living member takes the validation rows for."""
    import numpy as np
    import torch

    from bigmodel.networks import predict, threads

    y, size = data.valid.y[:ROWS], len(data.classes)
    with threads(1):
        guess = predict(stack, torch.from_numpy(data.valid.x[:ROWS]))[0].argmax(1).numpy()
    given, true = (tuple(np.bincount(rows, minlength=size).tolist()) for rows in (guess, y))
    return Answers(number, given, true)


def leaks(file: str, target: str, config: DatasetConfig, leave_out: Sequence[str]) -> Iterator[Leak]:
    """What the data doctor finds in a table that gives the answers away; nothing for a large one."""
    if not file or not Path(file).exists() or Path(file).stat().st_size > LARGE:
        return
    from bigmodel.datasets import read_table
    from bigmodel.datasets.doctor import examine

    table = read_table(file)
    if len(table.columns) > COLUMNS:
        return
    for finding in examine(table, target or table.target, config).findings:
        if finding.key in ("telling", "twins") and dict(finding.values).get("column") not in leave_out:
            yield Leak(finding.key, finding.values)
