"""Own data, as a person brings it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import until_ready
from tests.e2e.test_train import choose, fill, press


def upload(page: Page, file: Path, tab: str = "train") -> None:
    """Choose an own table and upload it."""
    choose(page, f"{tab}-data-dataset", "Your own table")
    page.locator(f"#{tab}-data-file input[type=file]").set_input_files(file)


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """A table with all that the doctor warns of: a number for each row, a constant, and the answer in other words."""
    rows = [
        f"{k},clinic,{30 + k * 7 % 50},{k * 3 % 11},{'sick' if k % 7 > 3 else 'well'},{'yes' if k % 7 > 3 else 'no'}"
        for k in range(120)
    ]
    table = tmp_path / "patients.csv"
    table.write_text("patient,place,age,dose,letter,ill\n" + "\n".join(rows), encoding="utf-8")
    return table


def test_the_doctor_speaks_before_training(open_page, patients: Path) -> None:
    """Right after the upload the report stands there; useless columns are proposed to be left out, and training
    leaves them out."""
    page = open_page()
    upload(page, patients)
    report = page.locator("#train-data-doctor")
    expect(report).to_contain_text("120 rows")
    expect(report).to_contain_text("letter alone predicts ill")
    expect(page.locator("#train-data-leave-out")).to_contain_text("patient")
    expect(page.locator("#train-data-leave-out")).to_contain_text("place")
    page.locator("#switch-language").click()
    expect(report).to_contain_text("只看“letter”就能预测“ill”")
    page.locator("#switch-language").click()
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("Epoch 10 of 10")


def test_another_target_is_looked_at_anew(open_page, patients: Path) -> None:
    """Choosing a measurement as the target says at once that it cannot be learned."""
    page = open_page()
    upload(page, patients)
    expect(page.locator("#train-data-target input")).to_have_value("ill")
    choose(page, "train-data-target", "age")
    expect(page.locator("#train-data-doctor")).to_contain_text("age holds 50 different numbers")


def test_a_built_in_set_can_be_looked_at(open_page) -> None:
    """The data set is shown with its classes and columns, and follows the choice."""
    page = open_page()
    page.locator("#train-data-look button").first.click()
    expect(page.locator("#train-data-preview")).to_contain_text("1,000 rows")
    choose(page, "train-data-dataset", "Iris")
    expect(page.locator("#train-data-preview")).to_contain_text("virginica")


def spray(page: Page, right: float, up: float) -> None:
    """Hold the pointer over a place of the square and move it about, as a person draws a cloud."""
    frame = page.locator("#train-data-points canvas").bounding_box()
    x, y = frame["x"] + right * frame["width"], frame["y"] + (1 - up) * frame["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    for turn in range(4):
        page.mouse.move(x + 30 * (turn % 2), y + 30 * (turn // 2), steps=12)
    page.mouse.up()


def test_two_clouds_are_drawn_and_told_apart(open_page) -> None:
    """An example is there at once; after Clear two sprayed clouds are trained on, shown in the plane and told apart; a
    reload brings the drawing back, Undo takes the last cloud away, and Compare has the same drawing."""
    page = open_page()
    choose(page, "train-data-dataset", "Draw your own")
    said = page.locator("#train-data-points .drawing-count")
    expect(said).to_contain_text("200 of at most 2,000 points")
    page.get_by_role("button", name="Clear", exact=True).first.click()
    expect(said).to_contain_text("Empty")
    page.locator("#train-data-points canvas").scroll_into_view_if_needed()
    spray(page, 0.2, 0.2)
    page.locator("#train-data-points label", has_text="B").click()
    spray(page, 0.75, 0.75)
    expect(said).to_contain_text("B ")
    fill(page, "train-epochs", "40")
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("Epoch 40 of 40")
    page.wait_for_function("Number(document.querySelector('#train-scores .cards b')?.textContent) > 0.9")
    page.wait_for_function("document.querySelector('#train-boundary .chart-plot')?.data?.length >= 3")
    names = page.evaluate("document.querySelector('#train-boundary .chart-plot').data.map(trace => trace.name)")
    assert names[-2:] == ["A", "B"]
    drawn = said.inner_text()
    page.reload()
    until_ready(page)
    expect(said).to_have_text(drawn)
    page.locator("#train-data-points label", has_text="B").click()
    spray(page, 0.75, 0.3)
    expect(said).not_to_have_text(drawn)
    page.get_by_role("button", name="Undo", exact=True).first.click()
    expect(said).to_have_text(drawn)
    page.get_by_role("tab").nth(1).click()
    choose(page, "compare-data-dataset", "Draw your own")
    expect(page.locator("#compare-data-points .drawing-count")).to_have_text(drawn)
