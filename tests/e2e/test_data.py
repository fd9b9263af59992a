"""Own data, as a person brings it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_train import choose, press


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
