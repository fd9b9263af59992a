"""The Train tab, as a person uses it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from bigmodel.train import Epoch
from bigmodel.ui import live
from tests.e2e.conftest import until, until_ready, zoom

LOSS = "document.querySelector('#train-loss-curve .chart-plot')"
CURVE = f"{LOSS}.data"
ACCURACY = "document.querySelector('#train-scores .cards b').textContent"
POINTS = f"({LOSS}?.data?.[0]?.x.length ?? 0)"


def choose(page: Page, menu: str, option: str) -> None:
    """Pick an entry of a menu."""
    page.locator(f"#{menu} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def fill(page: Page, field: str, value: str) -> None:
    """Type into a number or text field."""
    box = page.locator(f"#{field} input, #{field} textarea").first
    box.fill(value)
    box.press("Tab")


def press(page: Page, button: str) -> None:
    page.locator(f"#{button}").click()


def steer(page: Page, field: str, value: str, mark: str) -> None:
    """Type a live setting and wait for its mark on the chart. A panel that has just opened fills its fields a moment
    later, over what a hand as quick as this one has typed: then it types again."""
    for _ in range(8):
        fill(page, field, value)
        try:
            page.wait_for_function(f"{LOSS}.layout.annotations.some(one => one.text === '{mark}')", timeout=10_000)
            return
        except TimeoutError:
            continue
    raise AssertionError(f"{mark} is never marked.")


def test_trains_the_articles_problem(open_page) -> None:
    """One press trains the article's network to the end; curves, scores and confusion matrix stand there."""
    page = open_page()
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("Epoch 10 of 10")
    cards = page.locator("#train-scores .cards b")
    expect(cards).to_have_count(7)
    page.wait_for_function(f"Number({ACCURACY}) > 0.85")
    page.wait_for_function(f"{POINTS} === 11")
    expect(page.locator("#train-confusion")).to_be_visible()
    expect(page.locator("#train-start")).to_be_enabled()


def test_boundary_moves_and_stop_keeps_the_model(open_page) -> None:
    """Two-feature data shows its boundary while it trains; Stop ends it soon and still scores what there is."""
    page = open_page()
    choose(page, "train-data-dataset", "Moons")
    fill(page, "train-epochs", "2000")
    press(page, "train-start")
    expect(page.locator("#train-boundary .chart-plot .heatmaplayer image")).to_be_visible()
    first = page.evaluate("document.querySelector('#train-boundary .chart-plot').dataset.drawn")
    page.wait_for_function(
        "n => Number(document.querySelector('#train-boundary .chart-plot').dataset.drawn) > Number(n) + 2", arg=first
    )
    press(page, "train-stop")
    expect(page.locator("#train-status")).to_contain_text("Stopped")
    expect(page.locator("#train-scores .cards b")).to_have_count(7)


