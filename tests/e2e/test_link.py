"""Links, as a person passes them on."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.conftest import until_ready

CURVE = "document.querySelector('#train-loss-curve .chart-plot').data"


def trained(page) -> list[float]:
    """The training losses of a run of the page's settings."""
    page.locator("#train-start").click()
    expect(page.locator("#train-status")).to_contain_text("Epoch 3 of 3")
    expect(page.locator("#train-scores .cards b").first).to_be_visible()
    page.wait_for_function(f"{CURVE}[0].y.length === 4")
    return page.evaluate(CURVE)[0]["y"]


def test_a_link_opens_the_same_settings_and_gives_the_same_curve(open_page) -> None:
    """What one page copies opens the other with the same form, and both get the same losses to the last digit."""
    query = "?lang=zh&tab=train&dataset=moons&data_noise=0.3&learning_rate=0.02&widths=8,4&optimizer=sgd&epochs=3"
    page = open_page(path=query.replace("lang=zh&", ""))
    expect(page.locator("#train-learning_rate input")).to_have_value("0.02")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#train-link").click()
    expect(page.locator("#train-link-line .link-address")).to_contain_text("learning_rate=0.02")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.evaluate("location.href")
    first = trained(page)
    again = open_page(path="?" + link.partition("?")[2])
    expect(again.locator("#train-learning_rate input")).to_have_value("0.02")
    again.get_by_text("Network", exact=True).click()
    expect(again.locator("#train-widths input, #train-widths textarea").first).to_have_value("8, 4")
    assert trained(again) == first
    other = open_page(path=query)
    expect(other.locator("#train-data-dataset input")).to_have_value("双月")
    assert "lang=zh" in other.evaluate("location.search")


def test_a_reload_keeps_the_settings_of_the_run(open_page) -> None:
    """Starting writes the settings into the address, so that a reload finds the form as it was."""
    page = open_page()
    box = page.locator("#train-epochs input").first
    box.fill("3")
    box.press("Tab")
    trained(page)
    page.wait_for_function("location.search.includes('epochs=3')")
    page.reload()
    until_ready(page)
    expect(page.locator("#train-status")).to_contain_text("Epoch 3 of 3")
    expect(page.locator("#train-epochs input").first).to_have_value("3")


def test_a_bad_link_is_told_in_one_sentence(open_page) -> None:
    """What a link may not ask for is told, the rest of it is taken, and the tab it names is open."""
    page = open_page(path="?tab=compare&rates=0.5&seeds=3")
    expect(page.locator(".toast-wrap")).to_contain_text("defaults stand there")
    expect(page.locator("#compare-start")).to_be_visible()
    expect(page.locator("#compare-seeds input").first).to_have_value("3")
