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
    rows = page.locator("#compare-table tbody tr")
    expect(rows).to_have_count(4)
    # The last frame is drawn after the status line has told the end.
    page.wait_for_function("document.querySelector('#compare-curves .chart-plot').data?.length === 4")
    expect(page.locator("#compare-status .status")).to_have_attribute("data-state", "done")
    expect(page.locator("#compare-hand-over")).to_be_enabled()
    rates = [row.locator("td").nth(1).inner_text().strip() for row in rows.all()]
    assert sorted(map(float, rates)) == [0.001, 0.01, 0.1, 9]
    press(page, "compare-hand-over")
    expect(page.locator("#train-start")).to_be_visible()
    expect(page.locator("#train-learning_rate input")).to_have_value(rates[0])
    # Any other setting goes there too: by its tile, by its line.
    page.get_by_role("tab", name="Compare").click()
    tile = page.locator("#compare-tiles .tile-grid > div").first
    tile.click()
    expect(tile).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#compare-hand-over")).to_contain_text("0.001")
    # The same setting again would let it go.
    other = next(place for place in (1, 2) if float(rates[place]) != 0.001)
    rows.nth(other).locator("td").nth(1).click()
    expect(page.locator("#compare-hand-over")).to_contain_text(rates[other])
    press(page, "compare-hand-over")
    expect(page.locator("#train-learning_rate input")).to_have_value(rates[other])


def test_the_ranking_is_sorted_and_fits_a_phone(open_page) -> None:
    """A heading sorts the lines by their numbers, once more the other way; on a phone nothing of them lies outside."""
    page = open_page(width=390, path="?tab=compare&dataset=moons&rates=0.3,0.03,1&epochs=3&widths=4&lang=zh")
    press(page, "compare-start")
    table = page.locator("#compare-table")
    expect(table.locator("tbody tr")).to_have_count(3)
    expect(page.locator("#compare-status .status")).to_have_attribute("data-state", "done")
    rates = table.locator("tbody td:nth-child(2)")
    for shown in (["0.03", "0.3", "1"], ["1", "0.3", "0.03"]):
        table.locator("th button").nth(1).click()
        expect(rates).to_have_text(shown)
    assert page.evaluate(
        "(box => box.scrollWidth <= box.clientWidth)(document.querySelector('#compare-table .ranking'))"
    )
    table.locator("tbody tr").first.click()
    expect(table.locator("tbody tr").first).to_have_attribute("aria-selected", "true")
    expect(page.locator("#compare-hand-over")).to_contain_text("1")


def test_duplicate_rates_are_refused(open_page) -> None:
    """Twice the same rate is one clear sentence."""
    page = open_page()
    page.get_by_role("tab", name="Compare").click()
    fill(page, "compare-rates", "0.1, 0.1")
    press(page, "compare-start")
    expect(page.locator(".toast-wrap")).to_contain_text("0.1")


def test_a_race_is_extended_reloaded_and_interfered_with(open_page) -> None:
    """An entry is taken out of a race that runs, a reload comes back to it, and after a stop further rates join."""
    page = open_page()
    page.get_by_role("tab", name="Compare").click()
    fill(page, "compare-rates", "0.001, 0.01, 0.1")
    fill(page, "compare-epochs", "400")
    press(page, "compare-start")
    expect(page.locator("#compare-tiles .tile-grid > div")).to_have_count(3)
    page.locator("#compare-tiles .tile-grid button").last.click()
    expect(page.locator("#compare-tiles .gone")).to_have_count(1)
    page.reload()
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare-status .status")).to_have_attribute("data-state", "running")
    expect(page.locator("#compare-tiles .gone")).to_have_count(1)
    expect(page.locator("#compare-epochs input").first).to_have_value("400")
    press(page, "compare-stop")
    expect(page.locator("#compare-status .status")).to_have_attribute("data-state", "stopped")
    press(page, "compare-lower")
    expect(page.locator("#compare-status .status")).to_have_attribute("data-state", "running")
    page.locator("#compare-tiles").scroll_into_view_if_needed()
    expect(page.locator("#compare-tiles .tile-grid > div")).to_have_count(5)
    press(page, "compare-stop")
    expect(page.locator("#compare-status .status")).to_have_attribute("data-state", "stopped")
    expect(page.locator("#compare-answer")).to_contain_text("sealed")


