"""The benchmark: how it measures, and how it draws what more networks cost."""

from __future__ import annotations

import re
import runpy
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "tests" / "bench"
SVG = "{http://www.w3.org/2000/svg}"
COST = runpy.run_path(str(BENCH / "cost.py"))
SIZES = ("10-16-2", "64-64-10", "64-256-256-10")


def costs(members: tuple[int, ...] = COST["MEMBERS"]) -> list[Any]:
    """Made-up costs: the larger the net, the steeper."""
    return [
        COST["Cost"](net, threads, count, 0.01 * count**power, count**power / threads**0.1)
        for power, net in zip((0.3, 0.6, 0.9), SIZES, strict=True)
        for threads in (1, 2)
        for count in members
    ]


def texts(drawn: ET.Element) -> list[str]:
    return [text.text or "" for text in drawn.iter(f"{SVG}text")]


def test_chart_of_costs_has_axes_labels_and_legend() -> None:
    """Members on one axis, times on the other, each with its title; nets and threads are named."""
    drawn = ET.fromstring(COST["chart"](costs()))
    said = texts(drawn)
    assert {"1", "2", "4", "8", "16", "32", "64", "128", "1 ×", "10 ×", "100 ×"} <= set(said)
    assert {"networks trained at once", "time of an epoch, one = 1 ×"} <= set(said)
    assert {*SIZES, "1 thread", "2 threads", "one after another"} <= set(said)


def test_chart_of_costs_draws_every_cost_where_it_belongs() -> None:
    """A line per net and threads with a point per count, a straight one for no packing; more cost stands higher."""
    drawn = ET.fromstring(COST["chart"](costs()))
    lines = [
        [tuple(map(float, p.split(","))) for p in e.get("points", "").split()] for e in drawn.iter(f"{SVG}polyline")
    ]
    assert [len(line) for line in lines] == [8] * 7
    (x0, y0), *_, (x1, y1) = lines[0]
    assert all((y - y0) / (x - x0) == pytest.approx((y1 - y0) / (x1 - x0), rel=0.02) for x, y in lines[0][1:])
    ends = [line[-1][1] for line in lines[1::2]]
    assert ends == sorted(ends, reverse=True)
    assert all(0 < x < COST["WIDTH"] and 0 < y < COST["HEIGHT"] for line in lines for x, y in line)
    assert len(list(drawn.iter(f"{SVG}circle"))) == 48


def test_chart_of_costs_reads_in_light_and_dark() -> None:
    """It has a page of its own in both schemes, and no text under twelve pixels."""
    text = COST["chart"](costs())
    assert "prefers-color-scheme: dark" in text
    assert len(re.findall(r"\.page \{ fill: (#\w+)", text)) == 2
    assert all(int(size) >= 12 for size in re.findall(r"font: (\d+)px", text))


def test_costs_are_measured_for_every_size_and_thread() -> None:
    """A small measurement: each count at one thread and two, against one member at one thread."""
    before = torch.get_num_threads()
    found = list(COST["measure"]((("10-4-2", "article", (4,), 1),), (1, 2), 1))
    assert [(cost.members, cost.threads) for cost in found] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert found[0].times == 1
    assert all(cost.seconds > 0 for cost in found)
    assert torch.get_num_threads() == before


def test_the_chart_that_ships_is_of_this_kind() -> None:
    """The picture in the README was drawn by this command, of all sizes up to 128 networks."""
    drawn = ET.fromstring((BENCH / "cost.svg").read_text(encoding="utf-8"))
    assert {*SIZES, "128"} <= set(texts(drawn))
    assert len(list(drawn.iter(f"{SVG}circle"))) == 48
    assert "tests/bench/cost.svg" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("threads", [1, 2])
def test_both_sides_get_the_same_threads(threads: int) -> None:
    """Ours and the peer's run on as many threads, the libraries of scikit-learn too; afterwards all is as it was."""
    from threadpoolctl import threadpool_info

    rows = runpy.run_path(str(BENCH / "rows.py"))
    seen: list[set[int]] = []

    def look() -> None:
        blas = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        seen.append({torch.get_num_threads(), *blas})

    before = torch.get_num_threads()
    rows["side_by_side"](look, look, 1, threads)
    assert seen == [{threads}] * 4
    assert torch.get_num_threads() == before


def test_a_thread_is_timed_by_the_processor_and_two_on_the_wall() -> None:
    """Waiting costs no processor: it is nothing on one thread, and its time on two."""
    rows = runpy.run_path(str(BENCH / "rows.py"))
    wait = lambda: time.sleep(0.05)  # noqa: E731
    assert max(rows["side_by_side"](wait, wait, 1, 1)) < 0.04
    assert min(rows["side_by_side"](wait, wait, 1, 2)) >= 0.05


def test_rows_of_training_are_there_at_both_threads() -> None:
    """The rows of a training at two threads stand beside those at one."""
    names = {*runpy.run_path(str(BENCH / "rows.py"))["ROWS"], *runpy.run_path(str(BENCH / "page_rows.py"))["ROWS"]}
    assert {f"{name}{end}" for name in ("train-one", "train-sklearn", "live-cost") for end in ("", "-2")} <= names
