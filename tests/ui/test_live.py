"""The bridge from a run to the screen, driven as Gradio drives it but without a server."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio import utils

from bigmodel.errors import DataError
from bigmodel.runs import Runs, Snapshot
from bigmodel.ui.live import Controls, Live, Start, emptied
from bigmodel.ui.widgets import Page, status_bar
from bigmodel.ui.words import LANGUAGES, say

EVERY = 0.02


class Tab:
    """A page with one tab: `press` is its start button, `follow` its load, each for the page of one session."""

    def __init__(self, runs: Runs, prepare: Callable[..., Start], drawn_by: Any = None) -> None:
        with gr.Blocks(analytics_enabled=False) as blocks:
            page = Page()
            self.live = Live(runs, page)
            self.controls = Controls(status_bar(), gr.Button(), gr.Button(), gr.Button())
            box, out = gr.Textbox(), gr.Textbox()
            self.live.connect(
                "train", self.controls, prepare, [box], drawn_by or view, [out],
                status=lambda s, _: (f"at {s.events[-1]}", 0.5), every=EVERY,
            )  # fmt: skip
            self.live.attach(blocks.load(lambda: None))
        self._handlers = {fn.fn.__name__: fn.fn for fn in blocks.fns.values()}
        self._buttons = {fn.targets[0][0]: fn.fn for fn in blocks.fns.values() if fn.fn.__name__ == "press"}

    def press(self, visitor: str, session: str, value: str = "", language: str = "en") -> AsyncIterator[list[Any]]:
        return self._handlers["begin"](visitor, language, asks(session), value)  # type: ignore[no-any-return]

    def follow(self, visitor: str, session: str, language: str = "en") -> AsyncIterator[list[Any]]:
        return self._handlers["follow"](visitor, language, asks(session))  # type: ignore[no-any-return]

    def stop(self, visitor: str, session: str) -> None:
        assert self.controls.stop is not None
        self._buttons[self.controls.stop._id](visitor, asks(session))

    def pause(self, visitor: str, session: str) -> None:
        assert self.controls.pause is not None
        self._buttons[self.controls.pause._id](visitor, asks(session))


def asks(session: str) -> Any:
    """A request from the page of a session."""
    return SimpleNamespace(session_hash=session, headers={})


def view(run: Snapshot | None, language: str) -> list[Any]:
    """The events so far."""
    return [list(run.events) if run else None]


def counting(count: int, pause: float = 0.0) -> Start:
    """A run of `count` numbers."""

    def job(shelf: dict[str, Any]) -> Iterator[int]:
        for number in range(count):
            time.sleep(pause)
            yield number

    return Start(job)


@pytest.fixture
def runs() -> Iterator[Runs]:
    """Runs whose slots are taken by none; what is left running is stopped."""
    made = Runs(slots=4, grace=0.1)
    yield made
    for mine in list(made._runs.values()):
        for run in mine.values():
            run.stop()


async def drain(frames: AsyncIterator[list[Any]]) -> list[list[Any]]:
    """All frames of a follower that ends by itself."""
    return [frame async for frame in frames]


def within(seconds: float, work: Any) -> Any:
    """The result of a coroutine, which must be there in time."""

    async def timed() -> Any:
        return await asyncio.wait_for(work, seconds)

    return asyncio.run(timed())


def test_last_state_is_always_drawn(runs: Runs) -> None:
    """However fast a run ends, the last frame shows all of it and free buttons."""
    tab = Tab(runs, lambda language, value: counting(int(value)))
    for count in (1, 2, 50, 1000):
        frames = within(20, drain(tab.press("ann", "s1", str(count))))
        status, start, stop, pause, events = frames[-1]
        assert events == list(range(count))
        assert status["state"] == "done"
        assert (start["interactive"], stop["interactive"], pause["interactive"]) == (True, False, False)


def test_frames_come_at_the_pages_pace(runs: Runs) -> None:
    """A run of 300 quick events is drawn at most once every tick, not once an event."""
    tab = Tab(runs, lambda language, value: counting(300, 0.001))
    began = time.monotonic()
    frames = within(30, drain(tab.press("ann", "s1")))
    assert 2 <= len(frames) <= 3 + (time.monotonic() - began) / EVERY
    assert len(frames) < 150


def test_nothing_is_drawn_while_nothing_changes(runs: Runs) -> None:
    """A paused run costs no frame."""

    async def story() -> int:
        tab = Tab(runs, lambda language, value: counting(10_000, 0.002))
        frames, more = tab.press("ann", "s1"), []
        async for frame in frames:
            run = runs.get("ann", "train")
            if frame[-1] and run is not None and run.snapshot().state == "running":
                tab.pause("ann", "s1")
            if frame[0]["state"] == "paused":
                break

        async def count() -> None:
            async for frame in frames:
                more.append(frame)

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(count(), 0.3)
        return len(more)

    assert within(20, story()) <= 2  # the paused picture itself, emptied and full, after its status


def test_a_stop_is_told_before_the_charts_are_drawn(runs: Runs) -> None:
    """Stopped in the middle of a slow drawing, the next frame says so, and what is drawn comes after it."""
    drawing, go_on = threading.Event(), threading.Event()

    def slow(snapshot: Snapshot | None, language: str) -> list[Any]:
        if snapshot is not None and len(snapshot.events) > 2:
            drawing.set()
            assert go_on.wait(10)
        return view(snapshot, language)

    async def story() -> None:
        tab = Tab(runs, lambda language, value: counting(10_000, 0.002), slow)
        frames = tab.press("ann", "s1")
        ahead = asyncio.ensure_future(anext(frames))
        while not drawing.is_set():
            if ahead.done():
                ahead = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0.005)
        tab.stop("ann", "s1")
        while (frame := await ahead)[0]["state"] != "stopped":
            ahead = asyncio.ensure_future(anext(frames))
        assert frame[0]["text"].startswith(say("live.stopped"))
        assert frame[2]["interactive"] is False
        assert frame[-1] == gr.skip()
        go_on.set()
        assert (await drain(frames))[-1][-1] != gr.skip()

    within(20, story())


def test_newest_follower_wins(runs: Runs) -> None:
    """A reload or a switch of language follows anew in the new language, and the follower before it ends."""

    async def story() -> None:
        tab = Tab(runs, lambda language, value: counting(10_000, 0.002))
        first = tab.press("ann", "s1")
        await anext(first)
        second = tab.follow("ann", "s1", "zh")
        frame = await anext(second)
        assert frame[2 + 1]["value"] == say("live.pause", "zh")
        assert len(await drain(first)) <= 1
        tab.stop("ann", "s1")
        assert (await drain(second))[-1][0]["text"].startswith(say("live.stopped", "zh"))

    within(20, story())


def test_replaced_run_ends_its_followers(runs: Runs) -> None:
    """Pressing start again stops the old run; whoever follows it, in another window too, comes to an end."""

    async def story() -> None:
        tab = Tab(runs, lambda language, value: counting(int(value), 0.002))
        first, other = tab.press("ann", "s1", "10000"), tab.follow("ann", "s2")
        await anext(first)
        await anext(other)
        second = await drain(tab.press("ann", "s1", "3"))
        assert second[-1][-1] == [0, 1, 2]
        assert len(await drain(first)) <= 1
        assert (await drain(other))[-1][0]["state"] == "stopped"

    within(20, story())


def test_visitors_are_isolated(runs: Runs) -> None:
    """Two visitors see and stop their own runs only."""

    async def story() -> None:
        tab = Tab(runs, lambda language, value: counting(10_000, 0.002))
        ann = tab.press("ann", "s1")
        await anext(ann)
        assert (await drain(tab.follow("bob", "s2")))[-1][-1] is None
        tab.stop("bob", "s2")
        tab.pause("bob", "s2")
        await anext(ann)
        assert not runs.get("ann", "train").ended  # type: ignore[union-attr]
        tab.stop("ann", "s1")
        assert (await drain(ann))[-1][0]["state"] == "stopped"

    within(20, story())


def test_pages_without_a_name_share_nothing(runs: Runs) -> None:
    """A page whose name has not come yet goes by its session: two such pages never see each other's runs."""

    async def story() -> None:
        tab = Tab(runs, lambda language, value: counting(10_000, 0.002))
        first = tab.press("", "s1")
        await anext(first)
        assert (await drain(tab.follow("", "s2")))[-1][-1] is None
        tab.stop("", "s2")
        await anext(first)
        tab.live.depart(asks("s1"))
        run = runs.get("page s1", "train")
        assert run is not None
        assert await asyncio.to_thread(run.wait, 5), "the run of a page that closed goes on"

    within(20, story())


