"""What two knobs do together: the table of a heat map, the weight of each knob, and what halving would have done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bigmodel.compare import Entry, Trial

TREES = 100
SHUFFLES = 5


@dataclass(frozen=True)
class Weight:
    """How much of the differences between the entries a knob accounts for. `knobs` are one, or two together."""

    knobs: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Halved:
    """Successive halving, replayed on curves that went to the end.

    `thrown` are the trials that would have left, with the epoch of the rung; `saved` is the share of the epochs that
    would not have been trained; `wrongly` are those of them that belong to the best in the end.
    """

    thrown: tuple[tuple[int, int], ...]
    saved: float
    wrongly: tuple[int, ...]


def rungs(entries: int, epochs: int) -> tuple[tuple[int, int], ...]:
    """Successive halving (Jamieson and Talwalkar 2016): (epoch, how many go on after it), the first rung first.

    From rung to rung half as many run twice as long. The last rung stands at half of the epochs; there are as many as
    fit between it and the first epoch, and no more than leave one entry.
    """
    count = min(int(math.log2(entries)) if entries > 1 else 0, int(math.log2(epochs)) if epochs > 1 else 0)
    return tuple((epochs // 2 ** (count - k), max(1, math.ceil(entries / 2 ** (k + 1)))) for k in range(count))


def replay(lines: Sequence[dict[int, float]], epochs: int, equals: Sequence[int]) -> Halved:
    """What halving would have thrown away, by the losses at its rungs; `equals` are the best of the full race.

    A curve that ends before a rung (it diverged, or was taken out) counts as the worst there.
    """
    running = list(range(len(lines)))
    thrown: list[tuple[int, int]] = []
    trained = 0
    last = 0
    for epoch, kept in rungs(len(lines), epochs):
        trained += len(running) * (epoch - last)
        last = epoch
        order = sorted(running, key=lambda k: _at(lines[k], epoch))
        thrown += [(k, epoch) for k in order[kept:]]
        running = order[:kept]
    trained += len(running) * (epochs - last)
    full = max(1, len(lines) * epochs)
    wrongly = tuple(k for k, _ in thrown if k in equals)
    return Halved(tuple(thrown), 1 - trained / full, wrongly)


def _at(line: dict[int, float], epoch: int) -> float:
    value = line.get(epoch)
    if value is None:
        later = [number for number in line if number >= epoch]
        value = line[min(later)] if later else math.inf
    return value if math.isfinite(value) else math.inf


def varied(trials: Sequence[Trial], knob: str) -> tuple[str, ...]:
    """The knobs that differ between the trials, the rate first."""
    found = {name: {_part(trial.entry, name) for trial in trials} for name in ("rate", "optimizer", "schedule", "knob")}
    return tuple(knob if name == "knob" else name for name, values in found.items() if len(values) > 1)


def _part(entry: Entry, name: str) -> Any:
    known = {"rate": entry.learning_rate, "optimizer": entry.optimizer, "schedule": entry.schedule}
    return known.get(name, entry.value)


def weights(trials: Sequence[Trial], knob: str) -> tuple[Weight, ...]:
    """How much each knob matters, and each pair beyond its two parts: the heaviest first.

    Hutter, Hoos and Leyton-Brown 2014 ("An efficient approach for assessing hyperparameter importance"): a random
    forest learns the loss from the knobs, and the variance of what it predicts over the whole space is shared out:
    V(knob) is the variance of the mean prediction given the knob alone, and what a pair explains beyond its parts is
    its interaction. The forest is scikit-learn's; the space is the product of the values that were raced, so that the
    means are plain averages. Losses are taken by their logarithm; entries that diverged count as the worst that ran.
    """
    import numpy as np

    names = varied(trials, knob)
    finite = [trial.valid_loss for trial in trials if math.isfinite(trial.valid_loss) and trial.diverged_at is None]
    if not names or len(finite) < 4:
        return ()
    levels = [sorted({_part(trial.entry, name) for trial in trials}, key=_order) for name in names]
    codes = np.array([[level.index(_part(t.entry, n)) for n, level in zip(names, levels, strict=True)] for t in trials])
    worst = max(finite)
    ran = [t.valid_loss if t.diverged_at is None and math.isfinite(t.valid_loss) else worst for t in trials]
    surface = _surface(codes, np.log(np.maximum(ran, 1e-12)), [len(level) for level in levels])
    return _shares(surface, names)


def _order(value: Any) -> tuple[int, Any]:
    try:
        return 0, float(value)
    except ValueError:
        return 1, str(value)


def _surface(codes: Any, losses: Any, sizes: Sequence[int]) -> Any:
    """What a random forest makes of every cell of the space. A knob of many values is looked at in 24 places."""
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(TREES, min_samples_leaf=1, random_state=0, n_jobs=1).fit(codes, losses)
    axes = [np.unique(np.linspace(0, size - 1, min(size, 24)).round()) for size in sizes]
    cells = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], 1)
    return forest.predict(cells).reshape([len(axis) for axis in axes])


def _shares(surface: Any, names: Sequence[str]) -> tuple[Weight, ...]:
    """The shares of the surface's variance that belong to each knob and to each pair."""
    import itertools

    import numpy as np

    total = float(surface.var())
    if total <= 1e-12:
        return ()
    every = range(len(names))
    mains = {k: surface.mean(axis=tuple(j for j in every if j != k)) for k in every}
    found = [Weight((names[k],), float(mains[k].var()) / total) for k in every]
    for a, b in itertools.combinations(every, 2):
        pair = surface.mean(axis=tuple(j for j in every if j not in (a, b)))
        both = pair - mains[a][:, None] - mains[b][None, :] + float(surface.mean())
        found.append(Weight((names[a], names[b]), float(np.square(both).mean()) / total))
    return tuple(sorted(found, key=lambda weight: -weight.share))


@dataclass(frozen=True)
class Cells:
    """The heat map of the rate against another knob: losses[row][column], NaN where nothing ran.

    `trials` are the numbers of the trials in the cells (the best one where several share it), -1 for none.
    """

    knob: str
    rates: tuple[float, ...]
    values: tuple[str, ...]
    losses: tuple[tuple[float, ...], ...]
    trials: tuple[tuple[int, ...], ...]


def cells(trials: Sequence[Trial], knob: str) -> Cells | None:
    """The rate against the first of the other knobs that differ: None when there is none. The best of what shares a
    cell (other knobs differ too) stands in it."""
    others = [name for name in varied(trials, knob) if name != "rate"]
    if not others:
        return None
    name = knob if knob in others else others[0]
    rates = sorted({trial.learning_rate for trial in trials})
    values = sorted({str(_part(trial.entry, name)) for trial in trials}, key=_order)
    losses = [[math.nan] * len(rates) for _ in values]
    numbers = [[-1] * len(rates) for _ in values]
    for number, trial in enumerate(trials):
        row, column = values.index(str(_part(trial.entry, name))), rates.index(trial.learning_rate)
        before = losses[row][column]
        better = trial.diverged_at is None and not trial.valid_loss >= before
        if better or numbers[row][column] < 0:
            losses[row][column] = trial.valid_loss if trial.diverged_at is None else math.nan
            numbers[row][column] = number
    return Cells(name, tuple(rates), tuple(values), tuple(map(tuple, losses)), tuple(map(tuple, numbers)))
