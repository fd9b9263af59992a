"""Steering: step by step, changes while it runs, a look back at any epoch, and forks from there."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.errors import BigModelError, ConfigError, RunError
from bigmodel.runs import ENDED, Earlier, Run, Snapshot
from bigmodel.train import LIVE, Changed, Epoch, Progress, TrainConfig
from bigmodel.train.baselines import Baseline
from bigmodel.train.coach import Leak
from bigmodel.train.fork import Origin, forked
from bigmodel.ui.train.past import epoch_at, look_back, mark_words
from bigmodel.ui.train.setup import settings, standing, tuned
from bigmodel.ui.train.timebar import time_bar
from bigmodel.ui.widgets import QUIET, written
from bigmodel.ui.words import say, word

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.train.album import Album
    from bigmodel.ui.live import Live, Start
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page

MOST_UNDER = 4
"""Curves that lie under a fork's: its parent's, and what lay under that."""

MOST_MARKS = 24
"""Changes that are marked on the plot, the latest ones."""


# The run tells what holds; what a hand has typed meanwhile stays until it tells something new.
_FILL = "(state, ...now) => { const told = JSON.parse(state || 'null'); return told || now; }"


@dataclass(frozen=True, eq=False)
class Cutting:
    """What a fork goes on from: the `parent` after an epoch, and what its run still holds in memory. `origin` is what
    the recipe of the fork needs of it (None: its settings tell all)."""

    parent: Origin
    origin: Origin | None
    data: Dataset | None
    album: Album | None
    known: tuple[Any, ...]


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """Steps and the fork, the time bar, and what may change while it runs."""
    with gr.Row(elem_classes="actions steer-actions"):
        step = page.button("train.step", interactive=False, elem_id="train-step")
        epoch = page.button("train.epoch", interactive=False, elem_id="train-epoch")
        fork = page.button("train.fork", interactive=False, elem_id="train-fork")
    bar = time_bar(elem_id="train-timebar")
    with page.words(gr.Accordion(open=False, elem_id="train-live"), label="train.live"):
        page.markdown("train.live.hint", elem_classes="hint")
        with gr.Row():
            fields = [_live_field(page, name) for name in LIVE]
        changes = desk.form.field("changes", elem_id="train-changes")
    state = gr.Textbox("", visible="hidden", elem_id="train-live-state")
    state.change(None, [state, *fields, changes], [*fields, changes], js=_FILL, **QUIET)
    for name, field in zip(LIVE, fields, strict=True):
        _steer(page, live, name, field)
    for button, act in ((step, one_step), (epoch, one_epoch)):
        _button(page, live, button, act)

    def go_back(visitor: str, request: gr.Request, event: gr.EventData) -> None:
        run = live.run("train", visitor, request)
        at = (getattr(event, "_data", None) or {}).get("at")
        if run is not None:
            number = isinstance(at, (int, float)) and not isinstance(at, bool) and abs(at) < 1e9
            run.look_at(look_back(run.shelf, run.snapshot().events, int(at)) if number else None)  # type: ignore[arg-type]

    # One after the other, or an earlier look might come last.
    looked = bar.select(go_back, [page.visitor], None, trigger_mode="multiple", concurrency_limit=1, **QUIET)
    live.attach(looked, "train")

    def grow(visitor: str, language: str, request: gr.Request, *values: Any) -> list[Any]:
        run = live.run("train", visitor, request)
        if run is None:
            return [gr.skip() for _ in desk.form.inputs]
        try:
            config = desk.form.read(values[len(LIVE) :])
            for name, value in zip(LIVE, values, strict=False):
                config = config.changed(name, _number(name, value))
            config = branch(live, run, config, language)
        except BigModelError as error:
            raise gr.Error(word(error, language), print_exception=False) from None
        return desk.form.show(config)

    asked = [page.visitor, page.language, *fields, *desk.form.inputs]
    live.attach(fork.click(grow, asked, desk.form.inputs, **QUIET), "train")
    return [step, epoch, fork, bar, state]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """Which buttons can be pressed, the time bar, and the settings as they stand."""
    state = snapshot.state if snapshot else "idle"
    busy = state in ("waiting", "running", "paused")
    events = snapshot.events if snapshot else ()
    can_fork = any(isinstance(event, Epoch) for event in events) and not tuned(events)
    buttons = [gr.update(interactive=busy), gr.update(interactive=busy), gr.update(interactive=can_fork)]
    config, whole = standing(events), settings(events)
    told = ""
    if config is not None and whole is not None:
        numbers = [getattr(config, name) for name in LIVE]
        told = json.dumps([*numbers, ", ".join(map(written, whole.changes))])
    return [*buttons, bar_value(snapshot, language), told]


def bar_value(snapshot: Snapshot | None, language: str) -> dict[str, Any]:
    """The value of the time bar."""
    words = {name: say(f"train.time.{name}", language) for name in ("label", "play", "halt", "best", "now")}
    events = snapshot.events if snapshot else ()
    last = next((event for event in reversed(events) if isinstance(event, Epoch)), None)
    first = next((event for event in events if isinstance(event, Epoch)), None)
    if snapshot is None or last is None or first is None:
        idle = {"first": 0, "last": 0, "at": None, "best": None}
        return {**idle, "text": say("train.time.later", language), "words": words}
    past = snapshot.past
    at = min(past.number, last.number) if past else None
    shown = last if at is None else epoch_at(events, at) or first
    text = say("train.time.at" if past else "train.time.present", language, number=shown.number)
    numbers = {"train": shown.train_loss, "valid": shown.valid_loss, "accuracy": shown.valid_accuracy}
    if all(map(math.isfinite, numbers.values())):  # after it has diverged there is nothing to tell
        text += " · " + say("train.time.numbers", language, **numbers)
    recent = events[-1] if snapshot.state not in ENDED and past is None else None
    if isinstance(recent, Progress) and not recent.measures and recent.batch_loss == recent.batch_loss:
        text += " · " + say("train.time.step", language, step=recent.step, loss=recent.batch_loss)
    return {
        "first": first.number,
        "last": last.number,
        "at": at,
        "best": last.best,
        "text": text,
        "words": words,
    }


def marks(events: Sequence[Any], language: str, past: Any = None) -> list[tuple[float, str]]:
    """What is marked along the curves: a fork's start, changes, the epoch that was best, the one looked at."""
    epochs = [event for event in events if isinstance(event, Epoch)]
    if not epochs:
        return []
    found = [(float(epochs[0].number), say("train.mark.fork", language))] if epochs[0].number > 0 else []
    changed = [event for event in events if isinstance(event, Changed)][-MOST_MARKS:]
    found += [(_place(epochs, change), mark_words(change.field, change.new, language)) for change in changed]
    config, last = settings(events), epochs[-1]
    if config is not None and config.patience and last.best is not None and last.number > 0:
        found.append((float(last.best), say("train.mark.best", language)))
    if past is not None:
        found.append((float(past.number), say("train.mark.past", language)))
    return found


