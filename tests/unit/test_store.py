"""Runs are kept: what goes into the file comes out of it, after a kill too."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bigmodel.datasets import DatasetConfig, Notice
from bigmodel.errors import DataError
from bigmodel.runs import Recipe, Runs, Store
from bigmodel.store import AT_ONCE, MOST_RUNS, _class, _decoded, _encoded, keeper, thinned
from bigmodel.train import Epoch, Member, Progress, TrainConfig
from tests.ui.made import epoch

ROOT = Path(__file__).parents[2]
ANN, BOB = "page1.ann", "page1.bob"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, pause=0.02)


def kept(store: Store, owner: str, events: list[Any], *, state: str = "done", recipe: Recipe | None = None) -> str:
    """A run that told these events and ended."""
    record = store.begin(owner, "train", recipe or Recipe({}))
    for event in events:
        record.add(event)
    if state != "running":
        record.end(state, None)
    store.flush()
    return record.id


def test_everything_comes_back_as_it_was(store: Store) -> None:
    """Events, recipe and digest are equal after the file: nested dataclasses, tuples, bytes, infinities, Chinese."""
    events = [
        epoch(0),
        epoch(1, members=3),
        Notice("picture", (("surface", bytes(range(256)) * 40),)),
        Progress(2, 10, 21, 200, 0.5, math.inf),
        Notice("renamed", (("columns", "größe, 高度"), ("rows", 7))),
    ]
    config = TrainConfig(widths=(3, 5), learning_rate=0.1 + 0.2)
    recipe = Recipe(
        {"config": config, "data": DatasetConfig(dataset="moons")}, lambda seen, e: {"n": seen.get("n", 0) + 1}
    )
    kept(store, ANN, events, recipe=recipe)
    (run,) = Store(store.path.parent).runs("ann", "train")
    assert run.recipe == dict(recipe.values)
    assert run.digest == {"n": 5}
    assert (run.state, run.owner, run.kind, run.error) == ("done", ANN, "train", None)
    assert list(store.events(run)) == events
    assert abs(run.begun - time.time()) < 60


def test_numbers_that_are_none_stay_so(store: Store) -> None:
    """NaN losses of a diverged epoch come back as NaN."""
    kept(store, ANN, [epoch(1, broken=True)])
    (back,) = store.events(store.runs("ann", "train")[0])
    assert isinstance(back, Epoch)
    assert math.isnan(back.valid_loss)
    assert back.members[0].diverged_at == 3


@pytest.mark.parametrize(
    "name",
    ["os:system", "bigmodel.store:Store", "bigmodel.train:train", "bigmodel.nowhere:X", "subprocess:Popen", "", ":"],
)
def test_only_frozen_dataclasses_of_the_package_are_made(name: str) -> None:
    """Any other name in the file makes nothing."""
    assert _class(name) is None
    assert _decoded({"#": name, "args": "ls"}) is None


def test_what_this_version_does_not_know_is_left_out(store: Store) -> None:
    """An event of a class that is gone, or that lost a field, is skipped; a field too many is dropped."""
    told = _encoded(epoch(1))
    assert _decoded({**told, "later": 1}) == epoch(1)
    told = _encoded(epoch(1))
    told.pop("valid_loss")
    assert _decoded(told) is None
    kept(store, ANN, [epoch(0), _Gone(1), epoch(1)])
    assert store.events(store.runs("ann", "train")[0]) == (epoch(0), epoch(1))


@dataclass(frozen=True)
class _Gone:
    """An event of another package."""

    number: int


def test_browsers_see_their_own_runs(store: Store) -> None:
    """A browser finds the runs of all its pages, a page its own last one, and nobody those of another browser."""
    first = kept(store, ANN, [epoch(0)])
    second = kept(store, "page2.ann", [epoch(0), epoch(1)])
    other = kept(store, BOB, [])
    assert [run.id for run in store.runs("ann", "train")] == [second, first]
    assert store.runs("ann", "compare") == ()
    assert [run.id for run in store.runs("bob", "train")] == [other]
    newest = store.newest(ANN, "train")
    assert newest is not None
    assert newest.id == first
    assert store.find(other, "ann") is None
    assert store.newest("page3.ann", "train") is None
    assert keeper("no dot") == "no dot"


def test_reading_makes_no_file(tmp_path: Path) -> None:
    """A lab in which nothing was trained leaves nothing on the disk."""
    store = Store(tmp_path / "data")
    assert store.runs("ann", "train") == ()
    assert store.newest(ANN, "train") is None
    assert not (tmp_path / "data").exists()


def test_errors_come_back_with_their_sentence(store: Store) -> None:
    """A run that failed says the same sentence when it is opened again."""
    record = store.begin(ANN, "train", Recipe({}))
    error = DataError("config.range", field="epochs", value=0, low=1.0, high=9.0)
    record.end("failed", error)
    (run,) = store.runs("ann", "train")
    assert run.state == "failed"
    assert str(run.error) == str(error)


def test_the_file_is_bounded_and_the_oldest_go_first(tmp_path: Path) -> None:
    """With ten times as much told as fits, the file stays within its bound, and the newest runs are those kept."""
    store = Store(tmp_path, largest=400_000, pause=0.0)
    noise = os.urandom
    told = []
    for _ in range(40):
        events = [Member(1.0, k, *[0.5] * 4, None) for k in range(3)]
        told.append(kept(store, ANN, [*events, Notice("noise", (("x", noise(50_000).hex()),))]))
    found = [run.id for run in store.runs("ann", "train", most=100)]
    assert 2 <= len(found) < 20
    assert found == told[::-1][: len(found)]
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        orphans = connection.execute("SELECT count(*) FROM events WHERE run NOT IN (SELECT id FROM runs)").fetchone()
    assert orphans == (0,)
    assert store.path.stat().st_size < 600_000


def test_a_browser_keeps_a_hundred_runs(store: Store) -> None:
    """One busy visitor does not push out the others: beyond a hundred the own oldest go."""
    other = kept(store, BOB, [epoch(0)])
    for _ in range(MOST_RUNS + 5):
        store.begin(ANN, "train", Recipe({})).end("done", None)
    store.flush()
    kept(store, ANN, [epoch(0)])
    assert len(store.runs("ann", "train", most=1000)) == MOST_RUNS
    assert [run.id for run in store.runs("bob", "train")] == [other]


def test_a_running_run_is_never_deleted(tmp_path: Path) -> None:
    """The bound takes ended runs only."""
    store = Store(tmp_path, largest=50_000, pause=0.0)
    here = kept(store, ANN, [epoch(0)], state="running")
    for _ in range(5):
        kept(store, BOB, [Notice("noise", (("x", os.urandom(50_000).hex()),))])
    assert [run.id for run in store.runs("ann", "train")] == [here]


def test_many_events_at_once_are_thinned() -> None:
    """Of ten thousand epochs in one write some hundred stay, the first and the last among them, in their order."""
    events: list[Any] = [epoch(k, 10_000) for k in range(10_000)]
    events.insert(5000, Notice("once", ()))
    some = thinned(events, AT_ONCE)
    assert AT_ONCE // 2 <= len(some) <= AT_ONCE + 2
    assert (some[0], some[-1]) == (events[0], events[-1])
    assert Notice("once", ()) in some
    numbers = [event.number for event in some if isinstance(event, Epoch)]
    assert numbers == sorted(numbers)
    assert thinned(events[:100], AT_ONCE) == events[:100]


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    """Garbage where the file should be is kept beside it, and runs are kept from then on."""
    (tmp_path / "runs.sqlite").write_bytes(b"this is no database" * 1000)
    store = Store(tmp_path, pause=0.0)
    assert store.runs("ann", "train") == ()
    kept(store, ANN, [epoch(0)])
    assert len(store.runs("ann", "train")) == 1
    assert (tmp_path / "runs.damaged").read_bytes().startswith(b"this is no database")


def test_a_disk_that_cannot_be_written_stops_no_run(tmp_path: Path) -> None:
    """Where no folder can be made the runs go on, and nothing is found later."""
    (tmp_path / "file").write_text("")
    runs = Runs(store=Store(tmp_path / "file" / "data"))
    run = runs.start(ANN, "train", lambda shelf: (k for k in range(100)), recipe=Recipe({}))
    assert run.wait(5)
    assert run.snapshot().state == "done"
    assert runs.kept(ANN, "train") == ()


def test_a_page_finds_its_run_after_a_restart(tmp_path: Path) -> None:
    """Another server finds the page's last run: its events, its end, its recipe on the shelf. Another page does not."""
    config = TrainConfig(epochs=3)
    first = Runs(store=Store(tmp_path, pause=0.02))
    run = first.start(ANN, "train", lambda s: (epoch(k) for k in range(2)), recipe=Recipe({"config": config}))
    assert run.wait(5)
    assert first.store is not None
    first.store.flush()
    second = Runs(store=Store(tmp_path))
    back = second.recall(ANN, "train")
    assert back is not None
    assert back.ended
    assert back.snapshot().state == "done"
    assert back.snapshot().events == (epoch(0), epoch(1))
    assert back.shelf["config"] == config
    assert second.get(ANN, "train") is back
    assert second.recall("page2.ann", "train") is None
    assert second.recall(ANN, "compare") is None
    back.pause()
    back.stop()
    assert back.snapshot().state == "done"


