"""The rules of the coach: each looks at a case and is silent, or says what is wrong and what would mend it.

Each mend was measured against the run that it mends, over data sets and seeds: it ends at a lower validation loss
(tests/unit/test_coach.py holds it to that).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from bigmodel.train.coach.case import FAST, Case, Diagnosis, Mend
from bigmodel.train.coach.listener import Leak

SILENT = 0.4
"""A share of dead or saturated units of a layer that is a loss."""

FADED = 0.05
"""The slope of the first layer against that of the last, at which it fades on its way back."""

BOUNDED = ("sigmoid", "tanh")
"""Activations that hardly let a slope through at the ends of their range."""

PLAIN = ("mlp", "cnn", "image_cnn")
"""Architectures in which a slope goes back through one layer after the other, and through their activations."""

STRONG = {"l1": 3e-3, "l2": 0.03}
"""Penalties that hold a network down, whatever else is wrong with it."""


def leak(found: Leak) -> Diagnosis:
    """What the data doctor found."""
    values = dict(found.values)
    if found.key == "telling":
        return Diagnosis("telling", found.values, Mend("anew", leave_out=str(values["column"])))
    return Diagnosis("twins", found.values, Mend("anew", distinct=True))


def _diverged(case: Case) -> Diagnosis | None:
    broken = [member for member in case.last.members if member.diverged_at is not None]
    if not broken:
        return None
    said = (("step", broken[0].diverged_at), ("rate", case.config.learning_rate), ("count", len(broken)))
    return Diagnosis("diverged", (*said, ("of", len(case.last.members))), _slower(case))


def _leaping(case: Case) -> Diagnosis | None:
    """The training loss is above where it began, or leaps up again and again."""
    if case.thriving:
        return None
    rate = ("rate", case.config.learning_rate)
    start = case.first.train_loss
    above = [epoch for epoch in case.epochs[1:] if epoch.train_loss > 1.2 * max(start, 0.5 * case.chance)]
    if above and case.fast:
        said = (("number", above[-1].number), ("loss", above[-1].train_loss), ("start", start), rate)
        return Diagnosis("rate_high", said, _slower(case))
    recent = case.epochs[-11:]
    leaps = [
        after
        for before, after in pairwise(recent)
        if after.train_loss > 1.1 * before.train_loss and after.train_loss - before.train_loss > 0.02 * case.chance
    ]
    if len(recent) > 3 and len(leaps) >= max(2, 0.25 * (len(recent) - 1)) and case.update > 8e-3:
        count = (("count", len(leaps)), ("of", len(recent) - 1), ("update", case.update))
        return Diagnosis("rate_leaps", (*count, rate), _slower(case))
    return None


def _slower(case: Case) -> Mend:
    """A lower rate: from the best epoch, or anew where nothing good came before."""
    rate = (("learning_rate", _calm(case)),)
    best = next((epoch for epoch in case.epochs if epoch.number == case.last.best), case.first)
    good = best.number > case.first.number and best.train_loss < 0.9 * case.chance
    if good and _silent(case) is None:
        return Mend("fork", rate, best.number)
    return Mend("anew", rate)


def _calm(case: Case) -> float:
    """A tenth of the rate, or less where even that would be fast."""
    return rounded(min(case.config.learning_rate / 10, 2 * FAST[case.config.optimizer]))


def _silence(case: Case) -> Diagnosis | None:
    """Units that pass nothing on, or let no slope through."""
    worst = _silent(case)
    if worst is None or case.thriving:
        return None
    layer, share = worst
    key = "dead" if case.config.activation == "relu" else "saturated"
    said = (("layer", layer), ("share", share), ("rate", case.config.learning_rate))
    slower: tuple[tuple[str, Any], ...] = (("learning_rate", _calm(case)),) if case.fast else ()
    if _penalised(case):
        return Diagnosis(key, said, Mend("anew", _penalised(case)))
    if case.config.normalisation != "none":
        return Diagnosis(
            key, said, Mend("anew", slower or (("learning_rate", rounded(case.config.learning_rate / 10)),))
        )
    # Dead units have nothing but the rate to blame where it is high; a sigmoid would learn too slowly without it.
    return Diagnosis(key, said, Mend("anew", slower if slower and key == "dead" else (_even(case), *slower)))


def _penalised(case: Case) -> tuple[tuple[str, Any], ...]:
    """The settings that drop the penalties, where one is strong."""
    strong = any(getattr(case.config, name) >= bound for name, bound in STRONG.items())
    return tuple((name, 0.0) for name in STRONG if strong and getattr(case.config, name))


def _silent(case: Case) -> tuple[int, float] | None:
    """(number of the layer, share) of the layer with the most silent units, where they are too many."""
    shares = case.health.dead if case.health else ()
    known = [(share, -k) for k, share in enumerate(shares, 1) if math.isfinite(share)]
    share, place = max(known, default=(0.0, 0))
    return (-place, share) if share >= SILENT else None


def _vanishing(case: Case) -> Diagnosis | None:
    """Little has been learnt, and on its way back through the layers the slope fades."""
    config, slopes = case.config, case.health.gradient if case.health else ()
    early = case.last.number - case.first.number < (2 if case.over else 5)
    if early or len(slopes) < 3 or config.architecture not in PLAIN or case.learnt > (0.5 if case.over else 0.2):
        return None
    least = min(slopes[:-1])
    if not 0 < least < FADED * slopes[-1] or _penalised(case):
        return None
    settings: tuple[tuple[str, Any], ...] = (("activation", "relu"),) if config.activation in BOUNDED else ()
    settings += (_even(case),) if config.normalisation == "none" else ()
    settings = settings or (("widths", config.widths[:2]),)
    ends = (("layer", slopes.index(least) + 1), ("least", least), ("last", slopes[-1]), ("times", slopes[-1] / least))
    said = (*ends, ("count", len(slopes)), ("share", max(0.0, case.learnt)))
    return Diagnosis("vanishing", said, Mend("anew", settings))


def _even(case: Case) -> tuple[str, str]:
    """The normalisation that helps most; that over a batch needs more than one row."""
    return "normalisation", "batch" if case.config.batch > 1 else "layer"


def _slow(case: Case) -> Diagnosis | None:
    """Hardly anything has been learnt, by small and steady steps."""
    learnt, count = case.learnt, case.last.number - case.first.number
    if count < (2 if case.over else 5) or learnt > (0.2 if case.over else 0.1) or not 0 < case.update < 2e-3:
        return None
    middle = case.epochs[len(case.epochs) // 2].train_loss
    early, late = case.first.train_loss - middle, middle - case.last.train_loss
    if not 0 < early <= 2 * late:  # what is stuck does not fall, or less and less
        return None
    rate = rounded(case.config.learning_rate * 10)
    said = (("share", max(0.0, learnt)), ("update", case.update), ("rate", case.config.learning_rate))
    return Diagnosis("rate_low", said, Mend("fork", (("learning_rate", min(rate, 10.0)),)))


def _collapsed(case: Case) -> Diagnosis | None:
    """One answer to everything."""
    answers, config = case.answers, case.config
    if answers is None or answers.number < case.first.number + 3 or not sum(answers.given):
        return None
    place = max(range(len(answers.given)), key=lambda k: answers.given[k])
    share, true = answers.given[place] / sum(answers.given), answers.true[place] / sum(answers.true)
    if share < 0.995 or true > 0.95:
        return None
    settings: tuple[tuple[str, Any], ...] = (_even(case),)
    if _penalised(case):
        settings = _penalised(case)
    elif case.fast or config.normalisation != "none" or config.architecture == "transformer":
        settings = (("learning_rate", _calm(case)),)
    said = (("place", place), ("share", share), ("true", true), ("number", answers.number))
    return Diagnosis("collapse", said, Mend("anew", settings))


def _overfitting(case: Case) -> Diagnosis | None:
    """The validation loss rises from its best while the training loss still falls."""
    best = next((epoch for epoch in case.epochs if epoch.number == case.last.best), case.last)
    since, config = case.last.number - best.number, case.config
    if since < max(3, 0.1 * case.last.number) or case.last.ended == "early":
        return None
    # All of the last ones: a single bad epoch is none.
    risen = min(epoch.valid_loss for epoch in case.epochs[-3:]) - best.valid_loss
    if risen < max(0.1 * best.valid_loss, 0.02) or case.last.train_loss >= best.train_loss:
        return None
    # Of dropout, L2 and a lower rate, L2 alone helped every network, narrow ones too.
    cure = ("l2", rounded(max(0.01, min(1.0, 3 * config.l2))))
    said = (("best", best.number), ("low", best.valid_loss), ("high", case.last.valid_loss))
    falls = (("before", best.train_loss), ("after", case.last.train_loss))
    return Diagnosis("overfitting", (*said, *falls), Mend("fork", (cure,), best.number))


def _unfinished(case: Case) -> Diagnosis | None:
    """It was still falling at the end."""
    if not case.over or case.thriving or case.falling <= 0.15 or case.last.ended == "early":
        return None
    said = (("share", case.falling), ("loss", case.last.valid_loss), ("number", case.last.number))
    return Diagnosis("unfinished", said, Mend("fork", (("epochs", _more(case)),)))


def _more(case: Case) -> int:
    """Twice the epochs."""
    return min(10_000, max(2 * case.last.number, case.last.number + 10))


def _beaten(case: Case) -> Diagnosis | None:
    """A simple model does better, by more than luck on so many rows would explain."""
    if not case.over or not case.baselines or not case.rows:
        return None
    best = max(case.baselines, key=lambda mark: mark.valid_accuracy)
    reached = max(case.last.valid_accuracy, 0.0)
    middle = (best.valid_accuracy + reached) / 2
    luck = 2 * math.sqrt(max(0.0, middle * (1 - middle)) / case.rows)
    if not best.valid_accuracy - reached > max(luck, 0.01):
        return None
    said = (("name", best.name), ("theirs", best.valid_accuracy), ("ours", reached), ("luck", luck))
    if case.falling > 0.05:
        return Diagnosis("beaten", said, Mend("fork", (("epochs", _more(case)),)))
    return Diagnosis("beaten", said, Mend("anew", _stronger(case, best.name)))


def _stronger(case: Case, name: str) -> tuple[tuple[str, Any], ...]:
    """Settings that would do better than the simple model of that `name`."""
    config = case.config
    if name == "logistic":
        rate = max(config.learning_rate, FAST[config.optimizer])
        return (("architecture", "logistic"), ("learning_rate", rate))
    if sum(config.widths) < 64 or config.architecture == "logistic":
        return (("architecture", "mlp"), ("widths", (64, 64)))
    if case.last.valid_loss > 1.5 * case.last.train_loss:  # it knows its own rows much better than others
        return (("dropout", 0.3),) if config.dropout < 0.3 else (("l2", 0.01),)
    if config.normalisation == "none" and config.architecture != "transformer":
        return (("normalisation", "layer"),)
    return (("epochs", _more(case)),)


_WORSE = ("overfitting", "unfinished", "beaten")
_STUCK = ("vanishing", "slow", "collapsed")

RULES: dict[str, tuple[Callable[[Case], Diagnosis | None], tuple[str, ...]]] = {
    "diverged": (_diverged, ("leaping", "silence", *_STUCK, *_WORSE)),
    "leaping": (_leaping, ("silence", *_STUCK, *_WORSE)),
    "silence": (_silence, (*_STUCK, "unfinished", "beaten")),
    "vanishing": (_vanishing, ("slow", "collapsed", "unfinished", "beaten")),
    "slow": (_slow, ("collapsed", "unfinished", "beaten")),
    "collapsed": (_collapsed, _WORSE),
    "overfitting": (_overfitting, ("unfinished", "beaten")),
    "unfinished": (_unfinished, ("beaten",)),
    "beaten": (_beaten, ()),
}
"""Each rule, and which later ones need not be asked once it has spoken."""


def rounded(value: float) -> float:
    """Two digits: a person reads it."""
    return float(f"{value:.2g}")
