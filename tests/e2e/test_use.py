"""A network is trained, saved, loaded again, and predicts: as a person does it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
from playwright.sync_api import Page, expect

from bigmodel.datasets import DatasetConfig, load_dataset
from tests.e2e.conftest import shoot


def another_row(page: Page) -> None:
    """Take the next row of the test part, and wait until the form has it: what is typed before that would be lost."""
    fields = "document.querySelectorAll('#train-use-form input[type=number]')"
    filled = f"JSON.stringify([...{fields}].map(one => one.value))"
    was = page.evaluate(filled)
    page.locator("#train-use-example").click()
    page.wait_for_function(f"was => {filled} !== was", arg=was)


def test_a_saved_network_predicts_a_row_and_a_file(open_page, tmp_path: Path) -> None:
    """After a training a row of the test part is predicted; typing moves the bars. The ZIP that is saved, loaded on a
    fresh page, predicts the same row and a file with its accuracy; the predictions are taken away."""
    page = open_page()
    page.locator("#train-data-dataset input").click()
    page.get_by_role("option", name="Iris").click()
    page.locator("#train-start").click()
    expect(page.locator("#train-status")).to_contain_text("Epoch 10 of 10")
    form, bars = page.locator("#train-use-form"), page.locator("#train-use-chances")
    expect(form.locator("input[type=number]")).to_have_count(4)
    expect(bars.locator(".chance")).to_have_count(3)
    expect(bars).to_contain_text("In truth it is")
    before = bars.inner_text()
    another_row(page)
    form.locator("input[type=number]").nth(2).fill("60")
    expect(bars).not_to_contain_text("In truth it is")
    expect(bars).not_to_have_text(before)
    with page.expect_download() as download:
        page.locator("#train-use-save").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert {"model.json", "model.safetensors"} <= set(zipfile.ZipFile(path).namelist())
    shoot(page, "use-1440")

    other = open_page()
    other.locator("#train-use-network input[type=file]").set_input_files(path)
    expect(other.locator("#train-use-which")).to_contain_text("iris-mlp.zip")
    expect(other.locator("#train-use-chances .chance")).to_have_count(3)
    data = load_dataset(DatasetConfig(dataset="iris"))
    raw = data.test.x * data.scale + data.mean
    rows = pd.DataFrame(raw, columns=list(data.features)).assign(**{"class": [data.classes[k] for k in data.test.y]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    # The upload is still there after a reload.
    other.reload()
    expect(other.locator("#train-use-which")).to_contain_text("iris-mlp.zip")
    expect(other.locator("#train-use-chances .chance")).to_have_count(3)
    other.locator("#train-use-table input[type=file]").set_input_files(tmp_path / "rows.csv")
    expect(other.locator("#train-use-numbers")).to_contain_text("Accuracy on the 30 rows")
    expect(other.locator("#train-use-rows tr")).to_have_count(31)
    with other.expect_download() as download:
        other.locator("#train-use-keep").click()
    download.value.save_as(tmp_path / "out.csv")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 30
