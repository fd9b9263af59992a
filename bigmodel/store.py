"""Runs are kept: an SQLite file that outlives the server, bounded in size.

A run tells its `Record` every event; one writer thread puts what was told into the file at most every half second, in
one transaction, so that a process killed in the middle of a run loses no more than that. Events are frozen dataclasses
of plain values and are kept as compressed JSON with the name of their class: nothing is unpickled, and only frozen
dataclasses of this package are made anew. A disk that is full or forbidden costs the memory of runs, never a run.

Runs go by two names: the owner is a visitor's page; the keeper, what the owner's name has after its last dot, is the
browser, so that a person finds the runs of a closed page again.
"""

from __future__ import annotations

import atexit
import base64
import importlib
import json
import logging
import secrets
import sqlite3
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bigmodel.errors import BigModelError

LARGEST = 64 * 2**20
"""Bytes of all runs together; beyond them the oldest ended runs go."""

PAUSE = 0.5
"""Seconds between two writes."""

AT_ONCE = 250
"""Events of one kind in one write; more are thinned evenly. A chart draws 500 points of a whole run."""

MOST_RUNS = 100
"""Runs of one keeper."""

ONE_RUN = 8 * 2**20
"""Bytes of one run; beyond them one event of a kind a write is kept."""

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, keeper TEXT NOT NULL, kind TEXT NOT NULL, session TEXT NOT NULL,
    state TEXT NOT NULL, begun REAL NOT NULL, recipe TEXT NOT NULL, digest TEXT NOT NULL, error TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_keeper ON runs (keeper, kind, begun);
