"""A run: one thread drives one generator; its events are kept, followed, paused and stopped.

A job's generator is made, advanced and closed on one thread, so grad mode, seeds and files never change hands. The page
only reads: `run.snapshot()` is all there is to know, at any moment, from any window. Pause is not asking for the next
event; stop is closing the generator between two events. Who watches makes no difference, and nobody needs to.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

from bigmodel.errors import BigModelError, RunError
from bigmodel.store import Kept, Recipe, Record, Store, keeper

__all__ = ["ENDED", "Earlier", "Kept", "Recipe", "Run", "Runs", "Shelf", "Snapshot", "Store"]

# "interrupted": the server ended before the run did; what it had told by then was kept.
State = Literal["waiting", "running", "paused", "done", "stopped", "failed", "interrupted"]
ENDED: tuple[State, ...] = ("done", "stopped", "failed", "interrupted")
# What a job leaves behind that is no event: the trained network, the data it saw.
Shelf = dict[str, Any]
Job = Callable[[Shelf], Iterator[Any]]
Conclusion = Callable[[Shelf], Iterator[Any]]

MOST_EVENTS = 20_000
_END = object()
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Earlier:
    """A kept run that is laid over the present one."""

    id: str
    name: str
    events: tuple[Any, ...]


@dataclass(frozen=True)
class Snapshot:
    """A run as it stands: complete enough to draw the page from it alone. `version` grows with every change, `place` is
    the place in the queue (0: not waiting), `seconds` count from the first event. `others` are earlier runs laid over
    it; `past` is what is looked at instead of its newest state (None: the newest)."""

    state: State
    events: tuple[Any, ...]
    version: int
    place: int
    seconds: float
    error: BigModelError | None
    others: tuple[Earlier, ...] = ()
    past: Any = None


class Run:
    """One generator on one thread of its own. All methods may be called from any thread.

    An event that only belongs to the one after it (a picture, a remark) has `paced = False`: it is no step of its own,
    neither for `step` nor for `set_rate`. None is no event: a piece of work is done, and there is nothing to tell.
    """

    def __init__(self, owner: str, kind: str, job: Job, conclude: Conclusion | None, lobby: Lobby, rate: float) -> None:
        self.owner = owner
        self.kind = kind
        self.shelf: Shelf = {}
        self.id = ""
        self._job = job
        self._conclude = conclude
        self._lobby = lobby
        self._rate = rate
        self._changed = threading.Condition()
        self._state: State = "waiting"
        self._events: list[Any] = []
        self._version = 0
        self._error: BigModelError | None = None
        self._begun = self._ended = self._told = 0.0
        self._steps = 0
        self._stop = self._over = False
        self._record: Record | None = None
        self._others: tuple[Earlier, ...] = ()
        self._past: Any = None
        self._last: Callable[[Any], bool] | None = None
        self._thread = threading.Thread(target=self._drive, name=f"run-{kind}", daemon=True)

    def begin(self, record: Record | None = None) -> Run:
        """Start the thread; the run waits there for its turn. `record` is told what happens."""
        self._record = record
        self.id = record.id if record else ""
        self._thread.start()
        return self

    def restore(self, kept: Kept, events: tuple[Any, ...]) -> Run:
        """Be a run of the past: as it was kept, ended, with its recipe on the shelf."""
        self.shelf.update(kept.recipe)
        self.id = kept.id
        with self._changed:
            self._events, self._error, self._over = list(events), kept.error, True
            self._turn_to(next((state for state in ENDED if state == kept.state), "interrupted"))
        return self

    def lay_over(self, others: tuple[Earlier, ...]) -> None:
        """Show earlier runs with this one."""
        with self._changed:
            self._others = others
            self._version += 1
            self._changed.notify_all()

    def look_at(self, past: Any) -> None:
        """Show something that was, instead of the newest; None: the newest again."""
        with self._changed:
            self._past = past
            self._version += 1
            self._changed.notify_all()

    @property
    def rate(self) -> float:
        """Events per second for an audience; 0 means full speed."""
        return self._rate

    @property
    def others(self) -> tuple[Earlier, ...]:
        """The earlier runs that are laid over this one."""
        return self._others

    def snapshot(self) -> Snapshot:
        """The run as it stands."""
        with self._changed:
            now = self._ended or time.monotonic()
            seconds = now - self._begun if self._begun else 0.0
            events, state, version, error = tuple(self._events), self._state, self._version, self._error
            others, past = self._others, self._past
        return Snapshot(state, events, version, self.place, seconds, error, others, past)

    @property
    def version(self) -> int:
        """A number that grows with every change: cheap to compare before a snapshot."""
        return self._version

    @property
    def state(self) -> State:
        """What it is doing, without a snapshot."""
        return self._state

    @property
    def place(self) -> int:
        """The place in the queue, 0 when it does not wait. It moves without a change of the run itself."""
        return self._lobby.place(self) if self._state == "waiting" else 0

    @property
    def ended(self) -> bool:
        """Whether the job is over. After a stop its conclusion may still come."""
        return self._state in ENDED

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self._over

    def pause(self) -> None:
        """Ask for no further event until `resume`. The slot goes to whoever waits."""
        with self._changed:
            if self._state == "running":
                self._turn_to("paused")

    def resume(self) -> None:
        """Go on after a pause, as soon as a slot is free."""
        with self._changed:
            if self._state == "paused":
                self._last = None
                self._turn_to("waiting")

    def step(self, last: Callable[[Any], bool] | None = None) -> None:
        """Ask a paused run for one event more, or for all up to the first for which `last` is true."""
        with self._changed:
            if self._state == "paused":
                self._steps, self._last = self._steps + 1, last
                self._changed.notify_all()

    def set_rate(self, events_per_second: float) -> None:
        """Slow the run down for an audience; 0 means full speed."""
        with self._changed:
            self._rate = events_per_second
            self._changed.notify_all()

    def stop(self) -> None:
        """Close the generator as soon as the present step ends. What there is stays."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()

    def tell(self, event: Any) -> None:
        """Add an event that is not the job's own: what somebody asked of what there is. Also after the end."""
        self._keep(event)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the run is over; False if `timeout` seconds went by first."""
        with self._changed:
            return self._changed.wait_for(lambda: self.over, timeout)

    # ---- on the run's own thread -----------------------------------------------------------------------------------

    def _drive(self) -> None:
        end: State = "failed"
        try:
            end = self._play()
            if end == "stopped":  # whoever pressed the button is told at once, not when the rest has been measured
                self._end(end)
            if self._conclude is not None and self._events and self._lobby.enter(self, lambda: False):
                for event in self._conclude(self.shelf):
                    self._keep(event)
        except BigModelError as error:
            self._error, end = error, "failed"
        except Exception:
            _log.exception("a %s run failed", self.kind)
            self._error, end = RunError("unexpected"), "failed"
        finally:
            self._lobby.leave(self)
            with self._changed:
                self._over = True
                self._end(end)
            if self._record is not None:
                self._record.end(end, self._error)

    def _end(self, state: State) -> None:
        with self._changed:
            self._ended = self._ended or time.monotonic()
            self._turn_to(state)

    def _play(self) -> State:
        with closing(self._job(self.shelf)) as events:  # type: ignore[type-var]
            while self._may_go_on():
                event = next(events, _END)
                while (event is None or not getattr(event, "paced", True)) and not self._stop:
                    if event is not None:
                        self._keep(event)
                    event = next(events, _END)
                if event is _END:
                    return "done"
                if event is not None:
                    self._keep(event)
                    if self._last is not None and self._last(event):
                        self._last = None
                    self._take_time()
        return "stopped"

    def _may_go_on(self) -> bool:
        """Wait for a slot, and while paused; False when the run is to stop."""
        with self._changed:
            if self._state == "paused" and not self._stop and (self._last is None or self._steps > 0):
                self._lobby.leave(self)
                self._changed.wait_for(lambda: self._state != "paused" or self._steps > 0 or self._stop)
                if self._steps > 0:
                    self._steps -= 1
        if not self._lobby.enter(self, lambda: self._stop):
            return False
        with self._changed:
            if self._state == "waiting":
                self._turn_to("running")
        return not self._stop

    def _keep(self, event: Any) -> None:
        with self._changed:
            # Time counts from the first event: what loads before it is no part of the job.
            self._begun = self._begun or time.monotonic()
            self._events.append(event)
            if len(self._events) > MOST_EVENTS:
                # The older half is thinned, never cut off: a curve keeps its beginning at a lower resolution.
                half = MOST_EVENTS // 2
                self._events[:half] = self._events[:half:2]
            self._version += 1
            self._changed.notify_all()
        if self._record is not None:
            self._record.add(event)

    def _take_time(self) -> None:
        """Wait until an event may follow the last one: what took its time by itself is not slowed down further."""
        with self._changed:
            self._told = self._told or time.monotonic()
            while self._rate > 0 and not self._stop and self._state == "running":
                left = self._told + 1 / self._rate - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._told = time.monotonic()

    def _turn_to(self, state: State) -> None:
        # The version first: whoever sees the new state without the lock must see that there is something new.
        self._version += 1
        self._state = state
        self._changed.notify_all()


class Lobby:
    """A fair queue: at most `slots` runs at once. A free slot goes to the owner with the fewest running, then to the
    first come."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._inside: list[Run] = []
        self._waiting: list[Run] = []
        self._moved = threading.Condition()

    def enter(self, run: Run, gave_up: Callable[[], bool]) -> bool:
        """Block until `run` has a slot (True) or gave up (False). Who is inside already stays inside."""
        with self._moved:
            if run in self._inside:
                return not gave_up()
            self._waiting.append(run)
            try:
                # The short timeout is for `gave_up`, which is told under another lock.
                while not gave_up() and not self._is_next(run):
                    self._moved.wait(0.05)
            finally:
                self._waiting.remove(run)
                self._moved.notify_all()
            if gave_up():
                return False
            self._inside.append(run)
            return True

    def leave(self, run: Run) -> None:
        """Give the slot back."""
        with self._moved:
            if run in self._inside:
                self._inside.remove(run)
            self._moved.notify_all()

    def place(self, run: Run) -> int:
        """How many runs stand before this one, itself counted: 0 when it does not wait."""
        with self._moved:
            order = self._order()
            return order.index(run) + 1 if run in order else 0

    def _is_next(self, run: Run) -> bool:
        return len(self._inside) < self.slots and self._order()[0] is run

    def _order(self) -> list[Run]:
        return sorted(self._waiting, key=lambda waiting: sum(run.owner == waiting.owner for run in self._inside))


