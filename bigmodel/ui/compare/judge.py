"""The answer: which rate to take, which others are as good, how sure that is, and what the sealed test says of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.compare import as_training
from bigmodel.compare.orders import MoreRates, beyond
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.compare.choose import chooses, on_point
from bigmodel.ui.compare.seen import Seen, named, rate, see
from bigmodel.ui.compare.steer import orders
from bigmodel.ui.compare.table import headers, knob
from bigmodel.ui.widgets import QUIET, number_cards
from bigmodel.ui.words import chart_words, say

if TYPE_CHECKING:
    from bigmodel.compare.answer import Answer
    from bigmodel.ui.compare import Track
    from bigmodel.ui.live import Live
    from bigmodel.ui.widgets import Page


def build(page: Page, live: Live, track: Track) -> list[Any]:
    """The answer in numbers and words, a warning at the edge of the range, the button to Train, the axis of rates."""
    cards = number_cards(elem_id="compare-answer")
    with gr.Row(visible=False, elem_id="compare-edge", elem_classes="edge") as edge:
        warning = gr.Markdown("", elem_id="compare-edge-text")
        extend = page.button("compare.order.extend", size="sm", elem_id="compare-extend", min_width=160)
    hand_over = page.button("compare.hand_over", interactive=False, elem_id="compare-hand-over")
    page.markdown("compare.choose", elem_classes="lesson")
    axis = chart(height=360, elem_id="compare-axis")
    orders(page, live, track, extend, _further)
    chooses(page, live, axis, on_point)

    def hand(visitor: str, request: gr.Request) -> list[Any]:
        run = live.run("compare", visitor, request)
        seen = see(run.snapshot()) if run else None
        place = taken(seen)
        if run is None or seen is None or place is None:
            return [gr.skip()] * (len(track.train.inputs) + 1)
        config = as_training(run.shelf["config"], seen.trials[place].entry)
        return [*run.shelf["choice"], *track.train.form.show(config), gr.update(selected="train")]

    hand_over.click(hand, [page.visitor], [*track.train.inputs, track.tabs], queue=False, **QUIET)
    return [cards, edge, warning, hand_over, axis]


def _further(race: Any) -> MoreRates:
    """Rates beyond the side that the winner stands on."""
    from bigmodel.compare import lines
    from bigmodel.compare.answer import answer

    found = answer(race.trials(), lines(race.rounds))
    return MoreRates(beyond(race.rates, (found.edge if found else None) or "high"))


def taken(seen: Seen | None) -> int | None:
    """The entry that Train would get: who is pointed at, else who is proposed as soon as the places cannot change."""
    if seen is None or seen.chosen is not None:
        return seen.chosen if seen else None
    still = seen.snapshot.state not in ("waiting", "running")
    return seen.answer.cheapest if seen.answer and still else None


def view(seen: Seen | None, language: str) -> list[Any]:
    """Answer, warning, button and axis of a race as it stands."""
    words = chart_words(language)
    found = seen.answer if seen else None
    edge = found.edge if found and seen and len(seen.trials) > 1 and seen.rounds[-1].number > 0 else None
    trials = seen.trials if seen else ()
    names = [named(trial.entry, seen.varied, language) for trial in trials] if seen else []
    tests = seen.verdict.tests if seen and seen.verdict else ()
    text = ""
    if edge and found:
        text = say(f"compare.edge.{edge}", language, rate=rate(trials[found.best].entry.learning_rate))
    return [
        answer_cards(seen, names, language),
        gr.update(visible=edge is not None),
        text,
        gr.update(value=_offer(seen, names, language), interactive=taken(seen) is not None),
        frame(plots.rate_axis(trials, found, names, words, tests=tests, chosen=seen.chosen if seen else None)),
    ]


def _offer(seen: Seen | None, names: list[str], language: str) -> str:
    if seen is None or seen.chosen is None:
        return say("compare.hand_over", language)
    return say("compare.hand_over.chosen", language, name=names[seen.chosen])


def answer_cards(seen: Seen | None, names: list[str], language: str) -> dict[str, Any]:
    """The answer as numbers, and a note in words: what "equal" and "cheapest" mean, and how far the test agrees."""
    found = seen.answer if seen else None
    if seen is None or found is None:
        return {"note": say("compare.answer.none" if seen else "compare.answer.later", language), "cards": []}
    best = next(row for row in found.standings if row.trial == found.best)
    label = say("compare.answer.loss", language)
    if math.isfinite(best.low):
        label += " " + say("compare.answer.range", language, low=best.low, high=best.high)
    cards = [
        (proposed(seen, language), names[found.cheapest]),
        (say("compare.answer.equals", language), f"{len(found.equals)} / {len(seen.trials)}"),
        (label, f"{best.mean:.3f}"),
    ]
    if seen.verdict:
        cards.append((say("compare.answer.test", language), f"{seen.verdict.test_loss:.3f}"))
        cards.append((say("compare.answer.accuracy", language), f"{seen.verdict.test_accuracy:.1%}"))
    return {"note": " ".join(_notes(seen, found, names, language)), "cards": cards}


def proposed(seen: Seen, language: str) -> str:
    """What the name of the proposed entry is made of, where that is more than a rate."""
    if not seen.varied:
        return say("compare.answer.proposed", language)
    parts = headers(seen.varied, language, knob(seen))[1 : 2 + len(seen.varied)]
    return say("compare.answer.proposed.parts", language, parts=" · ".join(parts))


def _notes(seen: Seen, found: Answer, names: list[str], language: str) -> list[str]:
    """The sentences under the numbers."""
    best, cheapest = names[found.best], names[found.cheapest]
    if found.seeds < 2:
        told = [say("compare.answer.one_seed", language, best=best)]
    elif len(found.equals) < 2:
        told = [say("compare.answer.alone", language, best=best, seeds=found.seeds)]
    else:
        others = sorted(place for place in found.equals if place != found.best)
        listed = ", ".join(names[place] for place in others[:8]) + (" …" if len(others) > 8 else "")
        said = {"best": best, "others": listed, "seeds": found.seeds, "cheapest": cheapest}
        told = [say("compare.answer.set", language, **said, epochs=found.epochs, target=found.target)]
    verdict = seen.verdict
    if verdict:
        key = "compare.answer.flattered" if verdict.gap > max(0.0, verdict.usual_gap) else "compare.answer.honest"
        told.append(say(key, language, gap=verdict.gap, usual=verdict.usual_gap, rows=verdict.rows))
    return told
