"""Any two knobs: the map of their losses, what each weighs, all entries as lines and rows, and halving on trial."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.compare import Trial
from bigmodel.compare.knobs import Cells, Halved, cells, happened, order, part, replay, varied, weigh
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.compare import seen as sight
from bigmodel.ui.compare.choose import chooses, on_point, on_tile
from bigmodel.ui.compare.explorer import explorer
from bigmodel.ui.compare.seen import Seen
from bigmodel.ui.words import chart_words, say

if TYPE_CHECKING:
    from bigmodel.compare.race import Race
    from bigmodel.ui.compare import Track
    from bigmodel.ui.live import Live
    from bigmodel.ui.widgets import Page

MOST_TICKS = 9


def build(page: Page, live: Live, track: Track) -> list[Any]:
    """The map, the lines over their table, the weights, the curves that halving would have cut."""
    cells_chart = chart(height=400, visible=False, elem_id="compare-map")
    lines = explorer(visible=False, elem_id="compare-explorer")
    weights = chart(height=300, visible=False, elem_id="compare-weights")
    halving = chart(height=320, visible=False, elem_id="compare-replay")
    chooses(page, live, cells_chart, on_point)
    chooses(page, live, lines, on_tile)
    return [cells_chart, lines, weights, halving]


def view(seen: Seen | None, language: str) -> list[Any]:
    """The map as the race stands; the rest once it stands still: it would be much to send at every epoch."""
    if seen is None:
        return [gr.update(visible=False)] * 4
    words, names = chart_words(language), named(seen, language)
    equals = seen.answer.equals if seen.answer else ()
    others = [name for name in varied(seen.trials) if name != "rate"]
    maps = [(names[name], _said(found, seen, language)) for name in others if (found := cells(seen.trials, name))]
    weights = seen.last("Weights")
    shares = weights.shares if weights and others else ()
    still = seen.snapshot.state not in ("waiting", "running")
    halved = replayed(seen)
    curves = plots.halving(seen.curves, halved, words, note(halved, seen, language)) if halved else None
    return [
        gr.update(value=frame(plots.knob_map(maps, equals, words)) if maps else None, visible=bool(maps)),
        gr.update(value=lined(seen, names, language) if others and still else None, visible=bool(others) and still),
        gr.update(value=frame(plots.knob_weights(shares, names, words)) if shares else None, visible=bool(shares)),
        gr.update(value=frame(curves) if curves else None, visible=curves is not None),
    ]


def _said(found: Cells, seen: Seen, language: str) -> Cells:
    """The map with its values as the page says them."""
    places = [next(trial for trial in row if trial >= 0) for row in found.trials]
    said = tuple(sight.part(seen.trials[place].entry, found.knob, language) for place in places)
    return replace(found, values=said)


def named(seen: Seen, language: str) -> dict[str, str]:
    """What the knobs are called."""
    knob = seen.plan.knob if seen.plan else "none"
    names = {name: say(f"compare.{name}.label", language) for name in ("optimizer", "schedule")}
    return {"rate": say("chart.rate", language), **names, "value": say(f"knob.{knob}", language)}


def replayed(seen: Seen) -> Halved | None:
    """Halving on the curves of a race that has ended: replayed, or as it was; None where a person took entries out."""
    if seen.busy or seen.answer is None:
        return None
    if seen.plan and seen.plan.halving:
        return happened(seen.trials, seen.rounds[-1].number)
    if any(trial.left for trial in seen.trials):
        return None
    return replay(seen.curves, seen.rounds[-1].number)


def note(halved: Halved | None, seen: Seen, language: str) -> str:
    """What halving would have saved, and at what cost."""
    if halved is None:
        return ""
    said = {"saved": halved.saved, "thrown": len(halved.thrown), "of": len(seen.trials)}
    if seen.plan and seen.plan.halving:
        return say("compare.halving.on", language, **said)
    if not halved.wrongly:
        return say("compare.halving.right", language, **said)
    told = say("compare.halving.wrong", language, **said, wrongly=len(halved.wrongly), cost=halved.cost)
    chance = seen.answer is not None and halved.kept in seen.answer.equals
    return told + " " + say(f"compare.halving.{'chance' if chance else 'sure'}", language)


def lined(seen: Seen, names: dict[str, str], language: str) -> dict[str, Any]:
    """All entries for the explorer: an axis per knob that differs, then accuracy and loss."""
    trials = seen.trials
    equals = seen.answer.equals if seen.answer else ()
    axes = [_axis(names[name], _told(trials, name, language)) for name in varied(trials)]
    accuracy = [trial.valid_accuracy if trial.diverged_at is None else math.nan for trial in trials]
    loss = [trial.valid_loss if trial.diverged_at is None else math.nan for trial in trials]
    losses = _scale(say("compare.column.valid_loss", language), loss, logarithmic=True)
    axes += [_scale(say("compare.column.valid_accuracy", language), accuracy), losses]
    marks = [_mark(k, trial, equals) for k, trial in enumerate(trials)]
    return {
        "axes": axes,
        "marks": marks,
        "chosen": seen.chosen,
        "colours": [plots.along(1 - place) if place is not None else plots.GREY for place in losses["places"]],
        "count": say("compare.explorer.count", language),
        "clear": say("compare.explorer.clear", language),
        "hint": say("compare.explorer.hint", language),
    }


def _told(trials: Sequence[Trial], name: str, language: str) -> list[float | str]:
    """A knob's value of every entry; words as the page says them."""
    values = [part(trial.entry, name) for trial in trials]
    if name == "rate" or all(order(value)[0] == 0 for value in values):
        return values
    return [sight.part(trial.entry, name, language) for trial in trials]


def _mark(number: int, trial: Trial, equals: Sequence[int]) -> str:
    if trial.diverged_at is not None:
        return "broken"
    return "best" if number in equals[:1] else "equal" if number in equals else "ran"


def _axis(label: str, values: Sequence[float | str]) -> dict[str, Any]:
    """An axis of a knob: numbers of many values by their size, few values or words evenly spread."""
    levels = sorted(set(values), key=order)
    numbers = all(order(level)[0] == 0 for level in levels)
    if numbers and len(levels) > MOST_TICKS:
        sized = [float(value) for value in values]
        return _scale(label, sized, logarithmic=min(sized) > 0 and max(sized) > 20 * min(sized))
    places = {level: k / max(1, len(levels) - 1) for k, level in enumerate(levels)}
    shown = [f"{value:g}" if isinstance(value, float) else value for value in values]
    ticks = [[round(place, 3), f"{level:g}" if isinstance(level, float) else level] for level, place in places.items()]
    return {"label": label, "places": [round(places[value], 3) for value in values], "shown": shown, "ticks": ticks}


def _scale(label: str, values: Sequence[float], *, logarithmic: bool = False) -> dict[str, Any]:
    """An axis of numbers, the highest at the top; what is no number has no place on it."""
    turned = [math.log10(max(value, 1e-9)) if logarithmic else value for value in values]
    finite = [value for value in turned if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    span = high - low or 1.0
    ends = [low + span * k / 4 for k in range(5)]
    return {
        "label": label,
        "places": [round((value - low) / span, 3) if math.isfinite(value) else None for value in turned],
        "shown": [f"{value:.4g}" if math.isfinite(value) else "–" for value in values],
        "ticks": [[k / 4, plots.short(10**end if logarithmic else end)] for k, end in enumerate(ends)],
    }


def after(race: Race) -> Iterator[Any]:
    """When the race has ended: what each knob weighs."""
    trials = race.trials()
    if len(varied(trials)) > 1:
        yield weigh(trials)