class Runs:
    """The runs of all visitors: the last one of each kind per owner. Owners see their own only.

    With a `store`, runs that have a recipe are kept there, and an owner's last one is found again after a restart.
    """

    def __init__(
        self, *, slots: int = 2, grace: float = 20.0, most_owners: int = 300, store: Store | None = None
    ) -> None:
        self.store = store
        self._lobby = Lobby(slots)
        self._grace = grace
        self._most_owners = most_owners
        self._runs: dict[str, dict[str, Run]] = {}
        self._pages: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def start(
        self,
        owner: str,
        kind: str,
        job: Job,
        *,
        conclude: Conclusion | None = None,
        rate: float = 0.0,
        recipe: Recipe | None = None,
    ) -> Run:
        """Start a run; the owner's last one of this kind is stopped and forgotten. What was laid over it stays."""
        run = Run(owner, kind, job, conclude, self._lobby, rate)
        self._replace(run)
        return run.begin(self.store.begin(owner, kind, recipe) if self.store and recipe else None)

    def _replace(self, run: Run) -> None:
        with self._lock:
            mine = self._runs.pop(run.owner, {})
            before = mine.get(run.kind)
            if before is not None:
                run.lay_over(before.others)
            self._runs[run.owner] = {**mine, run.kind: run}
            forgotten = list(self._runs)[: -self._most_owners]
            gone = [r for name in forgotten for r in self._runs.pop(name).values()]
        for old in [before, *gone]:
            if old is not None:
                old.stop()

    def get(self, owner: str, kind: str) -> Run | None:
        """The owner's last run of this kind."""
        with self._lock:
            return self._runs.get(owner, {}).get(kind)

    def recall(self, owner: str, kind: str) -> Run | None:
        """The owner's last run of this kind, from the store when the server has not seen it. It may read the disk."""
        run = self.get(owner, kind)
        kept = self.store.newest(owner, kind) if self.store and run is None else None
        return self.reopen(owner, kept) if kept else run

    def reopen(self, owner: str, kept: Kept) -> Run:
        """Make a kept run the owner's present one. It reads the disk."""
        events = self.store.events(kept) if self.store else ()
        run = self._past(owner, kept.kind).restore(kept, events)
        self._replace(run)
        if self.store and kept.recipe.get("under"):
            # What lay under it at its start: the run that it was forked from.
            found = [(self.store.find(str(name), keeper(owner)), title) for name, title in kept.recipe["under"]]
            self.lay_over(owner, kept.kind, [(one, str(title)) for one, title in found if one])
        return run

    def kept(self, owner: str, kind: str) -> tuple[Kept, ...]:
        """The kept runs of the owner's browser, the newest first. It reads the disk."""
        return self.store.runs(keeper(owner), kind) if self.store else ()

    def lay_over(self, owner: str, kind: str, runs: Sequence[tuple[Kept, str]]) -> None:
        """Show kept runs with the owner's present one, or alone. It reads the disk."""
        others = tuple(Earlier(kept.id, name, self.store.events(kept)) for kept, name in runs if self.store)
        run = self.get(owner, kind)
        if run is None:
            run = self._past(owner, kind)
            self._replace(run.restore(Kept("", owner, kind, "done", 0.0, {}, {}, None), ()))
        run.lay_over(others)

    def _past(self, owner: str, kind: str) -> Run:
        """A run with nothing to do."""
        return Run(owner, kind, lambda shelf: iter(()), None, self._lobby, 0.0)

    def arrive(self, owner: str, page: str) -> None:
        """A page of this owner is open."""
        with self._lock:
            self._pages.setdefault(owner, set()).add(page)

    def depart(self, page: str) -> None:
        """A page has closed. Its owners' runs stop after the grace, unless a page is open again by then (a reload)."""
        with self._lock:
            owners = [name for name, pages in self._pages.items() if page in pages]
            for owner in owners:
                self._pages[owner].discard(page)
        for owner in owners:
            timer = threading.Timer(self._grace, self._abandon, [owner])
            timer.daemon = True
            timer.start()

    def _abandon(self, owner: str) -> None:
        with self._lock:
            if self._pages.get(owner):
                return
            self._pages.pop(owner, None)
            runs = list(self._runs.get(owner, {}).values())
        for run in runs:
            run.stop()
