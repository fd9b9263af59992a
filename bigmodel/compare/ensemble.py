"""A free ensemble: the members of a race are trained already, and some of them together are better than the best.

Greedy selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries of models"): beginning with
the best member, take in whichever lowers the validation loss of the mean of the probabilities most, until none does.
The gain is shown on the test part, which nobody chose by. This module imports torch; import it when a job starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bigmodel.compare.race import Heat, Race
from bigmodel.networks import chunk_rows, predict, threads

POOL = 64
"""Members to choose from: the best of the race."""

MOST = 16
"""Choices, the same member more than once among them."""


@dataclass(frozen=True)
class Ensemble:
    """Who was taken, and how often: (trial, seed, times). Then the best single member and all of them together."""

    paced = False

    chosen: tuple[tuple[int, int, int], ...]
    single_valid_loss: float
    valid_loss: float
    single_test_loss: float
    test_loss: float
    single_accuracy: float
    accuracy: float


def gather(race: Race) -> Iterator[Ensemble | None]:
    """The Ensemble of a race as it stands; None between two slices of work, and nothing when nobody runs."""
    pool = _pool(race)
    if not pool:
        return
    parts: list[np.ndarray] = []
    for part in (race.data.valid, race.data.test):
        rows = np.zeros((len(pool), len(part.y), len(race.data.classes)), dtype=np.float32)
        for heat in {id(heat): heat for heat, _ in pool}.values():
            at = [k for k, (own, _) in enumerate(pool) if own is heat]
            members = [heat.course.stack.alive.index(pool[k][1]) for k in at]
            size = chunk_rows(heat.course.stack)
            for start in range(0, len(part.y), size):
                with threads(1):
                    guess = predict(heat.course.stack, torch.from_numpy(part.x[start : start + size]))
                rows[at, start : start + size] = guess[members].numpy()
                yield None
        parts.append(rows)
    valid, test = parts
    times = choose(valid, race.data.valid.y)
    together = np.average(test, axis=0, weights=times)
    mixed = np.average(valid, axis=0, weights=times)
    best = int(np.argmin([log_loss(row, race.data.valid.y) for row in valid]))
    yield Ensemble(
        chosen=tuple(
            (int(pool[k][0].places[pool[k][1]]), race.seeds[int(pool[k][0].seeds[pool[k][1]])], times[k])
            for k in np.argsort(-np.array(times), kind="stable")
            if times[k]
        ),
        single_valid_loss=log_loss(valid[best], race.data.valid.y),
        valid_loss=log_loss(mixed, race.data.valid.y),
        single_test_loss=log_loss(test[best], race.data.test.y),
        test_loss=log_loss(together, race.data.test.y),
        single_accuracy=float((test[best].argmax(1) == race.data.test.y).mean()),
        accuracy=float((together.argmax(1) == race.data.test.y).mean()),
    )


def _pool(race: Race) -> list[tuple[Heat, int]]:
    """The best living members of all stacks, by their last validation loss."""
    found = [
        (float(heat.history[-1][member, 1]), number, member)
        for number, heat in enumerate(race.heats)
        if heat.history
        for member in heat.course.stack.alive
        if np.isfinite(heat.history[-1][member, 1])
    ]
    return [(race.heats[number], member) for _, number, member in sorted(found)[:POOL]]


def choose(probabilities: np.ndarray, truth: np.ndarray) -> list[int]:
    """How often each of the members (M, rows, classes) is taken."""
    losses = [log_loss(row, truth) for row in probabilities]
    times = [0] * len(probabilities)
    first = int(np.argmin(losses))
    times[first] = 1
    total, lowest = probabilities[first].astype(np.float64), losses[first]
    for count in range(2, MOST + 1):
        tried = [log_loss((total + row) / count, truth) for row in probabilities]
        pick = int(np.argmin(tried))
        if tried[pick] >= lowest:
            break
        times[pick] += 1
        total, lowest = total + probabilities[pick], tried[pick]
    return times


def log_loss(probabilities: np.ndarray, truth: np.ndarray | Sequence[int]) -> float:
    """-log P(true class), the mean over rows."""
    picked = np.asarray(probabilities)[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(picked, 1e-7, 1.0)).mean())