def test_error_in_the_settings_starts_nothing(runs: Runs) -> None:
    """What prepare refuses is a toast with the worded sentence; the run that was there goes on."""

    def prepare(language: str, value: str) -> Start:
        if value == "bad":
            raise DataError("data.no_file")
        return counting(10_000, 0.002)

    async def story() -> None:
        tab = Tab(runs, prepare)
        for language in LANGUAGES:
            with pytest.raises(gr.Error) as caught:
                await anext(tab.press("ann", "s1", "bad", language))
            assert caught.value.message == say("error.data.no_file", language)
            assert caught.value.print_exception is False
        assert runs.get("ann", "train") is None
        await anext(tab.press("ann", "s1"))
        run = runs.get("ann", "train")
        with pytest.raises(gr.Error):
            await anext(tab.press("ann", "s1", "bad"))
        assert runs.get("ann", "train") is run
        assert run is not None
        assert not run.ended

    within(20, story())


@pytest.mark.parametrize("language", LANGUAGES)
def test_failure_in_a_run_is_told(runs: Runs, language: str) -> None:
    """A run that fails ends with its sentence in the visitor's language and a start button that works."""

    def job(shelf: dict[str, Any]) -> Iterator[int]:
        yield 1
        raise DataError("data.no_file")

    tab = Tab(runs, lambda language, value: Start(job))
    last = within(20, drain(tab.press("ann", "s1", language=language)))[-1]
    assert (last[0]["state"], last[0]["text"]) == ("failed", say("error.data.no_file", language))
    assert last[1]["interactive"] is True


