"""The judge panel, as a person uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import shoot

COUNTS = "document.querySelector('#train-confusion .chart-plot').data[0].customdata"
CELL = """() => {
    const box = document.querySelector('#train-confusion .chart-plot'), frame = box.getBoundingClientRect();
    const counts = box.data[0].customdata, {xaxis, yaxis} = box._fullLayout;
    for (let i = 0; i < counts.length; i++) for (let j = 0; j < counts.length; j++) if (i !== j && counts[i][j]) {
        const x = frame.left + xaxis._offset + xaxis.l2p(j), y = frame.top + yaxis._offset + yaxis.l2p(i);
        return {x, y, count: counts[i][j]};
    }
}"""
"""Where a cell of mistakes lies on the screen, and how many rows it counts."""


def standing_cell(page: Page) -> Any:
    """Where CELL is once it stays there: as long as charts above are drawn the page grows."""
    place, cell = None, page.evaluate(CELL)
    while place != cell:
        page.wait_for_timeout(300)
        place, cell = cell, page.evaluate(CELL)
    return cell


def test_the_sealed_part_opens_and_a_mistake_shows_its_rows(open_page, tmp_path: Path) -> None:
    """After a training the test part is opened once and counted; a click on a cell of mistakes lists as many rows as it
    counts; a higher threshold moves the matrix; the script that is taken away prints the page's curve."""
    page = open_page()
    page.locator("#train-start").click()
    expect(page.locator("#train-status")).to_contain_text("Epoch 10 of 10")
    expect(page.locator("#train-marks .chart-plot .scatterlayer path").first).to_be_visible()
    expect(page.locator("#train-part")).to_be_hidden()
    page.locator("#train-open").click()
    expect(page.locator("#train-seal")).to_contain_text("opened: 1")
    expect(page.locator("#train-scores")).to_contain_text("200 rows")
    page.wait_for_function(f"{COUNTS}.flat().reduce((sum, count) => sum + count) === 200")
    page.locator("#train-confusion").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('#train-confusion .chart-plot').dataset.heard === 'yes'")
    cell = standing_cell(page)
    page.mouse.click(cell["x"], cell["y"])
    expect(page.locator("#train-mistakes td:nth-child(3)")).to_have_count(cell["count"])
    shoot(page, "judge-1440")
    page.locator("#train-confusion .chart-plot").focus()
    page.keyboard.press("ArrowDown")
    count = page.evaluate("document.querySelector('#train-confusion .chart-plot').data[0].customdata")[1][0]
    expect(page.locator("#train-confusion .chart-spoken")).to_have_text(
        f"true class 1, predicted class 0: {count} rows"
    )
    page.keyboard.press("Enter")
    expect(page.locator("#train-mistakes .chart-caption")).to_have_text(f"1, but taken for 0: {count} rows")
    before = page.evaluate("document.querySelector('#train-confusion .chart-plot').data[0].customdata")
    slider = page.locator("#train-threshold input[type=number]")
    slider.fill("0.9")
    slider.press("Enter")
    page.wait_for_function(
        "old => JSON.stringify(document.querySelector('#train-confusion .chart-plot').data[0].customdata) !== old",
        arg=json.dumps(before, separators=(",", ":")),
    )
    with page.expect_download() as download:
        page.locator("#train-take-script").click()
    script = tmp_path / download.value.suggested_filename
    download.value.save_as(script)
    printed = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, text=True, check=True).stdout
    page.wait_for_function("document.querySelector('#train-loss-curve .chart-plot').data[0].y.length === 11")
    curve = page.evaluate("document.querySelector('#train-loss-curve .chart-plot').data[0].y")
    losses = [float(line.split(",")[1]) for line in printed.splitlines()[1:]]
    assert losses == pytest.approx(curve, abs=1e-4)
    page.reload()
    expect(page.locator("#train-seal")).to_contain_text("opened: 1")
