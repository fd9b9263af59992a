"""The benchmark: each row runs ours and a peer side by side in one process, turn by turn, and compares the medians.

`ROWS` names them; `python -m bigmodel bench` prints them. The machine is noisy, so a ratio counts, not a time. A row
whose name ends with -2 gives both sides two threads instead of one.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class Row:
    """Seconds (medians) of ours and the peer, their ratio, the ratio wanted, and whether it is reached."""

    name: str
    ours: float
    peer: float
    ratio: float
    goal: float
    met: bool


def side_by_side(
    ours: Callable[[], object], peer: Callable[[], object], repeats: int, count: int = 1
) -> tuple[float, float]:
    """Median seconds of each: both once to warm up, then turn by turn, with `count` threads for either.

    One thread is timed by the processor's clock, which no other program disturbs; two by the one on the wall, because
    to be done sooner is what a second thread is for.
    """
    clock = time.process_time if count == 1 else time.perf_counter
    times: tuple[list[float], list[float]] = ([], [])
    with threads(count):
        for turn in range(repeats + 1):
            for job, spent in zip((ours, peer), times, strict=True):
                begun = clock()
                job()
                if turn:
                    spent.append(clock() - begun)
    return statistics.median(times[0]), statistics.median(times[1])


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch, and for what scikit-learn multiplies with; then what there was."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count, "blas"):
            yield
    finally:
        torch.set_num_threads(before)


def faster(
    name: str, goal: float, ours: Callable[[], object], peer: Callable[[], object], repeats: int, count: int = 1
) -> Row:
    """A row that says how many times as fast as the peer ours is."""
    mine, theirs = side_by_side(ours, peer, repeats, count)
    ratio = theirs / mine
    return Row(name, mine, theirs, ratio, goal, ratio >= goal)


def train_one(count: int = 1) -> Row:
    """One 64-64-10 on digits against the textbook loop. Ours also measures both parts after every epoch."""
    peers = _peers()
    ours, x, y, shared = _digits(epochs=10)
    name = "train-one" if count == 1 else f"train-one-{count}"
    return faster(name, 5.0, ours, lambda: peers.textbook(x, y, (64,), rate=1e-3, **shared), 5, count)


def train_sklearn(count: int = 1) -> Row:
    """The same against scikit-learn's MLPClassifier."""
    peers = _peers()
    ours, x, y, shared = _digits(epochs=10)
    name = "train-sklearn" if count == 1 else f"train-sklearn-{count}"
    return faster(name, 1.5, ours, lambda: peers.sklearn(x, y, (64,), rate=1e-3, **shared), 7, count)


def compare_64() -> Row:
    """64 learning rates at once against 64 textbook loops, one after another."""
    peers = _peers()
    ours, x, y, shared = _rates(epochs=3)
    rates = _sixty_four()

    def peer() -> None:
        for rate in rates:
            peers.textbook(x, y, (64,), rate=rate, **shared)

    return faster("compare-64", 20.0, ours, peer, repeats=3)


def compare_limit() -> Row:
    """The same 64 against nothing but their matrix products: how far from what the processor can do."""
    peers = _peers()
    ours, x, _, shared = _rates(epochs=5)
    steps = shared["epochs"] * -(-len(x) // shared["batch"])

    def peer() -> None:
        peers.products(64, ((64, 64), (64, 10)), shared["batch"], steps)

    mine, theirs = side_by_side(ours, peer, repeats=9)
    return Row("compare-limit", mine, theirs, mine / theirs, 3.0, mine / theirs <= 3.0)


ROWS: dict[str, Callable[[], Row]] = {
    "train-one": train_one,
    "train-one-2": lambda: train_one(2),
    "train-sklearn": train_sklearn,
    "train-sklearn-2": lambda: train_sklearn(2),
    "compare-64": compare_64,
    "compare-limit": compare_limit,
}


def _digits(epochs: int):
    """Ours on digits, the rows it trains on, and the settings both sides share."""
    from bigmodel.datasets import DatasetConfig, load_dataset
    from bigmodel.networks import build
    from bigmodel.train import TrainConfig, train

    data = load_dataset(DatasetConfig(dataset="digits"))
    config = TrainConfig(widths=(64,), epochs=epochs)

    def ours() -> None:
        for _ in train(config, build(config, data), data):
            pass

    return ours, data.train.x, data.train.y, {"batch": config.batch, "epochs": epochs}


def _rates(epochs: int):
    """The same for 64 rates at once."""
    from bigmodel.compare import CompareConfig, compare
    from bigmodel.datasets import DatasetConfig, load_dataset

    data = load_dataset(DatasetConfig(dataset="digits"))
    config = CompareConfig(rates=_sixty_four(), widths=(64,), epochs=epochs)

    def ours() -> None:
        for _ in compare(config, data):
            pass

    return ours, data.train.x, data.train.y, {"batch": config.batch, "epochs": epochs}


def _sixty_four() -> tuple[float, ...]:
    """64 rates from 0.0001 to 0.03, where none diverges."""
    return tuple(1e-4 * 300 ** (k / 63) for k in range(64))


def _peers() -> ModuleType:
    """The neighbour file, by path: this folder is no package."""
    name = "bigmodel_bench_peers"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("peers.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