CREATE INDEX IF NOT EXISTS by_owner ON runs (owner, kind, begun);
CREATE TABLE IF NOT EXISTS events (run TEXT NOT NULL, chunk BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS by_run ON events (run);
"""
_log = logging.getLogger(__name__)

Digest = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """What a run was made of: by name, what its shelf holds from the start; and how its events are summed up for a
    list: `digest(so far, event)` gives a small dictionary of plain values. Where events change what the run is made of,
    `amend(values, event)` gives the new values."""

    values: Mapping[str, Any]
    digest: Digest = field(default=lambda so_far, event: so_far)
    amend: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] = field(default=lambda values, event: values)


@dataclass(frozen=True)
class Kept:
    """A kept run without its events. `state` is "interrupted" when the server ended before the run did."""

    id: str
    owner: str
    kind: str
    state: str
    begun: float
    recipe: dict[str, Any]
    digest: dict[str, Any]
    error: BigModelError | None


def folder(wish: str | Path | None = None) -> Path:
    """Where the app keeps its data: `wish`, or the place that the system has for it."""
    if wish:
        return Path(wish).expanduser()
    places = {"win32": ("AppData", "Local"), "darwin": ("Library", "Application Support")}
    try:
        return Path.home().joinpath(*places.get(sys.platform, (".local", "share")), "bigmodel-lab")
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir(), "bigmodel-lab")


def keeper(owner: str) -> str:
    """The browser of a visitor's page."""
    return owner.rpartition(".")[2]


class Record:
    """What one run tells the store. All methods may be called from any thread, and none of them waits for the disk."""

    def __init__(self, store: Store, owner: str, kind: str, recipe: Recipe) -> None:
        self.id = secrets.token_hex(16)
        self.owner, self.kind, self.recipe = owner, kind, recipe
        self.begun = time.time()
        self.state = "running"
        self.error: BigModelError | None = None
        self.digest: dict[str, Any] = {}
        self.values = recipe.values
        self.bytes = 0
        self.told: list[Any] = []
        self._store = store

    def add(self, event: Any) -> None:
        """An event of the run."""
        self._store.tell(self, [event])

    def end(self, state: str, error: BigModelError | None) -> None:
        """Nothing more will come."""
        self.state, self.error = state, error
        self._store.tell(self, [])


class Store:
    """The file of all kept runs. It is made when the first run begins; until then reading finds nothing."""

    def __init__(self, place: str | Path | None = None, *, largest: int = LARGEST, pause: float = PAUSE) -> None:
        self.path = folder(place) / "runs.sqlite"
        self._largest = largest
        self._pause = pause
        self._session = secrets.token_hex(8)
        self._changed = threading.Condition()
        self._waiting: list[Record] = []
        self._writing = self._hurry = self._broken = False
        self._writer: threading.Thread | None = None

    def begin(self, owner: str, kind: str, recipe: Recipe) -> Record:
        """A run begins."""
        record = Record(self, owner, kind, recipe)
        self.tell(record, [])
        return record

    def tell(self, record: Record, events: list[Any]) -> None:
        """Let the writer know."""
        with self._changed:
            if self._broken:
                return
            if self._writer is None:
                self._writer = threading.Thread(target=self._work, name="store", daemon=True)
                self._writer.start()
                atexit.register(self.flush)
            record.told += events
            if record not in self._waiting:
                self._waiting.append(record)
                self._changed.notify_all()

    def flush(self, timeout: float = 2.0) -> None:
        """Wait until all that was told is in the file."""
        with self._changed:
            self._hurry = bool(self._waiting)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._broken or not (self._waiting or self._writing), timeout)

    # ---- reading ---------------------------------------------------------------------------------------------------

    def runs(self, of_keeper: str, kind: str, most: int = 30) -> tuple[Kept, ...]:
        """The runs of a browser, the newest first."""
        return self._found("keeper = ? AND kind = ? ORDER BY begun DESC LIMIT ?", of_keeper, kind, most)

    def newest(self, owner: str, kind: str) -> Kept | None:
        """The last run of a page."""
        return next(iter(self._found("owner = ? AND kind = ? ORDER BY begun DESC LIMIT 1", owner, kind)), None)

    def find(self, run: str, of_keeper: str) -> Kept | None:
        """A run of this browser, by its id."""
        return next(iter(self._found("id = ? AND keeper = ?", run, of_keeper)), None)

    def events(self, run: Kept) -> tuple[Any, ...]:
        """The events of a run, without those that this version of the lab does not know."""
        rows = self._read("SELECT chunk FROM events WHERE run = ? ORDER BY rowid", run.id)
        told = (item for (chunk,) in rows for item in json.loads(zlib.decompress(chunk)))
        return tuple(event for event in map(_decoded, told) if event is not None)

    def _found(self, where: str, *values: Any) -> tuple[Kept, ...]:
        asked = f"SELECT id, owner, kind, state, begun, recipe, digest, error, session FROM runs WHERE {where}"
        return tuple(self._kept(*row) for row in self._read(asked, *values))

    def _kept(
        self, run: str, owner: str, kind: str, state: str, begun: float, recipe: str, digest: str, error: str, by: str
    ) -> Kept:
        values = {name: _decoded(value) for name, value in json.loads(recipe).items()}
        key, said = json.loads(error) or ("", {})
        if state == "running" and by != self._session:
            state = "interrupted"
        return Kept(
            run, owner, kind, state, begun, values, json.loads(digest), BigModelError(key, **said) if key else None
        )

    def _read(self, query: str, *values: Any) -> list[Any]:
        self.flush()
        if not self.path.exists():
            return []
        try:
            with closing(sqlite3.connect(self.path, timeout=5)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.Error:
            _log.exception("the kept runs in %s cannot be read", self.path)
            return []

    # ---- on the writer's thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with closing(self._open()) as connection:
                while True:
                    self._write(connection, self._gathered())
        except (sqlite3.Error, OSError):
            _log.exception("runs are not kept: %s cannot be written", self.path)
            with self._changed:
                self._broken, self._writing, self._waiting = True, False, []
                self._changed.notify_all()

    def _gathered(self) -> list[tuple[Record, list[Any]]]:
        """Wait for something to write, then for the pause; what was told by then."""
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: bool(self._waiting))
            self._changed.wait_for(lambda: self._hurry, self._pause)
            batch = [(record, record.told) for record in self._waiting]
            for record in self._waiting:
                record.told = []
            self._waiting, self._writing, self._hurry = [], True, False
            return batch

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._prepared()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            # No database, or a damaged one: it is put aside, not deleted.
            self.path.replace(self.path.with_suffix(".damaged"))
            for rest in ("-wal", "-shm"):
                self.path.with_name(self.path.name + rest).unlink(missing_ok=True)
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=5)
        # A kill takes nothing that is in the log; only a loss of power may take the last seconds.
        for pragma in (
            "auto_vacuum=INCREMENTAL",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "journal_size_limit=4000000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, _VERSION):
            raise sqlite3.DatabaseError("made by another version")
        connection.executescript(_SCHEMA + f"PRAGMA user_version={_VERSION};")
        return connection

    def _write(self, connection: sqlite3.Connection, batch: list[tuple[Record, list[Any]]]) -> None:
        with connection:
            for record, events in batch:
                self._write_run(connection, record, events)
        self._trim(connection, {keeper(record.owner) for record, _ in batch})

    def _write_run(self, connection: sqlite3.Connection, record: Record, events: list[Any]) -> None:
        events = [event for event in events if event is not None]
        values = record.values
        for event in events:
            record.digest = record.recipe.digest(record.digest, event)
            record.values = record.recipe.amend(record.values, event)
        said = record.error.values.items() if record.error else ()
        error = None
        if record.error:
            plain = {name: value if isinstance(value, (int, float)) else str(value) for name, value in said}
            error = [record.error.key, plain]
        told = (json.dumps(record.digest), json.dumps(error), record.state)
        recipe = json.dumps({name: _encoded(value) for name, value in record.values.items()})
        if not record.bytes:
            row = (record.id, record.owner, keeper(record.owner), record.kind, self._session, record.begun, recipe)
            connection.execute(
                "INSERT OR IGNORE INTO runs (id, owner, keeper, kind, session, begun, recipe, digest, error, state)"
                " VALUES (?,?,?,?,?,?,?,?,?,?)", (*row, *told),
            )  # fmt: skip
            record.bytes = len(recipe)
        else:
            connection.execute("UPDATE runs SET digest = ?, error = ?, state = ? WHERE id = ?", (*told, record.id))
            if record.values is not values:
                connection.execute("UPDATE runs SET recipe = ? WHERE id = ?", (recipe, record.id))
        kept = [_encoded(event) for event in thinned(events, AT_ONCE if record.bytes < ONE_RUN else 1)]
        if kept:
            chunk = zlib.compress(json.dumps(kept, separators=(",", ":")).encode(), 3)
            record.bytes += len(chunk)
            # A run that has been deleted meanwhile stays so.
            connection.execute(
                "INSERT INTO events SELECT ?, ? WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?)",
                (record.id, chunk, record.id),
            )

    def _trim(self, connection: sqlite3.Connection, keepers: Iterable[str]) -> None:
        """Delete the oldest ended runs: of the keepers that have too many, then of all while the file is too large."""
        ended = f"NOT (state = 'running' AND session = '{self._session}')"
        for name in keepers:
            asked = f"SELECT id FROM runs WHERE keeper = ? AND {ended} ORDER BY begun DESC LIMIT -1 OFFSET ?"
            for (run,) in connection.execute(asked, (name, MOST_RUNS)).fetchall():
                _delete(connection, run)
        while _size(connection) > self._largest:
            oldest = connection.execute(f"SELECT id FROM runs WHERE {ended} ORDER BY begun LIMIT 1").fetchone()
            if oldest is None:
                break
            _delete(connection, oldest[0])


def _delete(connection: sqlite3.Connection, run: str) -> None:
    with connection:
        connection.execute("DELETE FROM events WHERE run = ?", (run,))
        connection.execute("DELETE FROM runs WHERE id = ?", (run,))
    connection.execute("PRAGMA incremental_vacuum").fetchall()


def _size(connection: sqlite3.Connection) -> int:
    asked = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in asked)
    return (pages - free) * size


