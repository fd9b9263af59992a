"""A free ensemble: the members of a race are trained already, and some of them together are better than the best.

Greedy selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries of models"): beginning with
the best member, take in whichever lowers the validation loss of the mean of the probabilities most, until none does.
The gain is shown on the test part, which nobody chose by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bigmodel.compare.race import Heat, Race
    from bigmodel.datasets import Part

POOL = 64
"""Members to choose from: the best of the race."""

MOST = 16
"""Choices, the same member more than once among them."""


@dataclass(frozen=True)
class Ensemble:
    """Who was taken, and how often: (trial, seed, times). Then the best single member and all of them together: losses
    on validation and on the test part, accuracies on the test part."""

    paced = False

    chosen: tuple[tuple[int, int, int], ...]
    single_valid_loss: float
    valid_loss: float
    single_test_loss: float
    test_loss: float
    single_accuracy: float
    accuracy: float
    rows: int


def gather(race: Race) -> Iterator[Ensemble | None]:
    """The Ensemble of a race as it stands; None between two slices of work, and nothing when nobody runs."""
    pool = _pool(race)
    if not pool:
        return
    valid, test = race.data.valid, race.data.test
    guesses: list[np.ndarray] = []
    for part in (valid, test):
        rows = np.zeros((len(pool), len(part.y), len(race.data.classes)), dtype=np.float32)
        yield from _guess(pool, part, rows)
        guesses.append(rows)
    sure = guesses[0][:, np.arange(len(valid.y)), valid.y]
    times = choose(sure)
    best = int(np.argmin(_losses(sure)))
    single, together = guesses[1][best], np.average(guesses[1], axis=0, weights=times)
    places = [k for k in np.argsort(-np.array(times), kind="stable") if times[k]]
    yield Ensemble(
        chosen=tuple((*_who(race, *pool[k]), times[k]) for k in places),
        single_valid_loss=float(_losses(sure)[best]),
        valid_loss=float(_losses(np.average(sure, axis=0, weights=times))),
        single_test_loss=float(_losses(single[np.arange(len(test.y)), test.y])),
        test_loss=float(_losses(together[np.arange(len(test.y)), test.y])),
        single_accuracy=float((single.argmax(1) == test.y).mean()),
        accuracy=float((together.argmax(1) == test.y).mean()),
        rows=len(test.y),
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


def _who(race: Race, heat: Heat, member: int) -> tuple[int, int]:
    """The trial and the seed of a member."""
    return int(heat.places[member]), race.seeds[int(heat.seeds[member])]


def _guess(pool: list[tuple[Heat, int]], part: Part, rows: np.ndarray) -> Iterator[None]:
    """Fill in what the members of the pool give each row of a part, stack by stack."""
    import torch

    from bigmodel.networks import chunk_rows, predict, threads

    for heat in {id(heat): heat for heat, _ in pool}.values():
        at = [k for k, (own, _) in enumerate(pool) if own is heat]
        members = [heat.course.stack.alive.index(pool[k][1]) for k in at]
        size = chunk_rows(heat.course.stack)
        for start in range(0, len(part.y), size):
            with threads(1):
                guess = predict(heat.course.stack, torch.from_numpy(part.x[start : start + size]))
            rows[at, start : start + size] = guess[members].numpy()
            yield None


def choose(sure: np.ndarray) -> list[int]:
    """How often each member is taken; `sure` (members, rows) is what it gives the true class of each row."""
    losses = _losses(sure)
    times = [0] * len(sure)
    first = int(np.argmin(losses))
    times[first] = 1
    total, lowest = sure[first].astype(np.float64), losses[first]
    for count in range(2, MOST + 1):
        tried = _losses((total + sure) / count)
        pick = int(np.argmin(tried))
        if tried[pick] >= lowest:
            break
        times[pick] += 1
        total, lowest = total + sure[pick], tried[pick]
    return times


def _losses(sure: np.ndarray) -> np.ndarray:
    """-log P(true class), the mean over the last axis."""
    return np.asarray(-np.log(np.clip(sure, 1e-7, 1.0)).mean(-1))
