"""The test part is opened once, at the end: for the winner, and for how far validation flatters a winner.

Whoever picks the lowest of many validation losses picks luck along with skill. The gap between the winner's test and
validation loss, against the gap of all entries, is how much of it was luck (Cawley and Talbot 2010, "On over-fitting in
model selection"). This module imports torch; import it when a job starts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from bigmodel.compare.answer import interval
from bigmodel.compare.race import Race
from bigmodel.networks import chunk_rows, measure, threads


@dataclass(frozen=True)
class Verdict:
    """The winner on validation and on the sealed test part, means over its seeds, with the test's interval.

    `gap` is the winner's test loss minus its validation loss, `usual_gap` the median of that over all entries that ran.
    `tests` are the test losses of all trials, NaN for who did not run to the end.
    """

    paced = False

    trial: int
    valid_loss: float
    valid_accuracy: float
    test_loss: float
    test_accuracy: float
    accuracy_low: float
    accuracy_high: float
    gap: float
    usual_gap: float
    rows: int
    tests: tuple[float, ...]


def judge(race: Race) -> Iterator[Verdict | None]:
    """The Verdict of a race as it stands; None between two slices of work, and nothing when no entry runs."""
    trials = race.trials()
    running = [k for k, trial in enumerate(trials) if trial.runs and math.isfinite(trial.valid_loss)]
    if not running:
        return
    scores = np.full((len(trials), len(race.seeds), 2), np.nan)  # test loss and accuracy
    for heat in race.heats:
        stack = heat.course.stack
        if not stack.alive:
            continue
        members = np.array(stack.alive)
        sums = torch.zeros(2, len(members), dtype=torch.float64)
        x, y = torch.from_numpy(race.data.test.x), torch.from_numpy(race.data.test.y)
        target, size = torch.eye(len(race.data.classes))[y], chunk_rows(stack)
        for start in range(0, len(x), size):
            with threads(1):
                sums += measure(stack, x[start : start + size], target[start : start + size])
            yield None
        scores[heat.places[members], heat.seeds[members]] = (sums / len(x)).T.numpy()
    best = min(running, key=lambda k: trials[k].valid_loss)
    tests = {k: _mean(scores[k, :, 0]) for k in running}
    gaps = [tests[k] - trials[k].valid_loss for k in running if math.isfinite(tests[k])]
    accuracy, low, high = interval([float(v) for v in scores[best, :, 1] if math.isfinite(v)])
    yield Verdict(
        trial=best,
        valid_loss=trials[best].valid_loss,
        valid_accuracy=trials[best].valid_accuracy,
        test_loss=tests[best],
        test_accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        gap=tests[best] - trials[best].valid_loss,
        usual_gap=statistics.median(gaps) if gaps else math.nan,
        rows=len(race.data.test.y),
        tests=tuple(tests.get(k, math.nan) for k in range(len(trials))),
    )


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