def thinned(events: list[Any], most: int) -> list[Any]:
    """The events in their order, of each class at most `most` and its last one."""
    counts: dict[type, int] = {}
    for event in events:
        counts[type(event)] = counts.get(type(event), 0) + 1
    seen: dict[type, int] = {}
    kept = []
    for event in events:
        kind = type(event)
        seen[kind] = seen.get(kind, 0) + 1
        stride = -(-counts[kind] // most)
        if (seen[kind] - 1) % stride == 0 or seen[kind] == counts[kind]:
            kept.append(event)
    return kept


# ---- values and JSON ------------------------------------------------------------------------------------------


def _encoded(value: Any) -> Any:
    """A plain value, a tuple or a dataclass as JSON. NaN stays NaN: Python writes it and reads it back."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return {"#": "bytes", "z": base64.b64encode(zlib.compress(value, 3)).decode()}
    if isinstance(value, (tuple, list)):
        return [_encoded(item) for item in value]
    if isinstance(value, Mapping):
        return {"#": "dict", "items": [[_encoded(name), _encoded(item)] for name, item in value.items()]}
    if is_dataclass(value):
        name = f"{type(value).__module__}:{type(value).__name__}"
        return {"#": name, **{f.name: _encoded(getattr(value, f.name)) for f in fields(value)}}
    # Of what is none of these only the name is kept, and it is read back as nothing.
    return {"#": f"?{type(value).__name__}"}


def _decoded(value: Any) -> Any:
    """The value back; None for what this version of the lab cannot make."""
    if isinstance(value, list):
        return tuple(map(_decoded, value))
    if not isinstance(value, dict):
        return value
    name = value.pop("#", "?")
    if name == "bytes":
        return zlib.decompress(base64.b64decode(value["z"]))
    if name == "dict":
        return {_decoded(key): _decoded(item) for key, item in value["items"]}
    kind = _class(name)
    if kind is None:
        return None
    known = {f.name for f in fields(kind)}
    try:
        return kind(**{key: _decoded(item) for key, item in value.items() if key in known})
    except (TypeError, ValueError, BigModelError):
        return None


@lru_cache(maxsize=256)
def _class(name: str) -> Any:
    """A frozen dataclass of this package by its name `module:class`; None for anything else."""
    module, _, kind = name.partition(":")
    if not module.startswith("bigmodel."):
        return None
    try:
        found = getattr(importlib.import_module(module), kind, None)
    except ImportError:
        return None
    frozen = isinstance(found, type) and is_dataclass(found) and found.__dataclass_params__.frozen  # type: ignore[attr-defined]
    return found if frozen else None