def test_runs_without_a_recipe_leave_no_trace(tmp_path: Path) -> None:
    """What a model wrote or heard is not kept."""
    runs = Runs(store=Store(tmp_path))
    assert runs.start(ANN, "generate", lambda s: (k for k in range(2))).wait(5)
    assert runs.recall("page2.ann", "generate") is None
    assert not (tmp_path / "runs.sqlite").exists()


def test_laid_over_runs_stay_over_the_next_one(store: Store) -> None:
    """Earlier runs are shown with the present one and the one after it, and alone when there is none."""
    kept(store, ANN, [epoch(0), epoch(1)])
    runs = Runs(store=store)
    (past,) = runs.kept(ANN, "train")
    runs.lay_over(ANN, "train", [(past, "the first")])
    run = runs.get(ANN, "train")
    assert run is not None
    assert run.snapshot().events == ()
    (laid,) = run.snapshot().others
    assert (laid.name, laid.id, laid.events) == ("the first", past.id, (epoch(0), epoch(1)))
    version = run.version
    runs.lay_over(ANN, "train", [])
    assert run.snapshot().others == ()
    assert run.version > version
    runs.lay_over(ANN, "train", [(past, "the first")])
    after = runs.start(ANN, "train", lambda s: (epoch(k) for k in range(1)))
    assert after.wait(5)
    assert [other.name for other in after.snapshot().others] == ["the first"]


