"""The app in this process, Chromium beside it; a screenshot of every failed page is kept in artefacts/."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, TimeoutError, expect, sync_playwright

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Opening the libraries for a first text takes a minute where ten other programs run.
WAIT = 180_000
expect.set_options(timeout=WAIT)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """The runs of the app under test. A busy machine takes longer than a usual grace to reload a page."""
    from bigmodel.runs import Runs, Store

    return Runs(slots=4, grace=120.0, store=Store(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def address(runs) -> Iterator[str]:
    """The running app."""
    import app

    demo = app.build(runs)
    _, url, _ = demo.launch(**app.launch_arguments(), prevent_thread_lock=True, quiet=True, server_port=None)
    yield url
    demo.close()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """One playwright."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Callable[..., Browser]:
    """Start a Chromium with further flags."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    return lambda *flags: playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    """One Chromium for all pages."""
    started = launch()
    yield started
    started.close()


@pytest.fixture
def open_page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Open the app in a fresh profile: `open_page(locale="zh-CN", width=390, dark=True, path="?lang=zh")`."""
    opened: list[Page] = []

    def open_one(
        *, locale: str = "en-US", width: int = 1440, height: int = 1000, dark: bool = False, path: str = ""
    ) -> Page:
        context = browser.new_context(
            locale=locale, viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        page = context.new_page()
        page.set_default_timeout(WAIT)  # as long as `expect` waits
        opened.append(page)
        page.goto(address + path)
        expect(page.locator("#train-start")).to_be_visible()
        until_ready(page)
        return page

    yield open_one
    for number, page in enumerate(opened):
        if not page.is_closed():
            shoot(page, f"{request.node.name}-{number}")
            page.context.close()


def until_ready(page: Page) -> None:
    """A page has its language and follows its runs once the load event has come back."""
    page.wait_for_function("document.documentElement.dataset.ready === 'yes'")


def until(page: Page, fact: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for a fact that is no part of the page, while the page goes on."""
    for _ in range(int(10 * seconds)):
        if fact():
            return
        page.wait_for_timeout(100)
    raise AssertionError("It never came true.")


def events(page: Page, runs: Any, kind: str, event: type) -> list[Any]:
    """The events of one sort that the page's run has had. What the page shows comes after them."""
    run = runs.get(page.evaluate("sessionStorage.getItem('bigmodel.visitor')"), kind)
    return [one for one in run.snapshot().events if isinstance(one, event)]


def zoom(page: Page, chart: str) -> list[float]:
    """Zoom into a chart with the mouse, as a person does it, and return the range of its x axis. A hand that is too
    slow for a busy page tries again."""
    plot = f"document.querySelector('{chart} .chart-plot')"
    place = page.locator(f"{chart} .nsewdrag").first
    expect(place).to_be_visible()
    for _ in range(8):
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.3)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.65, box["y"] + box["height"] * 0.7, steps=5)
        page.mouse.up()
        try:
            page.wait_for_function(f"{plot}.layout.xaxis.autorange === false", timeout=5000)
            return page.evaluate(f"{plot}.layout.xaxis.range.slice()")
        except TimeoutError:
            continue
    raise AssertionError("The chart does not zoom.")


def shoot(page: Page, name: str) -> None:
    """Keep a picture for people."""
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name.replace('/', '-')}.png", full_page=True)
