"""From the hub into the local cache: one short probe, then our own list of files, resumable, as events."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigmodel.checkpoints.listing import TIMEOUT, File, listing, token
from bigmodel.checkpoints.places import (
    Task,
    cache_folder,
    check_task,
    endpoint,
    find,
    hub_id,
    offline,
    repo_folder,
)
from bigmodel.errors import ModelError

PROBE = 1.5  # seconds the hub has to answer at all
_TICK = 0.15  # seconds between two events
_CHUNK = 1 << 18  # bytes


@dataclass(frozen=True)
class Fetched:
    """A download as it goes: `bytes` of `of_bytes` of all files together, `file` the one that is coming in now."""

    name: str
    file: str
    bytes: int
    of_bytes: int
    seconds: float


def fetch(name: str, task: Task | None = None) -> Iterator[Fetched]:
    """Bring a model into the local cache; nothing at all happens where it is on this machine already.

    Yields several times a second, also while the line stands still. Closing the iterator stops the download, and the
    next one goes on from there. With a `task`, a model for another one is refused before its weights come. Raises
    ModelError: no such model, gated, hub out of reach (within two seconds), no safetensors, disk full, broken off.
    """
    if find(name) is not None:
        return
    full = hub_id(name)
    probe(full)
    download = _Download(full, task)
    started = time.monotonic()
    download.start()
    try:
        while download.is_alive():
            yield Fetched(name, download.file, download.bytes, download.of_bytes, time.monotonic() - started)
            download.join(_TICK)
    finally:
        download.stopped.set()
    if download.error is not None:
        raise download.error
    yield Fetched(name, download.file, download.bytes, download.of_bytes, time.monotonic() - started)


def probe(name: str) -> None:
    """Raise ModelError within `PROBE` seconds if the hub does not answer; whatever it answers is good enough here."""
    if offline():
        raise ModelError("model.offline", name=name)
    answered = threading.Event()

    def ask() -> None:
        try:
            _utils().get_session().head(endpoint(), timeout=PROBE)
        except Exception:  # any failure to connect is the same news
            return
        answered.set()

    # In a thread: looking up a host's name takes no timeout of its own.
    thread = threading.Thread(target=ask, name="probe the hub", daemon=True)
    thread.start()
    thread.join(PROBE)
    if not answered.is_set():
        raise ModelError("model.unreachable", name=name, hub=endpoint(), seconds=PROBE)


class _Download(threading.Thread):
    """One download. A thread, because reading from a stalled line cannot be broken off, and Stop must not wait."""

    def __init__(self, name: str, task: Task | None) -> None:
        super().__init__(name=f"fetch {name}", daemon=True)
        self.repo, self.task = name, task
        self.stopped = threading.Event()
        self.file, self.bytes, self.of_bytes = "", 0, 0
        self.error: ModelError | None = None

    def run(self) -> None:
        try:
            self._all()
        except ModelError as error:
            self.error = error
        except Exception as error:  # every library and the operating system raise kinds of their own
            self.error = _worded(error, self.repo)

    def _all(self) -> None:
        found = listing(self.repo)
        revision, files = found.commit, found.files
        folder = repo_folder(self.repo)
        self.of_bytes = sum(file.size for file in files)
        with self._alone(folder, files):
            _check_space(self.repo, folder, self.of_bytes - _on_disk(folder, files))
            self.bytes = 0
            for file in files:
                self.file = file.path
                self._get(folder, revision, file)
                _link(folder, revision, file)
                if self.task and file.path == "config.json":
                    check_task(self.repo, folder / "snapshots" / revision, self.task)
        ref = folder / "refs" / found.ref
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(revision, encoding="utf-8")

    @contextmanager
    def _alone(self, folder: Path, files: tuple[File, ...]) -> Iterator[None]:
        """Whoever comes second waits, and sees how far the first has got."""
        from filelock import FileLock, Timeout

        place = cache_folder() / ".locks" / folder.name / "bigmodel.lock"
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place)
        while not lock.is_locked:
            self._check_stopped()
            self.bytes = _on_disk(folder, files)
            with suppress(Timeout):
                lock.acquire(timeout=_TICK)
        try:
            yield
        finally:
            lock.release()

    def _get(self, folder: Path, revision: str, file: File) -> None:
        """Append what is missing of one file to its part on disk, check it, and give it its name."""
        from huggingface_hub import hf_hub_url

        blob, part = _blob(folder, file), _part(folder, file)
        have = part.stat().st_size if part.exists() else 0
        if blob.exists() or (have == file.size and have):
            self.bytes += file.size
            return _seal(self.repo, part, blob, file)
        part.parent.mkdir(parents=True, exist_ok=True)
        url = hf_hub_url(self.repo, file.path, revision=revision, endpoint=endpoint())
        headers = {
            **_utils().build_hf_headers(token=token()),
            "Accept-Encoding": "identity",
            "Range": f"bytes={have}-",
        }
        with (
            _utils().get_session().stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as answer
        ):
            _utils().hf_raise_for_status(answer)
            kept = have if answer.status_code == 206 else 0
            self.bytes += kept
            with part.open("r+b" if kept else "wb") as out:
                out.seek(kept)
                for chunk in answer.iter_raw(_CHUNK):
                    self._check_stopped()
                    out.write(chunk)
                    self.bytes += len(chunk)
        return _seal(self.repo, part, blob, file)

    def _check_stopped(self) -> None:
        if self.stopped.is_set():
            raise ModelError("model.stopped", name=self.repo)


def _blob(folder: Path, file: File) -> Path:
    return folder / "blobs" / (file.etag or hashlib.sha256(file.path.encode()).hexdigest())


def _part(folder: Path, file: File) -> Path:
    return _blob(folder, file).with_suffix(".part")


def _on_disk(folder: Path, files: tuple[File, ...]) -> int:
    found = (path for file in files for path in (_blob(folder, file), _part(folder, file)) if path.exists())
    return sum(path.stat().st_size for path in found)


def _seal(name: str, part: Path, blob: Path, file: File) -> None:
    """A part that is whole becomes the file; one that is not what the hub promised is thrown away."""
    if blob.exists():
        return
    whole = not file.size or part.stat().st_size == file.size
    if whole and file.sha256:
        digest = hashlib.sha256()
        with part.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
        whole = digest.hexdigest() == file.sha256
    if not whole:
        part.unlink()
        raise ModelError("model.broken_off", name=name, reason=file.path)
    part.replace(blob)


def _link(folder: Path, revision: str, file: File) -> None:
    """The file under its own name, in the layout of the hub's library, which then finds it too."""
    pointer = folder / "snapshots" / revision / file.path
    if pointer.exists():
        return
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    blob = _blob(folder, file)
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:  # Windows without the right to make links
        shutil.copyfile(blob, pointer)


def _check_space(name: str, folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ModelError("model.disk", name=name, needed=round(needed / 1e6), free=round(free / 1e6))


def _utils() -> Any:
    """The hub library's own session, headers and errors; untyped: type checkers do not see them exported."""
    return importlib.import_module("huggingface_hub.utils")


def _worded(error: Exception, name: str) -> ModelError:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return ModelError("model.gated", name=name)
    if isinstance(error, RepositoryNotFoundError):
        return ModelError("model.missing", name=name)
    if isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 403):
        return ModelError("model.gated", name=name)
    reason = " ".join((str(error) or type(error).__name__).split())[:200]
    return ModelError("model.broken_off", name=name, reason=reason)
