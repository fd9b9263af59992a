"""The Compare tab, as a person uses it."""

from __future__ import annotations

from playwright.sync_api import expect
from test_train import fill, press


def test_race_ranks_and_hands_over(open_page) -> None:
    """The article's three rates are raced and ranked, and the best one goes to Train with one press."""
    page = open_page()
    page.get_by_role("tab", name="Compare").click()
    fill(page, "compare-rates", "0.001, 0.01, 0.1, 9")
    press(page, "compare-start")
    expect(page.locator("#compare-status")).to_contain_text("Epoch 10 of 10")
    rows = page.locator("#compare-table .virtual-body [role=row]")
    expect(rows).to_have_count(4)
    rates = [row.locator("[role=gridcell]").nth(1).inner_text().strip() for row in rows.all()]
    assert sorted(map(float, rates)) == [0.001, 0.01, 0.1, 9]
    curves = page.evaluate("document.querySelector('#compare-curves .chart-plot').data")
    assert len(curves) == 4
    press(page, "compare-hand-over")
    expect(page.locator("#train-start")).to_be_visible()
    expect(page.locator("#train-learning_rate input")).to_have_value(rates[0])


def test_duplicate_rates_are_refused(open_page) -> None:
    """Twice the same rate is one clear sentence."""
    page = open_page()
    page.get_by_role("tab", name="Compare").click()
    fill(page, "compare-rates", "0.1, 0.1")
    press(page, "compare-start")
    expect(page.locator(".toast-wrap")).to_contain_text("0.1")
