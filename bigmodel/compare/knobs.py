"""What two knobs do together: the cells of a heat map, the weight of each knob, and what halving would have cost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bigmodel.compare import Entry, Trial

if TYPE_CHECKING:
    import numpy as np

KNOBS = ("rate", "optimizer", "schedule", "value")
"""What may differ between entries; "value" is that of the second knob, whichever it is."""

TREES = 100
PLACES = 24
"""Places in which a knob of more values is looked at."""

FEWEST = 6
"""Entries below which no weight is told: there would be nothing to learn it from."""


# ---- the cells of a heat map ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cells:
    """The rate against another knob: `losses` and the numbers of the `trials`, row by row of `values`.

    Where nothing ran there is NaN and -1; where all diverged, NaN and the number of one of them. Where several share a
    cell (a third knob differs too) the best stands in it.
    """

    knob: str
    rates: tuple[float, ...]
    values: tuple[str, ...]
    losses: tuple[tuple[float, ...], ...]
    trials: tuple[tuple[int, ...], ...]

    @property
    def filled(self) -> float:
        """The share of cells in which something ran: small after a random search."""
        found = [number >= 0 for row in self.trials for number in row]
        return sum(found) / max(1, len(found))


def varied(trials: Sequence[Trial]) -> tuple[str, ...]:
    """The knobs that differ between the trials, in the order of KNOBS."""
    return tuple(name for name in KNOBS if len({part(trial.entry, name) for trial in trials}) > 1)


def part(entry: Entry, knob: str) -> float | str:
    """The value of one of KNOBS."""
    if knob == "rate":
        return entry.learning_rate
    return {"optimizer": entry.optimizer, "schedule": entry.schedule}.get(knob, entry.value)


def cells(trials: Sequence[Trial], knob: str) -> Cells | None:
    """The rate against another of the knobs that differ; None when that one does not."""
    if knob == "rate" or knob not in varied(trials):
        return None
    rates = sorted({trial.learning_rate for trial in trials})
    values = sorted({str(part(trial.entry, knob)) for trial in trials}, key=order)
    losses = [[math.nan] * len(rates) for _ in values]
    numbers = [[-1] * len(rates) for _ in values]
    for number, trial in enumerate(trials):
        row, column = values.index(str(part(trial.entry, knob))), rates.index(trial.learning_rate)
        loss = trial.valid_loss if trial.diverged_at is None else math.nan
        # Not `<`: what is no number yet gives way to any.
        if numbers[row][column] < 0 or (math.isfinite(loss) and not loss >= losses[row][column]):
            losses[row][column], numbers[row][column] = loss, number
    return Cells(knob, tuple(rates), tuple(values), tuple(map(tuple, losses)), tuple(map(tuple, numbers)))


def order(value: object) -> tuple[int, float, str]:
    """Numbers by their size, words after them."""
    try:
        return 0, float(str(value)), ""
    except ValueError:
        return 1, 0.0, str(value)


# ---- what matters --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weight:
    """How much of the differences between the entries a knob accounts for. `knobs` are one, or two together."""

    knobs: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Weights:
    """All knobs and pairs of them, the heaviest first; none when too little is known."""

    paced = False

    shares: tuple[Weight, ...]


def weigh(trials: Sequence[Trial]) -> Weights:
    """How much each knob matters, and what each pair of them does beyond its two parts.

    Functional analysis of variance by a random forest (Hutter, Hoos and Leyton-Brown 2014, "An efficient approach for
    assessing hyperparameter importance"): the forest learns the loss from the knobs, and the variance of what it
    predicts over the whole space is shared out. A knob's share is the variance of the mean prediction given its value
    alone, a pair's share is what the two explain beyond that. The forest is scikit-learn's (optuna's evaluator of this
    name tells no interactions). The space is every combination of the values that were raced, so that means are plain
    averages. Losses are taken by their logarithm; an entry that diverged counts as the worst that ran.
    """
    import numpy as np

    names = varied(trials)
    known = [trial.valid_loss if trial.diverged_at is None else math.nan for trial in trials]
    finite = [loss for loss in known if math.isfinite(loss)]
    if not names or len(trials) < FEWEST or len(finite) < 2:
        return Weights(())
    levels = [sorted({part(trial.entry, name) for trial in trials}, key=order) for name in names]
    codes = np.array(
        [[level.index(part(t.entry, name)) for name, level in zip(names, levels, strict=True)] for t in trials]
    )
    losses = np.array([loss if math.isfinite(loss) else max(finite) for loss in known])
    surface = _surface(codes, np.log(np.maximum(losses, 1e-12)), [len(level) for level in levels])
    return Weights(_shares(surface, names))


def _surface(codes: np.ndarray, losses: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """What a random forest makes of every cell of the space."""
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(TREES, random_state=0, n_jobs=1).fit(codes, losses)
    axes = [np.unique(np.linspace(0, size - 1, min(size, PLACES)).round()) for size in sizes]
    places = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], 1)
    surface: np.ndarray = forest.predict(places).reshape([len(axis) for axis in axes])
    return surface


def _shares(surface: np.ndarray, names: Sequence[str]) -> tuple[Weight, ...]:
    """The shares of the surface's variance that belong to each knob and to each pair."""
    import numpy as np

    total, mean = float(surface.var()), float(surface.mean())
    if total <= 1e-12:
        return ()
    every = range(len(names))
    alone = {k: surface.mean(axis=tuple(j for j in every if j != k)) - mean for k in every}
    found = [Weight((names[k],), float(np.square(alone[k]).mean()) / total) for k in every]
    for a, b in itertools.combinations(every, 2):
        pair = surface.mean(axis=tuple(j for j in every if j not in (a, b))) - mean
        beyond = pair - alone[a][:, None] - alone[b][None, :]
        found.append(Weight((names[a], names[b]), float(np.square(beyond).mean()) / total))
    return tuple(sorted(found, key=lambda weight: -weight.share))


# ---- successive halving --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Halved:
    """Successive halving, replayed on curves that went to the end (`replay`), or as it was (`happened`).

    `thrown` are the trials that would have left, each with the epoch of the rung; `saved` is the share of the epochs
    that would not have been trained. `kept` is the best of those that stay; `wrongly` are those of the thrown that end
    lower, and `cost` is how much lower the lowest of them ends.
    """

    thrown: tuple[tuple[int, int], ...]
    saved: float
    kept: int
    wrongly: tuple[int, ...]
    cost: float


def rungs(entries: int, epochs: int) -> tuple[tuple[int, int], ...]:
    """Successive halving (Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
    optimization"): (epoch, how many go on after it), the first rung first.

    From rung to rung half as many run twice as long. The last rung stands at half of the epochs; there are as many as
    fit between it and the first epoch, and no more than leave one entry.
    """
    count = min(int(math.log2(entries)) if entries > 1 else 0, int(math.log2(epochs)) if epochs > 1 else 0)
    return tuple((epochs // 2 ** (count - k), max(1, math.ceil(entries / 2 ** (k + 1)))) for k in range(count))


def replay(lines: Sequence[Mapping[int, float]], epochs: int) -> Halved | None:
    """What halving would have thrown away of the curves `lines` (see `compare.lines`), by their losses at the rungs.

    A curve that ends before a rung (it diverged, or was taken out) counts as the worst there. None where there is no
    rung, or nothing that lasted.
    """
    if not rungs(len(lines), epochs):
        return None
    running = list(range(len(lines)))
    thrown: list[tuple[int, int]] = []
    trained = last = 0
    for epoch, kept in rungs(len(lines), epochs):
        trained += len(running) * (epoch - last)
        last = epoch
        running.sort(key=lambda k: _at(lines[k], epoch))
        thrown += [(k, epoch) for k in running[kept:]]
        del running[kept:]
    trained += len(running) * (epochs - last)
    final = [_at(line, epochs) for line in lines]
    kept_best = min(running, key=lambda k: final[k])
    if math.isinf(min(final)):
        return None
    wrongly = tuple(k for k, _ in thrown if final[k] < final[kept_best])
    cost = final[kept_best] - min(final)
    return Halved(tuple(thrown), 1 - trained / (len(lines) * epochs), kept_best, wrongly, cost)


def happened(trials: Sequence[Trial], epochs: int) -> Halved | None:
    """What halving did to a race that ran with it: who left, and what that saved. Whether wrongly, nobody can know."""
    thrown = tuple((k, trial.number) for k, trial in enumerate(trials) if trial.left)
    running = [k for k, trial in enumerate(trials) if trial.runs and math.isfinite(trial.valid_loss)]
    if not thrown or not running:
        return None
    saved = sum(epochs - number for _, number in thrown) / (len(trials) * max(1, epochs))
    return Halved(thrown, saved, min(running, key=lambda k: trials[k].valid_loss), (), 0.0)


def _at(line: Mapping[int, float], epoch: int) -> float:
    """A curve at an epoch, or at the next one that was told (of very many not every one is)."""
    value = line.get(epoch)
    if value is None:
        later = [number for number in line if number > epoch]
        value = line[min(later)] if later else math.inf
    return value if math.isfinite(value) else math.inf
