"""The page: how soon it answers, and what watching a run costs the run."""

from __future__ import annotations

import os
import runpy
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_ROWS = runpy.run_path(str(Path(__file__).parent / "rows.py"))
Row, threads = _ROWS["Row"], _ROWS["threads"]
BARE = "import gradio as gr\nwith gr.Blocks() as demo: gr.Markdown('hello')\ndemo.launch()"


def start() -> Any:
    """Seconds from the command to an answered request: the app against a bare Gradio page."""
    ours, peer = [], []
    for turn in range(4):
        for command, times in ((["app.py"], ours), (["-c", BARE], peer)):
            seconds = _until_it_answers([sys.executable, *command])
            if turn:  # the first fills the file cache
                times.append(seconds)
    mine, theirs = statistics.median(ours), statistics.median(peer)
    return Row("start", mine, theirs, mine / theirs, 1.3, mine / theirs <= 1.3)


def _until_it_answers(command: list[str]) -> float:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    begun = time.perf_counter()
    server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - begun < 120:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
                return time.perf_counter() - begun
            except OSError:
                time.sleep(0.02)
        raise TimeoutError(command)
    finally:
        server.kill()
        server.wait()


def live_cost(count: int = 1) -> Any:
    """Seconds of a training on digits with a page watching five times a second, against the bare generator."""
    watched, bare = [], []
    with threads(count):
        for turn in range(6):
            for measure, times in ((_watched, watched), (_bare, bare)):
                seconds = measure()
                if turn:
                    times.append(seconds)
    mine, theirs = statistics.median(watched), statistics.median(bare)
    return Row(
        "live-cost" if count == 1 else f"live-cost-{count}", mine, theirs, mine / theirs, 1.1, mine / theirs <= 1.1
    )


def _job() -> Any:
    from bigmodel.datasets import DatasetConfig, load_dataset
    from bigmodel.networks import build
    from bigmodel.train import TrainConfig, train

    config = TrainConfig(widths=(64,), epochs=150)
    data = load_dataset(DatasetConfig(dataset="digits"))
    return train(config, build(config, data), data)


def _bare() -> float:
    events = _job()
    begun = time.perf_counter()
    for _ in events:
        pass
    return time.perf_counter() - begun


def _watched() -> float:
    from bigmodel.runs import Runs
    from bigmodel.ui.train import view

    events = _job()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            view(run.snapshot(), "en")

    begun = time.perf_counter()
    run = Runs().start("bench", "train", lambda shelf: events)
    watcher = threading.Thread(target=watch)
    watcher.start()
    run.wait()
    seconds = time.perf_counter() - begun
    over.set()
    watcher.join()
    return seconds


ROWS: dict[str, Callable[[], Any]] = {
    "start": start,
    "live-cost": live_cost,
    "live-cost-2": lambda: live_cost(2),
}