def test_place_in_the_queue_is_told_as_it_moves() -> None:
    """Who waits sees the place in line, and sees it move up though its own run stands still."""
    runs = Runs(slots=1)
    gate = threading.Event()

    def job(shelf: dict[str, Any]) -> Iterator[int]:
        while not gate.wait(0.01):
            yield 0

    async def story() -> None:
        tab = Tab(runs, lambda language, value: counting(1))
        busy, ahead = runs.start("ann", "train", job), runs.start("bob", "train", job)
        while busy.snapshot().state != "running" or not ahead.place:
            await asyncio.sleep(0.01)
        texts = []
        async for frame in tab.press("eve", "s1"):
            texts.append(frame[0]["text"])
            if texts[-1] == say("live.waiting", place=2):
                ahead.stop()
            elif texts[-1] == say("live.waiting", place=1):
                gate.set()
        assert say("live.waiting", place=1) in texts

    within(20, story())


def test_follower_that_is_cut_off_leaves_nothing(runs: Runs) -> None:
    """A page that goes away in mid-follow closes its generator; the run goes on and nothing is remembered of it."""

    async def story() -> None:
        tab = Tab(runs, lambda language, value: counting(10_000, 0.002))
        frames = tab.press("ann", "s1")
        await anext(frames)
        await frames.aclose()  # type: ignore[attr-defined]
        assert tab.live._latest == {}
        run = runs.get("ann", "train")
        assert run is not None
        assert not run.ended
        again = tab.follow("ann", "s2")
        assert (await anext(again))[0]["state"] in ("waiting", "running")
        tab.live.depart(asks("s2"))
        await drain(again)
        assert tab.live._latest == {}

    within(20, story())


def test_followers_that_ended_are_forgotten(runs: Runs) -> None:
    """A thousand sessions that never say goodbye leave nothing behind."""
    tab = Tab(runs, lambda language, value: counting(1))

    async def story() -> None:
        for session in range(1000):
            await drain(tab.follow("ann", f"s{session}"))

    within(60, story())
    assert tab.live._latest == {}


def test_reload_keeps_the_run_and_goodbye_stops_it(runs: Runs) -> None:
    """A visitor who is back within the grace keeps the run; one who is not, loses it. A page may say goodbye twice."""

    async def story() -> None:
        tab = Tab(runs, lambda language, value: counting(100_000, 0.002))
        tab.live.arrive("ann", asks("s1"))
        await anext(tab.press("ann", "s1"))
        run = runs.get("ann", "train")
        assert run is not None
        tab.live.depart(asks("s1"))
        tab.live.depart(asks("s1"))
        tab.live.arrive("ann", asks("s2"))
        await asyncio.sleep(0.3)
        assert not run.ended
        tab.live.depart(asks("s2"))
        assert await asyncio.to_thread(run.wait, 5)

    within(20, story())


def turned(before: Any, after: Any) -> Any:
    """What the page has after it was sent the differences, as Gradio makes and applies them."""
    value = json.loads(json.dumps(before))
    for action, path, new in utils.diff(before, after):
        if not path:
            value = new
            continue
        place = value
        for key in path[:-1]:
            place = place[key]
        if action == "add" and isinstance(place, list):
            place.insert(path[-1], new)
        elif action == "delete" and isinstance(place, list):
            del place[path[-1] : path[-1] + 1]
        elif action == "delete":
            del place[path[-1]]
        else:
            place[path[-1]] = new
    return value


def thinned(points: int) -> list[Any]:
    """A view: a chart of two curves, an update of another, a word."""
    chart = {"data": [{"x": list(range(points)), "y": list(range(points))} for _ in range(2)], "layout": {}}
    return [chart, {"__type__": "update", "visible": True, "value": chart}, "word"]


def test_curves_that_are_thinned_arrive_as_they_are() -> None:
    """Lists within a list that lose items are sent whole, by way of a view without them; what only grows is not."""
    before, after = thinned(9), thinned(5)
    between = emptied(before, after)
    assert between == [None, {"__type__": "update", "visible": True, "value": None}, "word"]
    for old, new, empty in zip(before, after, between, strict=True):
        assert turned(turned(old, empty), new) == new
    assert emptied(after, before) is None
    assert emptied([], after) is None
    assert emptied([[["a"], ["b"]]], [[["a"]]]) is None