def test_what_a_race_takes_stands_there_before_the_start(open_page) -> None:
    """A range is chosen, and the line under it tells networks and memory, or what is wrong with the choice."""
    page = open_page()
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-rates_as input").click()
    page.get_by_role("option", name="a range").click()
    expect(page.locator("#compare-rates")).to_be_hidden()
    fill(page, "compare-count", "32")
    expect(page.locator("#compare-cost")).to_contain_text("32 settings × 1 starts = 32 networks")
    fill(page, "compare-count", "10000")
    expect(page.locator("#compare-cost")).to_contain_text("it must be between 2 and 128")


def test_two_knobs_are_mapped_filtered_and_taken_away(open_page, tmp_path) -> None:
    """A race of rates and batch sizes: finders vote, a drag along an axis filters the table, a report holds it all."""
    page = open_page(
        path="?tab=compare&dataset=moons&rates=0.01,0.1,1&seeds=2&epochs=4&widths=8&optimizer=sgd&knob=batch&values=16,64"
    )
    press(page, "compare-start")
    expect(page.locator("#compare-ensemble .cards > div")).to_have_count(4)
    page.wait_for_function(
        "document.querySelector('#compare-votes .chart-plot')?.layout?.yaxis2?.ticktext?.length === 7"
    )
    # The address has changed with the start; what the charts refer to must not lie at the old one.
    expect(page.locator("#compare-map .heatmaplayer image").first).to_be_attached()
    page.wait_for_function(
        "[...document.querySelectorAll('.chart-plot svg')].every(s => !/url\\(.?.?http/.test(s.outerHTML))"
    )
    rows = page.locator("#compare-explorer tbody tr:visible")
    expect(rows).to_have_count(6)
    axis = page.locator("#compare-explorer .zone").nth(1)
    axis.scroll_into_view_if_needed()
    box = axis.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3, steps=4)
    page.mouse.up()
    expect(rows).to_have_count(3)
    expect(page.locator("#compare-explorer .explorer-count")).to_contain_text("3 of 6")
    with page.expect_download() as taken:
        press(page, "compare-file-report")
    report = tmp_path / "race.html"
    taken.value.save_as(report)
    text = report.read_text(encoding="utf-8")
    assert text.count("<svg") >= 6
    assert "<!--figure" not in text
    assert "127.0.0.1" not in text
    with page.expect_download() as taken:
        press(page, "compare-file-svg")
    assert taken.value.suggested_filename == "compare-axis.svg"


def test_digits_race_thirty_two_rates_over_four_starts(open_page) -> None:
    """128 networks over twenty epochs: curves, tiles and the answer over seeds stand there, the test beside it."""
    query = "?tab=compare&dataset=digits&rates_as=range&lowest=0.0001&highest=1&count=32&seeds=4&epochs=20&widths=64"
    page = open_page(path=query)
    expect(page.locator("#compare-count input").first).to_have_value("32")
    page.locator("#compare-pace").get_by_text("full speed", exact=True).click()
    press(page, "compare-start")
    expect(page.locator("#compare-status")).to_contain_text("Epoch 20 of 20")
    curves = "document.querySelector('#compare-curves .chart-plot').data"
    page.wait_for_function(f"{curves}.length === 32 && {curves}.every(curve => curve.x.length === 21)")
    expect(page.locator("#compare-tiles .tile-grid > div")).to_have_count(32)
    expect(page.locator("#compare-answer .cards b")).to_have_count(5)
    expect(page.locator("#compare-answer")).to_contain_text("sealed test rows")
    page.wait_for_function(
        "document.querySelector('#compare-axis .chart-plot')?.data?.[0].error_y?.array.length === 32"
    )
    # All that is awaited above comes of the last state: these numbers change no more.
    best = float(page.locator("#compare-answer .cards b").first.inner_text())
    assert 0.0005 < best < 0.02
