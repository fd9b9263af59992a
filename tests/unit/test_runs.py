"""Runs: one thread a generator, pause, stop, fair turns, and pages that come and go."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from bigmodel.errors import DataError
from bigmodel.runs import MOST_EVENTS, Run, Runs


def count(to: int, delay: float = 0.0, threads: set[int] | None = None, closed: list[bool] | None = None):
    def job(shelf: dict[str, object]) -> Iterator[int]:
        try:
            for i in range(to):
                if threads is not None:
                    threads.add(threading.get_ident())
                time.sleep(delay)
                shelf["last"] = i
                yield i
        finally:
            if threads is not None:
                threads.add(threading.get_ident())
            if closed is not None:
                closed.append(True)

    return job


def until(fact, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def test_all_events_are_kept_in_order() -> None:
    """A run that nobody watches ends as done, with each event in order and what it left on the shelf."""
    run = Runs().start("ann", "train", count(50))
    assert run.wait(5)
    assert run.snapshot().state == "done"
    assert run.snapshot().events == tuple(range(50))
    assert run.shelf["last"] == 49


def test_one_thread_from_birth_to_close() -> None:
    """Pausing, going on and stopping from other threads leaves the generator on its one thread, to its `finally`."""
    threads: set[int] = set()
    closed: list[bool] = []
    run = Runs().start("ann", "train", count(10_000, 0.001, threads, closed))
    until(lambda: len(run.snapshot().events) > 3)
    run.pause()
    until(lambda: run.snapshot().state == "paused")
    run.resume()
    run.stop()
    assert run.wait(5)
    assert closed == [True]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_stop_ends_between_two_events() -> None:
    """Stop ends a run within a step and keeps what there is."""
    run = Runs().start("ann", "train", count(10_000, 0.001))
    until(lambda: len(run.snapshot().events) > 3)
    asked = time.monotonic()
    run.stop()
    assert run.wait(5)
    assert time.monotonic() - asked < 1
    snapshot = run.snapshot()
    assert snapshot.state == "stopped"
    assert 3 < len(snapshot.events) < 10_000


def test_pause_asks_for_nothing_and_step_for_one() -> None:
    """A paused run stands still; a step brings one event; resume goes on."""
    run = Runs().start("ann", "train", count(10_000, 0.001))
    until(lambda: len(run.snapshot().events) > 3)
    run.pause()
    time.sleep(0.05)
    stood = len(run.snapshot().events)
    time.sleep(0.05)
    assert len(run.snapshot().events) == stood
    run.step()
    until(lambda: len(run.snapshot().events) == stood + 1)
    assert run.snapshot().state == "paused"
    run.resume()
    until(lambda: len(run.snapshot().events) > stood + 3)
    run.stop()


class Aside:
    """An event that belongs to the one after it."""

    paced = False


def test_what_belongs_to_the_next_event_is_no_step() -> None:
    """An event with `paced = False` costs neither a step of a paused run nor the time of its pace; None is none."""

    def job(shelf: dict[str, object]) -> Iterator[object]:
        for i in range(100):
            yield Aside()
            yield None
            yield i

    run = Runs().start("ann", "train", job, rate=50.0)
    until(lambda: len(run.snapshot().events) >= 4)
    run.pause()
    time.sleep(0.05)
    stood = run.snapshot().events
    assert isinstance(stood[-1], int)
    run.step()
    until(lambda: len(run.snapshot().events) == len(stood) + 2)
    assert run.snapshot().events[-1] == stood[-1] + 1
    run.stop()


def test_conclusion_follows_stop_too() -> None:
    """What concludes a run (the test scores) is there after a stop as after the end."""
    runs = Runs()

    def conclude(shelf: dict[str, object]) -> Iterator[str]:
        yield f"last was {shelf['last']}"

    whole = runs.start("ann", "train", count(3), conclude=conclude)
    assert whole.wait(5)
    assert whole.snapshot().events[-1] == "last was 2"
    cut = runs.start("ann", "train", count(10_000, 0.001), conclude=conclude)
    until(lambda: len(cut.snapshot().events) > 3)
    cut.stop()
    assert cut.wait(5)
    assert str(cut.snapshot().events[-1]).startswith("last was ")


def test_a_stop_is_told_before_the_conclusion() -> None:
    """Whoever stops a run sees it stopped at once; what concludes it comes after, and only then is the run over."""
    free = threading.Event()

    def conclude(shelf: dict[str, object]) -> Iterator[str]:
        assert free.wait(5)
        yield "the scores"

    run = Runs().start("ann", "train", count(10_000, 0.001), conclude=conclude)
    until(lambda: len(run.snapshot().events) > 3)
    run.stop()
    until(lambda: run.snapshot().state == "stopped")
    assert run.ended
    assert not run.over
    assert run.snapshot().events[-1] != "the scores"
    before, version = run.snapshot().seconds, run.version
    free.set()
    assert run.wait(5)
    assert run.over
    assert run.version > version
    assert run.snapshot().events[-1] == "the scores"
    assert (run.snapshot().state, run.snapshot().seconds) == ("stopped", before)


def test_failures_are_told() -> None:
    """An error of ours is kept as it is; any other becomes one plain sentence, and neither kills the server."""

    def ours(shelf: dict[str, object]) -> Iterator[int]:
        yield 1
        raise DataError("unexpected")

    def foreign(shelf: dict[str, object]) -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    for job, kind in ((ours, DataError), (foreign, Exception)):
        run = Runs().start("ann", "train", job)
        assert run.wait(5)
        assert run.snapshot().state == "failed"
        assert isinstance(run.snapshot().error, kind)
        assert run.snapshot().events == (1,)


def test_owners_see_their_own() -> None:
    """Two visitors with a run of the same kind never meet; a new run of a kind replaces the last."""
    runs = Runs(slots=4)
    first = runs.start("ann", "train", count(10_000, 0.001))
    other = runs.start("bob", "train", count(3))
    assert runs.get("ann", "train") is first
    assert runs.get("bob", "train") is other
    assert runs.get("bob", "compare") is None
    second = runs.start("ann", "train", count(3))
    assert first.wait(5)
    assert first.snapshot().state == "stopped"
    assert runs.get("ann", "train") is second


def test_fair_turns() -> None:
    """One slot: a visitor who waits goes before the second run of the one who runs already, and the place is shown."""
    runs = Runs(slots=2)
    long = [runs.start("ann", kind, count(10_000, 0.001)) for kind in ("train", "compare")]
    until(lambda: all(run.snapshot().state == "running" for run in long))
    third = runs.start("ann", "generate", count(3))
    until(lambda: third.snapshot().place == 1)
    bob = runs.start("bob", "train", count(10_000, 0.001))
    until(lambda: third.snapshot().place == 2)
    assert bob.snapshot().place == 1
    long[0].stop()
    until(lambda: bob.snapshot().state == "running")
    assert third.snapshot().state == "waiting"
    third.stop()
    assert third.wait(5)
    assert third.snapshot().events == ()
    for run in (long[1], bob):
        run.stop()


def test_pause_frees_the_slot() -> None:
    """A paused run lets another one go first."""
    runs = Runs(slots=1)
    slow = runs.start("ann", "train", count(10_000, 0.001))
    until(lambda: slow.snapshot().state == "running")
    slow.pause()
    quick = runs.start("bob", "train", count(3))
    assert quick.wait(5)
    assert quick.snapshot().state == "done"
    slow.stop()
    assert slow.wait(5)


def test_reload_keeps_and_close_stops() -> None:
    """A page back within the grace keeps the run; a page closed for good stops it. A page may close twice."""
    runs = Runs(grace=0.15)
    run: Run = runs.start("ann", "train", count(100_000, 0.001))
    runs.arrive("ann", "page 1")
    runs.depart("page 1")
    runs.depart("page 1")
    runs.arrive("ann", "page 2")
    time.sleep(0.3)
    assert not run.ended
    runs.depart("page 2")
    assert run.wait(5)
    assert run.snapshot().state == "stopped"


def test_rate_slows_and_stop_does_not_wait() -> None:
    """At two events a second a stop still takes effect at once."""
    run = Runs().start("ann", "train", count(100), rate=2.0)
    until(lambda: len(run.snapshot().events) == 1)
    asked = time.monotonic()
    run.stop()
    assert run.wait(5)
    assert time.monotonic() - asked < 0.3


@pytest.mark.parametrize("events", [MOST_EVENTS * 2])
def test_log_is_bounded(events: int) -> None:
    """A long run keeps its first and last events and a bounded number between."""
    run = Runs().start("ann", "train", count(events))
    assert run.wait(30)
    kept = run.snapshot().events
    assert len(kept) <= MOST_EVENTS
    assert kept[0] == 0
    assert kept[-1] == events - 1
    assert list(kept) == sorted(kept)
