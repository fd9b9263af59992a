"""The Compare tab: settings raced side by side, told apart over seeds, and the best one handed to Train.

Controls left; the race right, a panel a file, in the order of PANELS. A panel has two functions: `build(page, live,
track)` lays it out and gives the components it draws into, `view(seen, language)` gives their values: pure, in the same
order; `seen` is None before a race. What a panel needs beside the events lies on the run's shelf: "source", "choice"
and "config" (what was chosen), "data", "race" (`compare.race.Race`) and "orders" (its inbox).

AFTER lists what else is done with a race that has ended: functions of the race that yield events, or None between two
slices of work. They are part of the run: Stop ends them too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.compare import Before, Chosen, CompareConfig, Round
from bigmodel.compare.orders import Order, Orders
from bigmodel.runs import Run, Shelf, Snapshot
from bigmodel.train import Progress
from bigmodel.ui.compare import finders, judge, knobs, steer, table, takeaway, watch
from bigmodel.ui.compare.ahead import cost_line
from bigmodel.ui.compare.seen import see
from bigmodel.ui.data import DataForm, Source, loading, loading_line
from bigmodel.ui.link import link_button
from bigmodel.ui.live import PACES, Controls, Live, Start, pace_choice, run_buttons
from bigmodel.ui.train import NETWORK, SCHEDULE, TRAINING, Desk
from bigmodel.ui.widgets import QUIET, Form, Page, status_bar
from bigmodel.ui.words import say

if TYPE_CHECKING:
    from bigmodel.compare.race import Race

PANELS = (watch, judge, steer, table, finders, knobs, takeaway)
AFTER: tuple[Callable[[Race], Iterator[Any]], ...] = (finders.after, knobs.after, takeaway.after)

RANGE = ("lowest", "highest", "count")
MORE = ("optimizers", "schedules")
KNOBS = ("knob", "values", "search", "draws", "halving", "finders")


@dataclass
class Track:
    """What panels may use of the tab: its forms, the desk of Train and the tabs (where a winner goes), the pace.

    `tiles` is the wall of small boundaries, once it is built.
    """

    data: DataForm
    form: Form
    pace: gr.Radio
    train: Desk
    tabs: gr.Tabs
    tiles: Any = None


def build(page: Page, live: Live, tabs: gr.Tabs, desk: Desk) -> None:
    """Controls left, the race right; `desk` and `tabs` are where the winner goes."""
    form = Form(page, CompareConfig)
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=1, min_width=320, elem_classes="controls"):
            buttons = run_buttons(page, "compare")
            data = DataForm(page, "compare-data")
            _rates(form)
            for name in ("seeds", "epochs", "seconds"):
                form.field(name)
            cost = cost_line(page, data, form)
            pace = pace_choice(page, live, "compare")
            form.section("compare.more", MORE)
            form.section("compare.knobs", KNOBS)
            form.section("train.network", NETWORK)
            form.section("train.training", TRAINING)
            form.section("train.timing", (*SCHEDULE[:2], "seed"))
            share = link_button(page, "compare")
        with gr.Column(scale=2, min_width=320, elem_classes="results"):
            status = status_bar(elem_id="compare-status")
            track = Track(data, form, pace, desk, tabs)
            outputs = [component for panel in PANELS for component in panel.build(page, live, track)]
            page.markdown("compare.lesson", elem_classes="lesson")
    cost.watch()

    # Before the start itself: the page calls one after the other, and a run takes its time.
    share.connect(buttons[0], data, form)

    def prepare(language: str, speed: str, *values: Any) -> Start:
        choice, settings = values[: len(data.inputs)], values[len(data.inputs) :]
        return racing(data.read(choice), form.read(settings), choice, PACES.get(speed, 0.0))

    inputs = [pace, *data.inputs, *form.inputs]
    live.connect("compare", Controls(status, *buttons), prepare, inputs, view, outputs, status=status_line)


def _rates(form: Form) -> None:
    """The rates as a list or as a range: one of the two is shown."""
    way = form.field("rates_as")
    as_list = form.field("rates")
    with gr.Row(visible=False, elem_classes="range") as as_range:
        for name in RANGE:
            form.field(name, min_width=90)

    def turn(chosen: str) -> list[Any]:
        return [gr.update(visible=chosen != "range"), gr.update(visible=chosen == "range")]

    way.change(turn, [way], [as_list, as_range], queue=False, **QUIET)


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """All panels of a race as it stands."""
    seen = see(snapshot)
    return [value for panel in PANELS for value in panel.view(seen, language)]


def racing(source: Source, config: CompareConfig, choice: tuple[Any, ...], rate: float = 0.0) -> Start:
    """A run of a new race; `choice`, the values of the data widgets, is kept for handing over."""

    def job(shelf: Shelf) -> Iterator[Any]:
        from bigmodel.compare.race import Race

        shelf |= {"config": config, "choice": choice, "source": source, "orders": Orders()}
        shelf["data"] = yield from loading(source)
        shelf["race"] = Race(config, shelf["data"])
        yield shelf["race"].plan
        yield from driven(shelf)

    return Start(job, conclude, rate)


def taken_up(run: Run, order: Order, rate: float) -> Start:
    """A run that goes on with the race of one that has ended."""
    kept = {name: run.shelf[name] for name in ("config", "choice", "source", "data", "race")}
    snapshot = run.snapshot()

    def job(shelf: Shelf) -> Iterator[Any]:
        shelf |= kept
        shelf["orders"] = Orders()
        shelf["orders"].ask(order)
        seen = see(snapshot)
        yield Before(seen.rounds if seen else (), seen.tiles if seen else None)
        yield Chosen(seen.chosen if seen else None)
        yield shelf["race"].plan
        yield from driven(shelf)

    return Start(job, conclude, rate)


def driven(shelf: Shelf) -> Iterator[Any]:
    """The race on the shelf to its end, and what comes after it."""
    from bigmodel.compare.race import run

    race = shelf["race"]
    yield from run(race, shelf["orders"], paint=True)
    yield from conclude(shelf)
    for work in AFTER:
        yield from work(race)


def conclude(shelf: Shelf) -> Iterator[Any]:
    """After the end, and after a stop too: the winner meets the sealed test part, once."""
    if "race" in shelf and not shelf.get("judged"):
        from bigmodel.compare.verdict import judge

        shelf["judged"] = True
        # A race that was stopped may be taken up again while it is judged.
        with shelf["race"].lock:
            yield from (event for event in judge(shelf["race"]) if event is not None)


def status_line(snapshot: Snapshot, language: str) -> tuple[str, float]:
    """Epoch, time, what is left of the budget, how many entries are lost; the share that is done."""
    last = next((e for e in reversed(snapshot.events) if isinstance(e, (Round, Progress))), None)
    whole = next((e for e in reversed(snapshot.events) if isinstance(e, Round)), None)
    if last is None:
        return loading_line(snapshot.events[-1], language) if snapshot.events else ("", 0.0)
    done = last.step / max(1, last.steps)
    parts = [say("train.status", language, number=last.number, of=last.of, step=last.step, seconds=last.seconds)]
    if whole is not None:
        lost = {
            "diverged": sum(trial.diverged_at is not None for trial in whole.trials),
            "left.out": sum(trial.left for trial in whole.trials),
        }
        parts += [
            say(f"compare.status.{why}", language, count=count, of=len(whole.trials))
            for why, count in lost.items()
            if count
        ]
        if whole.ended == "time":
            parts.append(say("compare.status.time", language, budget=whole.budget))
        elif snapshot.state == "running" and 0 < done < 1:
            left, budget = last.seconds * (1 - done) / done, whole.budget - last.seconds
            key = "compare.status.short" if left > budget else "compare.status.left"
            parts.append(say(key, language, left=left, budget=max(0.0, budget)))
    return " · ".join(parts), done
