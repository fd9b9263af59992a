"""The one bridge from a run to the screen: follow, throttle, word the errors.

A view is a pure function of a snapshot and a language. Following reads snapshots at the page's pace and yields a view
whenever something changed, and always the last one; the run itself never waits for it. A reload, or a change of
language, follows anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from bigmodel.errors import BigModelError
from bigmodel.runs import Conclusion, Job, Run, Runs, Snapshot
from bigmodel.ui.widgets import Page
from bigmodel.ui.words import say, word

View = Callable[[Snapshot | None, str], Sequence[Any]]


@dataclass(frozen=True)
class Start:
    """What a press of the button starts. `rate`: events per second for an audience, 0 for full speed."""

    job: Job
    conclude: Conclusion | None = None
    rate: float = 0.0


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
        self._tabs: list[tuple[Callable[..., Any], list[Any]]] = []

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
        page = self.page
        everything = controls.outputs + outputs

        def frame(snapshot: Snapshot | None, language: str) -> list[Any]:
            return [*shown(controls, snapshot, language, status), *view(snapshot, language)]

        async def follow(visitor: str, language: str, request: gr.Request) -> AsyncIterator[list[Any]]:
            async for drawn in self._follow(kind, visitor, language, request, frame, every):
                yield drawn

        async def begin(visitor: str, language: str, request: gr.Request, *values: Any) -> AsyncIterator[list[Any]]:
            try:
                start = prepare(language, *values)
            except BigModelError as error:
                raise gr.Error(word(error, language), print_exception=False) from None
            self.runs.start(visitor, kind, start.job, conclude=start.conclude, rate=start.rate)
            async for drawn in self._follow(kind, visitor, language, request, frame, every):
                yield drawn

        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": True}
        trigger = trigger or controls.start.click  # type: ignore[union-attr]
        trigger(
            begin,
            [page.visitor, page.language, *inputs],
            everything,
            concurrency_limit=None,
            trigger_mode="multiple",
            **quiet,
        )
        self._tabs.append((follow, everything))
        if controls.stop is not None:
            self._button(controls.stop, kind, Run.stop)
        if controls.pause is not None:
            self._button(controls.pause, kind, _pause_or_go_on)

    def _button(self, button: gr.Button, kind: str, act: Callable[[Run], None]) -> None:
        def press(visitor: str) -> None:
            run = self.runs.get(visitor, kind)
            if run is not None:
                act(run)

        # Outside the queue: Stop must not wait behind what it stops.
        button.click(press, [self.page.visitor], None, queue=False, show_progress="hidden", api_visibility="private")

    def attach(self, event: Any) -> None:
        """After `event` (the page's load, a switch of language) follow whatever runs the visitor has."""
        for follow, everything in self._tabs:
            event.then(
                follow,
                [self.page.visitor, self.page.language],
                everything,
                show_progress="hidden",
                api_visibility="private",
                concurrency_limit=None,
                trigger_mode="multiple",
            )

    async def _follow(
        self, kind: str, visitor: str, language: str, request: gr.Request, frame: Any, every: float
    ) -> AsyncIterator[list[Any]]:
        # One follower a page and tab: the newest one, in the newest language.
        place, me = (str(request.session_hash), kind), object()
        self._latest[place] = me
        run = self.runs.get(visitor, kind)
        seen = -1
        while self._latest.get(place) is me:
            version = run.version if run else 0
            if version != seen:
                seen = version
                # Drawing takes milliseconds of Python: on a worker thread, so that other pages' events go on.
                yield await asyncio.to_thread(_draw, run, frame, language)
            if run is None or (run.ended and run.version == seen):
                break
            await asyncio.sleep(every)

    def arrive(self, visitor: str, request: gr.Request) -> None:
        """A page of this visitor is open."""
        self.runs.arrive(visitor, str(request.session_hash))

    def depart(self, request: gr.Request) -> None:
        """A page has closed or reloads."""
        session = str(request.session_hash)
        for place in [place for place in self._latest if place[0] == session]:
            self._latest.pop(place, None)
        self.runs.depart(session)


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


def _draw(run: Run | None, frame: Any, language: str) -> list[Any]:
    drawn: list[Any] = frame(run.snapshot() if run else None, language)
    return drawn


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
    text, progress = "", 0.0
    if snapshot is None:
        text = say("live.idle", language) if controls.start is not None else ""
    elif snapshot.error is not None:
        text = word(snapshot.error, language)
    elif state == "waiting" and snapshot.place:
        text = say("live.waiting", language, place=snapshot.place)
    elif not snapshot.events:
        text = say("live.loading", language)
    else:
        text, progress = status(snapshot, language)
        if state in ("paused", "stopped"):
            text = f"{say(f'live.{state}', language)} · {text}"
    updates: list[Any] = [{"state": state, "text": text, "progress": progress}]
    if controls.start is not None:
        updates.append(gr.update(interactive=not busy))
    if controls.stop is not None:
        updates.append(gr.update(interactive=busy))
    if controls.pause is not None:
        go_on = state == "paused"
        updates.append(gr.update(interactive=busy, value=say("live.resume" if go_on else "live.pause", language)))
    return updates
