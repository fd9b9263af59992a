"""The Train tab, as a person uses it."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

CURVE = "document.querySelector('#train-loss-curve .chart-plot').data"


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


def test_trains_the_articles_problem(open_page) -> None:
    """One press trains the article's network to the end; curves, scores and confusion matrix stand there."""
    page = open_page()
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("Epoch 10 of 10")
    cards = page.locator("#train-scores .cards b")
    expect(cards).to_have_count(7)
    assert float(cards.first.inner_text()) > 0.85
    assert len(page.evaluate(CURVE)[0]["x"]) == 11
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


def test_pause_stands_still_and_resumes(open_page) -> None:
    """A paused run stands still, and goes on when asked."""
    page = open_page()
    fill(page, "train-epochs", "3000")
    press(page, "train-start")
    status = page.locator("#train-status .status-text")
    expect(status).to_contain_text("Epoch 5")
    press(page, "train-pause")
    expect(status).to_contain_text("Paused")
    page.wait_for_timeout(300)
    stood = status.inner_text()
    page.wait_for_timeout(700)
    assert status.inner_text() == stood
    press(page, "train-pause")
    expect(status).not_to_contain_text("Paused")
    page.wait_for_function("old => document.querySelector('#train-status .status-text').textContent !== old", arg=stood)
    press(page, "train-stop")


def test_reload_comes_back_to_the_run(open_page) -> None:
    """A reload in mid-run finds the run, with all of its curve."""
    page = open_page()
    fill(page, "train-epochs", "3000")
    press(page, "train-start")
    status = page.locator("#train-status")
    expect(status).to_contain_text(re.compile(r"Epoch \d+ of 3000"))
    page.reload()
    expect(status).to_contain_text(re.compile(r"Epoch \d+ of 3000"))
    page.wait_for_function(f"({CURVE} || [{{x: []}}])[0].x.length > 15")
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
    page.evaluate("window.stop()")  # ends every stream of the page
    expect(page.locator(".toast-wrap")).to_contain_text("lost")
    expect(status).to_contain_text(re.compile(r"Epoch \d\d+ of 3000"))
    page.wait_for_function(f"({CURVE} || [{{x: []}}])[0].x.length > 15")
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


def test_closed_page_frees_its_worker(open_page, runs) -> None:
    """A page that closes for good stops its run after the grace."""
    page = open_page()
    visitor = page.evaluate("sessionStorage.getItem('bigmodel.visitor')")
    fill(page, "train-epochs", "9000")
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("of 9000")
    run = runs.get(visitor, "train")
    assert not run.ended
    page.context.close()
    assert run.wait(20)
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
    assert page.locator("#train-learning_rate input").input_value() == "1000000000"
    expect(page.locator("#train-status")).to_contain_text("Ready.")
    table = tmp_path / "empty.csv"
    table.write_text("", encoding="utf-8")
    choose(page, "train-data-dataset", "Your own table")
    page.locator("#train-data-file input[type=file]").set_input_files(table)
    expect(page.locator(".toast-wrap")).to_contain_text("empty")