def _place(epochs: Sequence[Epoch], change: Changed) -> float:
    """Where on the axis of epochs a change was made: between two of them by its step."""
    before = max((e for e in epochs if e.step <= change.step), key=lambda e: e.number, default=epochs[0])
    after = next((e for e in epochs if e.step > change.step), None)
    if after is None:
        return float(before.number) if change.step == before.step else before.number + 0.5
    share = (change.step - before.step) / (after.step - before.step)
    return round(before.number + share * (after.number - before.number), 3)


# ---- what the buttons do ----------------------------------------------------------------------------------------


def one_step(run: Run) -> None:
    """Exactly one step of the optimizer, then stand still."""
    run.pause()
    if "steering" in run.shelf:
        run.shelf["steering"].single()
    run.step()


def one_epoch(run: Run) -> None:
    """Up to the end of the epoch, then stand still."""
    run.pause()
    run.step(lambda event: isinstance(event, Epoch))


def branch(live: Live, run: Run, wish: TrainConfig, language: str, number: int | None = None) -> TrainConfig:
    """Fork the run from epoch `number` (None: the one that is looked at, else the last one). Its settings."""
    start, config, under = cut(run, wish, language, number)
    fork = live.launch(run.owner, "train", start)
    fork.lay_over(under)
    return config