_TRAINING = """
import sys, time
from bigmodel.runs import Recipe, Runs, Store
from bigmodel.train import Progress
def job(shelf):
    for number in range(100_000):
        time.sleep(0.01)
        yield Progress(number, 100_000, number, 100_000, time.time(), 0.5)
        print(number, time.time(), flush=True)
Runs(store=Store(sys.argv[1])).start("page1.ann", "train", job, recipe=Recipe({"of": 100_000})).wait()
"""


def test_a_kill_in_mid_run_loses_less_than_a_second(tmp_path: Path) -> None:
    """kill -9 on a process that trains: the run is found as interrupted, and all but its last second is there."""
    child = subprocess.Popen(
        [sys.executable, "-c", _TRAINING, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(child.stdout or ()), daemon=True)
    reader.start()
    end = time.monotonic() + 60
    while len(lines) < 150:
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    reader.join(5)
    store = Store(tmp_path)
    (run,) = store.runs("ann", "train")
    assert run.state == "interrupted"
    assert run.recipe == {"of": 100_000}
    events = store.events(run)
    numbers = [event.number for event in events]
    assert numbers == list(range(len(numbers)))
    last_told = float(lines[-1].split()[1])
    assert last_told - events[-1].seconds < 1.0
    back = Runs(store=store).recall(ANN, "train")
    assert back is not None
    assert back.snapshot().state == "interrupted"
