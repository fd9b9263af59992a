"""What is taken away of a training, as a person takes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

SETTINGS = "?tab=train&dataset=moons&architecture=gru&widths=6&dropout=0.2&schedule=cosine&epochs=4&patience=3"


def taken(page: Page, button: str, folder: Path) -> Path:
    """Press a button, and keep the file that it gives."""
    with page.expect_download() as download:
        page.locator(button).click()
    place = folder / download.value.suggested_filename
    download.value.save_as(place)
    return place


def test_script_notebook_report_and_pictures_are_taken(open_page, browser, tmp_path: Path) -> None:
    """The script prints the page's curve, the notebook is one, the report shows every chart with the network cut off,
    and the bar over a chart saves it as SVG."""
    page = open_page(path=SETTINGS)
    page.locator("#train-start").click()
    expect(page.locator("#train-status")).to_contain_text("Epoch 4 of 4")
    expect(page.locator("#train-marks .chart-plot .scatterlayer path").first).to_be_visible()
    script = taken(page, "#train-take-script", tmp_path)
    printed = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, text=True, check=True).stdout
    page.wait_for_function("document.querySelector('#train-loss-curve .chart-plot').data[0].y.length === 5")
    curve = page.evaluate("document.querySelector('#train-loss-curve .chart-plot').data[0].y")
    assert [float(line.split(",")[1]) for line in printed.splitlines()[1:]] == pytest.approx(curve, abs=1e-4)
    assert json.loads(taken(page, "#train-take-notebook", tmp_path).read_text(encoding="utf-8"))["nbformat"] == 4
    assert "recall" in taken(page, "#train-take-scores", tmp_path).read_text(encoding="utf-8")
    page.locator("#train-loss-curve .chart-plot").hover()
    svg = taken(page, "#train-loss-curve .modebar-btn[data-title=SVG]", tmp_path)
    assert svg.name == "train-loss-curve.svg"
    assert svg.read_text(encoding="utf-8").startswith("<svg")
    report = taken(page, "#train-take-report", tmp_path)
    context = browser.new_context(offline=True)
    alone = context.new_page()
    alone.goto(report.as_uri())
    assert alone.locator("figure").count() == alone.locator("figure:has(> svg.main-svg)").count() > 5
    context.close()