def test_a_run_is_watched_and_steered(open_page, runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs frame after frame is sent, and the chart keeps its zoom; another rate is marked on it. Paused, it
    makes one step and one epoch, and goes on."""
    sent: list[int] = []
    draw = live._draw
    monkeypatch.setattr(live, "_draw", lambda *given: sent.append(1) or draw(*given))
    page = open_page()
    fill(page, "train-epochs", "3000")
    press(page, "train-start")
    page.wait_for_function(f"{POINTS} > 8")
    zoomed = zoom(page, "#train-loss-curve")
    drawn, frames = page.evaluate(f"Number({LOSS}.dataset.drawn)"), len(sent)
    until(page, lambda: len(sent) >= frames + 5)
    page.wait_for_function(f"Number({LOSS}.dataset.drawn) >= {drawn + 2}")
    assert page.evaluate(f"{LOSS}.layout.xaxis.range.slice()") == zoomed
    page.locator("#train-pace").get_by_text("2 epochs a second").click()
    press(page, "train-live")
    steer(page, "train-live-learning_rate", "0.02", "rate → 0.02")
    press(page, "train-pause")
    status = page.locator("#train-status .status-text")
    expect(status).to_contain_text("Paused")
    stood = until_still(page, runs)
    press(page, "train-step")
    expect(status).to_contain_text(f"step {stood[1] + 1} ")
    press(page, "train-epoch")
    expect(status).to_contain_text(f"Epoch {stood[0] + 1} of")
    assert until_still(page, runs) == (stood[0] + 1, (stood[0] + 1) * stood[1] // stood[0])
    press(page, "train-pause")
    number = "Number(document.querySelector('#train-status').textContent.match(/Epoch (\\d+)/)?.[1])"
    page.wait_for_function(f"last => {number} > last", arg=stood[0] + 2)
    press(page, "train-stop")


def until_still(page: Page, runs: Any) -> tuple[int, int]:
    """(epoch, step) of the paused run, once it has ended what it was at and the status line tells of it."""
    run, seen = runs.get(page.evaluate("sessionStorage.getItem('bigmodel.visitor')"), "train"), -1
    while seen != (seen := run.version):
        page.wait_for_timeout(1000)
    last = next(one for one in reversed(run.snapshot().events) if isinstance(one, Epoch))
    expect(page.locator("#train-status .status-text")).to_contain_text(f"Epoch {last.number} of")
    said = page.locator("#train-status .status-text").inner_text()
    epoch, step = re.search(r"Epoch (\d+) of.*?step (\d+)", said).groups()  # type: ignore[union-attr]
    return int(epoch), int(step)


def test_a_look_back_and_a_fork(open_page) -> None:
    """The slider back redraws boundary and matrix as they were; a fork goes on from the epoch that is looked at, over
    the curve of its parent. The closed panel of the insides is drawn only once it is opened."""
    page = open_page()
    choose(page, "train-data-dataset", "Moons")
    fill(page, "train-epochs", "12")
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("Epoch 12 of 12")
    expect(page.locator("#train-confusion")).to_be_visible()
    assert page.evaluate("document.querySelector('#train-health .chart-plot')?.data ?? null") is None
    page.wait_for_function("document.querySelector('#train-boundary .heatmaplayer image')")
    # The charts and the slider come after the status line.
    page.wait_for_function(f"{POINTS} === 13")
    page.wait_for_function("document.querySelector('#train-timebar input').max === '12'")
    page.wait_for_function("document.querySelector('#train-marks .chart-plot')?.data?.length > 0")
    drawn = "JSON.stringify([...document.querySelectorAll('#train-boundary .chart-plot')].map(one => one.data))"
    counts = "JSON.stringify(document.querySelector('#train-confusion .chart-plot').data[0].customdata)"
    last = page.evaluate(f"[{drawn}, {counts}]")
    page.locator("#train-timebar input").evaluate(
        "range => { range.value = 3; range.dispatchEvent(new Event('input')); }"
    )
    page.wait_for_function(f"({{was}}) => {drawn} !== was", arg={"was": last[0]})
    page.wait_for_function(f"({{was}}) => {counts} !== was", arg={"was": last[1]})
    expect(page.locator("#train-timebar")).to_contain_text("Looking back at epoch 3")
    press(page, "train-fork")
    page.wait_for_function(f"{LOSS}.data[0]?.x[0] === 3")
    expect(page.locator("#train-status")).to_contain_text("Epoch 12 of 12")
    # The status line may come a moment before the chart has drawn the last epoch.
    page.wait_for_function(f"{POINTS} === 10")
    page.wait_for_function(f"{LOSS}.layout.annotations.some(one => one.text === 'fork')")
    page.wait_for_function(f"{LOSS}.data.some(line => line.x[0] === 0 && line.x.length === 13)")
    press(page, "train-health-fold")
    page.wait_for_function("document.querySelector('#train-health .chart-plot')?.data?.length > 2")


def test_the_coach_mends_at_a_press(open_page) -> None:
    """A rate far too high is told; one press trains anew at a lower one, which the form shows, over the curve of
    before."""
    page = open_page()
    fill(page, "train-learning_rate", "1")
    press(page, "train-start")
    expect(page.locator("#train-coach li strong")).to_contain_text("learning rate is too high")
    expect(page.locator("#train-status")).to_contain_text("Epoch 10 of 10")
    page.locator("#train-coach li button").first.click()
    expect(page.locator("#train-learning_rate input").first).to_have_value("0.01")
    expect(page.locator("#train-coach")).not_to_contain_text("too high")
    expect(page.locator("#train-status")).to_contain_text("Epoch 10 of 10")
    page.wait_for_function(f"{LOSS}.data.some(line => (line.name || '').includes('before the mend'))")


def test_reload_comes_back_to_the_run(open_page) -> None:
    """A reload in mid-run finds the run, with all of its curve."""
    page = open_page()
    fill(page, "train-epochs", "3000")
    press(page, "train-start")
    status = page.locator("#train-status")
    expect(status).to_contain_text(re.compile(r"Epoch \d+ of 3000"))
    page.reload()
    until_ready(page)
    expect(status).to_contain_text(re.compile(r"Epoch \d+ of 3000"))
    page.wait_for_function(f"{POINTS} > 15")
    assert page.evaluate(CURVE)[0]["x"][0] == 0
    press(page, "train-stop")
    expect(status).to_contain_text("Stopped")


def test_lost_connection_misses_nothing(open_page) -> None:
    """A page whose connections broke comes back to its run by itself, with all of its curve."""
    page = open_page()
    fill(page, "train-epochs", "3000")
    press(page, "train-start")
    status = page.locator("#train-status")
    expect(status).to_contain_text(re.compile(r"Epoch \d+ of 3000"))
    before = page.evaluate(POINTS)
    page.evaluate("window.stop()")  # ends every stream of the page
    expect(page.locator(".toast-wrap")).to_contain_text("lost")
    expect(status).to_contain_text(re.compile(r"Epoch \d\d+ of 3000"))
    page.wait_for_function(f"{POINTS} > {before + 15}")
    assert page.evaluate(CURVE)[0]["x"][0] == 0
    press(page, "train-stop")


def test_pages_see_their_own_runs(open_page) -> None:
    """Two visitors train at once; each sees its own run only."""
    one, two = open_page(), open_page()
    fill(one, "train-epochs", "2000")
    press(one, "train-start")
    expect(one.locator("#train-status")).to_contain_text("of 2000")
    expect(two.locator("#train-status")).to_contain_text("Ready.")
    fill(two, "train-epochs", "12")
    press(two, "train-start")
    expect(two.locator("#train-status")).to_contain_text("Epoch 12 of 12")
    expect(one.locator("#train-status")).to_contain_text("of 2000")
    press(one, "train-stop")


def test_closed_page_frees_its_worker(open_page, runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that closes for good stops its run after the grace."""
    monkeypatch.setattr(runs, "_grace", 2.0)
    page = open_page()
    visitor = page.evaluate("sessionStorage.getItem('bigmodel.visitor')")
    fill(page, "train-epochs", "9000")
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("of 9000")
    run = runs.get(visitor, "train")
    assert not run.ended
    page.context.close()
    assert run.wait(120)
    assert run.snapshot().state == "stopped"


def test_own_table(open_page, tmp_path: Path) -> None:
    """An uploaded table is learnt from, with its target chosen."""
    rows = [f"{i % 7},{(i * 3) % 11},{'yes' if i % 7 > 3 else 'no'}" for i in range(120)]
    table = tmp_path / "plants.csv"
    table.write_text("height,width,healthy\n" + "\n".join(rows), encoding="utf-8")
    page = open_page()
    choose(page, "train-data-dataset", "Your own table")
    page.locator("#train-data-file input[type=file]").set_input_files(table)
    expect(page.locator("#train-data-target input")).to_have_value("healthy")
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("Epoch 10 of 10")
    expect(page.locator("#train-scores .cards b")).to_have_count(7)


def test_bad_input_is_one_sentence(open_page, tmp_path: Path) -> None:
    """A rate of 1e9 and an empty table are each refused in one sentence, and the settings stay."""
    page = open_page()
    fill(page, "train-learning_rate", "1000000000")
    press(page, "train-start")
    expect(page.locator(".toast-wrap")).to_contain_text("Learning rate is 1000000000")
    expect(page.locator("#train-learning_rate input").first).to_have_value("1000000000")
    expect(page.locator("#train-status")).to_contain_text("Ready.")
    table = tmp_path / "empty.csv"
    table.write_text("", encoding="utf-8")
    choose(page, "train-data-dataset", "Your own table")
    page.locator("#train-data-file input[type=file]").set_input_files(table)
    expect(page.locator(".toast-wrap")).to_contain_text("empty")
