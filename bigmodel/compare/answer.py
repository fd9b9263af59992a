"""What a race tells: which entries cannot be told apart from the best, which of them is cheapest, and how sure that is.

All entries share their starts and the order of rows, seed by seed, so that two of them are compared by the ratio of
their losses on the same seed: what a seed does to all of them falls out (Student 1908, "The probable error of a mean";
for classifiers, Dietterich 1998). Ratios and intervals are taken of logarithms, because losses are positive and those
of a race span decades: one seed gone wild would else make any rate as good as the best. The intervals hold 95 % each.
They are not widened for the number of entries that are looked at: the set of equals is where to look, no proof that
its members are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bigmodel.compare import Trial

SURE = 0.95
SMALLEST = 1e-12
"""Losses below this are as good as 0, which has no logarithm."""


@dataclass(frozen=True)
class Standing:
    """An entry against the best: its mean loss with an interval over its seeds, and how many times the best's it is.

    With one seed there are no intervals (NaN). `equal` says that the ratio may be 1; the best is its own equal.
    """

    trial: int
    mean: float
    low: float
    high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    equal: bool


@dataclass(frozen=True)
class Answer:
    """The outcome of a race as it stands.

    `best` and `cheapest` are trial numbers. The cheapest is the one of the equals that was down first, after `epochs`
    epochs, to `target`: the upper end of the interval of the best (with one seed: its loss). `edge` is "low" or "high"
    when the best stands at the end of the rates that raced: who diverged beyond it is no end, who was taken out is none
    either.
    """

    best: int
    standings: tuple[Standing, ...]
    cheapest: int
    target: float
    epochs: int
    edge: str | None
    seeds: int

    @property
    def equals(self) -> tuple[int, ...]:
        """The trials that cannot be told apart from the best, the best first."""
        rest = [s.trial for s in self.standings if s.equal and s.trial != self.best]
        return (self.best, *rest)


def answer(trials: Sequence[Trial], lines: Sequence[dict[int, float]]) -> Answer | None:
    """The outcome of trials whose curves are `lines` (see `compare.lines`); None when no entry runs."""
    running = [k for k, trial in enumerate(trials) if trial.runs and math.isfinite(trial.valid_loss)]
    if not running:
        return None
    best = min(running, key=lambda k: trials[k].valid_loss)
    standings = tuple(_standing(k, trials[k], trials[best]) for k in running)
    equals = [s.trial for s in standings if s.equal]
    high = next(s.high for s in standings if s.trial == best)
    target = max(trials[best].valid_loss, high) if math.isfinite(high) else trials[best].valid_loss
    arrived = {k: _arrival(lines[k], target) for k in equals}
    cheapest = min(equals, key=lambda k: (arrived[k], trials[k].valid_loss))
    return Answer(best, standings, cheapest, target, arrived[cheapest], _edge(trials, best), len(trials[best].losses))


def _standing(number: int, trial: Trial, best: Trial) -> Standing:
    losses, own = _logs(trial.losses), _logs(best.losses)
    _, low, high = map(math.exp, interval([loss for loss in losses if math.isfinite(loss)]))
    if trial is best:
        return Standing(number, trial.valid_loss, low, high, 1.0, 1.0, 1.0, True)
    pairs = [(a, b) for a, b in zip(losses, own, strict=True) if math.isfinite(a) and math.isfinite(b)]
    ratio, lower, upper = map(math.exp, interval([a - b for a, b in pairs]))
    return Standing(number, trial.valid_loss, low, high, ratio, lower, upper, lower <= 1 <= upper)


def _logs(losses: Sequence[float]) -> list[float]:
    return [math.log(max(loss, SMALLEST)) if math.isfinite(loss) else math.nan for loss in losses]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and the ends of its Student interval; the ends are NaN for fewer than two values."""
    count = len(values)
    if not count:
        return math.nan, math.nan, math.nan
    mean = sum(values) / count
    if count < 2:
        return mean, math.nan, math.nan
    from scipy.special import stdtrit

    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    half = float(stdtrit(count - 1, (1 + SURE) / 2)) * spread / math.sqrt(count)
    return mean, mean - half, mean + half


def _arrival(line: dict[int, float], target: float) -> int:
    """The first epoch at which a curve is down to `target`."""
    return next((number for number, loss in line.items() if loss <= target), max(line, default=0))


def _edge(trials: Sequence[Trial], best: int) -> str | None:
    rates = {trial.learning_rate for trial in trials}
    if len(rates) < 2:
        return None
    mine = trials[best].learning_rate
    return "low" if mine == min(rates) else "high" if mine == max(rates) else None