def cut(
    run: Run, wish: TrainConfig, language: str, number: int | None = None
) -> tuple[Start, TrainConfig, tuple[Earlier, ...]]:
    """What `branch` starts: the run, its settings, and the curves that lie under it."""
    from bigmodel.ui.train import training

    snapshot, shelf = run.snapshot(), run.shelf
    if "data" in shelf and shelf["data"].tuned:
        raise RunError("fork.tuned")
    last = max((e.number for e in snapshot.events if isinstance(e, Epoch)), default=0)
    number = (snapshot.past.number if snapshot.past else last) if number is None else number
    album = shelf.get("album")
    kept = album.numbers() if album is not None else ()
    number = max((n for n in kept if n <= number), default=number)
    place = epoch_at(snapshot.events, number)
    if place is None or not isinstance(shelf.get("config"), TrainConfig) or shelf.get("source") is None:
        raise RunError("fork.nothing")
    if not kept:
        number = place.number
    step = album.stack_at(number).steps if album is not None and kept else place.step
    parent = Origin(shelf["config"], number, shelf.get("origin"))
    config, origin = forked(parent, step, wish)
    known = tuple(event for event in snapshot.events if isinstance(event, (Baseline, Leak)))
    under = (Earlier(run.id, say("train.fork.parent", language), snapshot.events), *run.others)[:MOST_UNDER]
    known = known if len(known) >= 3 else ()
    cutting = Cutting(parent, origin, shelf.get("data"), album if kept else None, known)
    return training(shelf["source"], config, run.rate, cutting, under), config, under


def _live_field(page: Page, name: str) -> gr.Number:
    """A number that steers: the form has sliders for some, but here a drag would be fifty changes."""
    field = gr.Number(getattr(TrainConfig(), name), interactive=True, min_width=120, elem_id=f"train-live-{name}")
    page.words(field, label=f"train.{name}.label", info=f"train.live.{name}")
    return field


def _number(name: str, value: Any) -> float:
    """A typed number. ConfigError where there is none."""
    if value is None or isinstance(value, (str, bool)):
        said = {"field": name, "label": f"train.{name}.label", "value": value, "example": getattr(TrainConfig(), name)}
        raise ConfigError((BigModelError("config.empty", **said),))
    return float(value)


def _steer(page: Page, live: Live, name: str, field: gr.Number) -> None:
    """Let a field steer the run: when Enter is pressed, and when it is left."""

    def ask(visitor: str, language: str, value: Any, request: gr.Request) -> None:
        run = live.run("train", visitor, request)
        try:
            turn(run, name, _number(name, value))
        except BigModelError as error:
            raise gr.Error(word(error, language), print_exception=False) from None

    # In the queue: outside it Gradio shows no toast.
    gr.on([field.submit, field.blur], ask, [page.visitor, page.language, field], None, **QUIET)


def turn(run: Run | None, name: str, value: float) -> bool:
    """Ask the run for another value of one of its live settings; whether there was anything to ask. ConfigError."""
    TrainConfig().changed(name, value)
    if run is None or run.ended or "steering" not in run.shelf:
        return False
    asked = run.shelf.setdefault("asked", {})
    now = standing(run.snapshot().events)
    if now is None or asked.get(name, getattr(now, name)) == value:
        return False
    run.shelf["steering"].ask(name, value)
    asked[name] = value
    return True


def _button(page: Page, live: Live, button: gr.Button, act: Any) -> None:
    def press(visitor: str, request: gr.Request) -> None:
        run = live.run("train", visitor, request)
        if run is not None and not run.ended:
            act(run)

    button.click(press, [page.visitor], None, queue=False, **QUIET)
