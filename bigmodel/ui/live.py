"""The one bridge from a run to the screen: follow, throttle, word the errors.

A view is a pure function of a snapshot and a language. Following reads snapshots at the page's pace and yields a view
whenever something changed, and always the last one; the run itself never waits for it. A reload, or a change of
language, follows anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from bigmodel.errors import BigModelError
from bigmodel.runs import Conclusion, Job, Recipe, Run, Runs, Snapshot
from bigmodel.ui.heavy import with_torch
from bigmodel.ui.widgets import QUIET, Page
from bigmodel.ui.wire import folded
from bigmodel.ui.words import say, word

View = Callable[[Snapshot | None, str], Sequence[Any]]

GLANCE = 0.03
"""Seconds between two looks at whether a run has changed its state."""

FOLLOWED: dict[str, Any] = {**QUIET, "concurrency_limit": None, "trigger_mode": "multiple"}
"""A run is followed for as long as it takes, by every page."""


@dataclass(frozen=True)
class Start:
    """What a press of the button starts. `rate`: events per second for an audience, 0 for full speed. A run that has
    a `recipe` is kept."""

    job: Job
    conclude: Conclusion | None = None
    rate: float = 0.0
    recipe: Recipe | None = None


@dataclass(frozen=True)
class Controls:
    """The buttons and the status line that every tab has."""

    status: gr.HTML
    start: gr.Button | None = None
    stop: gr.Button | None = None
    pause: gr.Button | None = None

    @property
    def outputs(self) -> list[Any]:
        """The components that `shown` updates."""
        return [c for c in (self.status, self.start, self.stop, self.pause) if c is not None]


class Live:
    """Connects the tabs of one page to the runs of its visitors."""

    def __init__(self, runs: Runs, page: Page) -> None:
        self.runs = runs
        self.page = page
        self._latest: dict[tuple[str, str], object] = {}
        self._tabs: dict[str, tuple[Callable[..., Any], list[Any]]] = {}
        self._awaited: dict[str, list[Any]] = {}

    def connect(
        self,
        kind: str,
        controls: Controls,
        prepare: Callable[..., Start],
        inputs: list[Any],
        view: View,
        outputs: list[Any],
        *,
        status: Callable[[Snapshot, str], tuple[str, float]],
        trigger: Any = None,
        every: float = 0.12,
    ) -> None:
        """Wire a tab: `prepare(language, *values)` makes the job, `view` draws its snapshots into `outputs`, `status`
        gives the status line its text and progress. The start button starts it, or another `trigger`."""
        everything = controls.outputs + outputs

        def head(snapshot: Snapshot | None, language: str) -> list[Any]:
            return shown(controls, snapshot, language, status)

        async def follow(visitor: str, language: str, request: gr.Request) -> AsyncGenerator[list[Any], None]:
            # Closed at once when the page goes away, not when the garbage is collected.
            async with aclosing(self._follow(kind, visitor, language, request, head, view, every)) as frames:
                async for status_and_buttons, drawn in frames:
                    yield [*status_and_buttons, *(drawn or [gr.skip() for _ in outputs])]

        async def begin(
            visitor: str, language: str, request: gr.Request, *values: Any
        ) -> AsyncGenerator[list[Any], None]:
            try:
                start = prepare(language, *values)
            except BigModelError as error:
                raise gr.Error(word(error, language), print_exception=False) from None
            owner = self.arrive(visitor, request)
            self.launch(owner, kind, start)
            async with aclosing(follow(visitor, language, request)) as frames:
                async for drawn in frames:
                    yield drawn

        trigger = trigger or controls.start.click  # type: ignore[union-attr]
        trigger(begin, [self.page.visitor, self.page.language, *inputs], everything, **FOLLOWED)
        self._tabs[kind] = follow, everything
        self._chain(kind)
        if controls.stop is not None:
            self._button(controls.stop, kind, Run.stop)
        if controls.pause is not None:
            self._button(controls.pause, kind, _pause_or_go_on)

    def _button(self, button: gr.Button, kind: str, act: Callable[[Run], None]) -> None:
        def press(visitor: str, request: gr.Request) -> None:
            run = self.run(kind, visitor, request)
            if run is not None:
                act(run)

        # Outside the queue: Stop must not wait behind what it stops.
        button.click(press, [self.page.visitor], None, queue=False, **QUIET)

    def attach(self, event: Any, *kinds: str) -> None:
        """After `event` (the page's load, a switch of language) follow what runs the visitor has: of all `kinds`, also
        of those that are connected later."""
        for kind in kinds or self._tabs:
            self._awaited.setdefault(kind, []).append(event)
            if kind in self._tabs:
                self._chain(kind)

    def _chain(self, kind: str) -> None:
        follow, everything = self._tabs[kind]
        for event in self._awaited.pop(kind, []):
            event.then(follow, [self.page.visitor, self.page.language], everything, **FOLLOWED)

    async def _follow(
        self, kind: str, visitor: str, language: str, request: gr.Request, head: View, view: View, every: float
    ) -> AsyncGenerator[tuple[Sequence[Any], Sequence[Any]], None]:
        """Status and buttons with the view beside them. When the state changes they come alone, without a view: what a
        button did is told at once, not after the charts."""
        # One follower a page and tab: the newest one, in the newest language.
        place, me = (str(request.session_hash), kind), object()
        self._latest[place] = me
        # The first look may be one into the file of kept runs.
        run = await asyncio.to_thread(self.runs.recall, owner_of(visitor, request), kind)
        seen, told = (-1, 0), run.state if run else None
        last: list[Any] = []
        try:
            while self._latest.get(place) is me:
                # The place in the queue moves while the run itself stands still.
                now = (run.version, run.place) if run else (0, 0)
                if now != seen:
                    seen = now
                    # Drawing takes milliseconds of Python: on a worker thread, so that other pages' events go on.
                    drawing = asyncio.ensure_future(asyncio.to_thread(_draw, run, view, language))
                    while not drawing.done():
                        if run is not None and run.state != told:
                            told = run.state
                            yield head(run.snapshot(), language), []
                        await asyncio.wait({drawing}, timeout=GLANCE)
                    drawn, above = drawing.result(), head(run.snapshot() if run else None, language)
                    between = emptied(last, drawn)
                    if between is not None:
                        yield above, between
                    yield above, drawn
                    last = drawn
                if run is None or (run.over and run.version == seen[0]):
                    break
                rest = time.monotonic() + every
                while time.monotonic() < rest and (run is None or run.state == told):
                    await asyncio.sleep(min(GLANCE, every))
        finally:
            if self._latest.get(place) is me:
                del self._latest[place]

    def launch(self, owner: str, kind: str, start: Start) -> Run:
        """Start a run."""
        return self.runs.start(
            owner, kind, with_torch(start.job), conclude=start.conclude, rate=start.rate, recipe=start.recipe
        )

    def run(self, kind: str, visitor: str, request: gr.Request) -> Run | None:
        """The last run of this kind that the visitor started."""
        return self.runs.get(owner_of(visitor, request), kind)

    def arrive(self, visitor: str, request: gr.Request) -> str:
        """A page of this visitor is open; by what name its runs go."""
        owner = owner_of(visitor, request)
        self.runs.arrive(owner, str(request.session_hash))
        return owner

    def depart(self, request: gr.Request) -> None:
        """A page has closed or reloads."""
        session = str(request.session_hash)
        for place in [place for place in self._latest if place[0] == session]:
            self._latest.pop(place, None)
        self.runs.depart(session)


# Events per second: an audience wants to see the epochs, an engineer wants them over with.
PACES = {"fast": 0.0, "watch": 10.0, "slow": 2.0}


def pace_choice(page: Page, live: Live, kind: str) -> gr.Radio:
    """How fast a run shows its events; can be changed while it runs."""
    pace = gr.Radio(list(PACES), value="watch", interactive=True, elem_id=f"{kind}-pace")
    page.words(pace, label="live.pace.label", info="live.pace.info")
    page.choices(pace, "live.pace", tuple(PACES))

    def set_pace(visitor: str, speed: str, request: gr.Request) -> None:
        run = live.run(kind, visitor, request)
        if run is not None:
            run.set_rate(PACES.get(speed, 0.0))

    pace.change(set_pace, [page.visitor, pace], None, queue=False, **QUIET)
    return pace


def run_buttons(page: Page, prefix: str) -> tuple[gr.Button, gr.Button, gr.Button]:
    """Start, stop and pause of a tab, side by side: the start says `<prefix>.start`."""
    with gr.Row(elem_classes="actions first"):
        start = page.button(f"{prefix}.start", variant="primary", elem_id=f"{prefix}-start")
        pause = gr.Button(say("live.pause"), interactive=False, elem_id=f"{prefix}-pause")
        stop = page.button("live.stop", variant="stop", interactive=False, elem_id=f"{prefix}-stop")
    return start, stop, pause


def time_left(snapshot: Snapshot, done: float, language: str) -> str:
    """How long a run will go on at its present pace, for the end of a status line; "" when that is soon or unknown."""
    left = snapshot.seconds * (1 - done) / done if done else 0.0
    return " · " + say("live.left", language, seconds=left) if snapshot.state == "running" and left > 2 else ""


def owner_of(visitor: str, request: gr.Request) -> str:
    """The visitor's name. A page that has none yet goes by its session: nobody shares a name with the next one."""
    return visitor[:96] if visitor else f"page {request.session_hash}"


def _draw(run: Run | None, view: View, language: str) -> list[Any]:
    return [folded(value) for value in view(run.snapshot() if run else None, language)]


def emptied(before: Sequence[Any], after: Sequence[Any]) -> list[Any] | None:
    """The view `after` without what Gradio could not turn the view `before` into; None when it can do it all.

    Gradio sends differences. Where lists within a list lose items (the points of curves that are thinned) it counts
    the items wrong, and the page shows something else, or nothing any more (`gradio.utils.diff`, 6.31). A value that
    was None before is sent whole.
    """
    lost = [_shrinks(old, new) for old, new in zip(before, after, strict=False)]
    if not any(lost):
        return None
    updates = ({**new, "value": None} if isinstance(new, dict) and "__type__" in new else None for new in after)
    return [empty if gone else new for gone, empty, new in zip(lost, updates, after, strict=True)]


def _shrinks(old: Any, new: Any, within: bool = False) -> bool:
    """Whether a list within a list has lost items. Lists of numbers or words are not looked through."""
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        if within and len(new) < len(old):
            return True
        deep = bool(old) and isinstance(old[0], (list, tuple, dict))
        return deep and any(_shrinks(a, b, True) for a, b in zip(old, new, strict=False))
    if isinstance(old, dict) and isinstance(new, dict):
        return any(_shrinks(old[key], new[key], within) for key in old.keys() & new.keys())
    return False


def _pause_or_go_on(run: Run) -> None:
    if run.snapshot().state == "paused":
        run.resume()
    else:
        run.pause()


def shown(
    controls: Controls, snapshot: Snapshot | None, language: str, status: Callable[[Snapshot, str], tuple[str, float]]
) -> list[Any]:
    """Updates for the buttons and the status line of a tab, in the order of `controls.outputs`."""
    state = snapshot.state if snapshot else "idle"
    busy = state in ("waiting", "running", "paused")
    if snapshot is None:
        text, progress = say("live.idle", language) if controls.start is not None else "", 0.0
    else:
        text, progress = _line(snapshot, language, status)
    updates: list[Any] = [{"state": state, "text": text, "progress": progress}]
    if controls.start is not None:
        updates.append(gr.update(interactive=not busy))
    if controls.stop is not None:
        updates.append(gr.update(interactive=busy))
    if controls.pause is not None:
        go_on = state == "paused"
        updates.append(gr.update(interactive=busy, value=say("live.resume" if go_on else "live.pause", language)))
    return updates


def _line(snapshot: Snapshot, language: str, status: Callable[[Snapshot, str], tuple[str, float]]) -> tuple[str, float]:
    """What the status line says of a run, and the share that is done. A tab that has nothing to say yet says ""."""
    if snapshot.error is not None:
        return word(snapshot.error, language), 0.0
    if snapshot.state == "waiting" and snapshot.place:
        return say("live.waiting", language, place=snapshot.place), 0.0
    text, progress = status(snapshot, language) if snapshot.events else ("", 0.0)
    if snapshot.state in ("paused", "stopped", "interrupted"):
        text = " · ".join(part for part in (say(f"live.{snapshot.state}", language), text) if part)
    elif not text and snapshot.state in ("waiting", "running"):
        text = say("live.loading", language)
    return text, progress
