"""The page as a whole: languages, widths, the network, live charts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import gradio as gr
import plotly.graph_objects as go
import pytest
from playwright.sync_api import expect
from test_train import press

from tests.e2e.conftest import WAIT, until_ready, zoom

ROOT = Path(__file__).parents[2]


def test_switches_language(open_page) -> None:
    """One button switches every word, also of what runs, and keeps what was typed; the choice is remembered."""
    page = open_page()
    page.locator("#train-epochs input").fill("7")
    page.locator("#switch-language").click()
    expect(page.locator("#train-start")).to_have_text("开始训练")
    expect(page.get_by_role("tab").first).to_have_text("训练")
    expect(page.locator("#train-epochs input")).to_have_value("7")
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("第 7/7 轮")
    page.reload()
    expect(page.locator("#train-start")).to_have_text("开始训练")
    until_ready(page)
    page.locator("#switch-language").click()
    expect(page.locator("#train-start")).to_have_text("Train")
    expect(page.locator("#train-status")).to_contain_text("Epoch 7 of 7")


def test_starts_in_the_browsers_language(open_page) -> None:
    """A Chinese browser gets a Chinese page at once; a link may ask for a language."""
    page = open_page(locale="zh-CN")
    expect(page.locator("#train-start")).to_have_text("开始训练")
    page.wait_for_function("document.documentElement.lang === 'zh'")
    page = open_page(locale="zh-CN", path="?lang=en")
    expect(page.locator("#train-start")).to_have_text("Train")


def test_works_where_storage_is_forbidden(browser, address: str) -> None:
    """Within another site's frame a browser may forbid storage: the page still gets its language and trains."""
    context = browser.new_context(locale="zh-CN")
    forbid = "Object.defineProperty(window, name, {get() { throw new DOMException('no', 'SecurityError'); }})"
    context.add_init_script(f"for (const name of ['sessionStorage', 'localStorage']) {forbid}")
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(address)
    expect(page.locator("#train-start")).to_have_text("开始训练")
    until_ready(page)
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("第 10/10 轮")
    context.close()


@pytest.mark.parametrize("tab", ["Train", "Compare", "Generate", "Transcribe"])
def test_fits_a_phone(open_page, tab: str) -> None:
    """Nothing scrolls sideways at 390 pixels, and the main button is in the first screen."""
    page = open_page(width=390, height=844)
    page.get_by_role("tab", name=tab).click()
    button = f"#{tab.lower()}-start"
    expect(page.locator(button)).to_be_visible()
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    page.wait_for_function(f"document.querySelector('{button}').getBoundingClientRect().top < 844")


def test_no_request_leaves_the_machine(browser, address: str) -> None:
    """From the first byte to a drawn chart the page asks this machine only."""
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_function("document.querySelector('#train-loss-curve .chart-plot')?.data")
    expect(page.locator("#train-start")).to_be_enabled()
    page.context.close()
    foreign = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert len(asked) > 10
    assert foreign == []


@pytest.fixture(scope="module")
def chart_address():
    """A page with one live chart: 200 frames, ten a second, each with one point more."""
    from bigmodel.ui.chart import chart, frame, serve_plotly

    serve_plotly()

    def frames():
        for n in range(1, 201):
            figure = go.Figure(layout={"template": None, "xaxis": {"range": None}})
            figure.add_scatter(x=list(range(n)), y=[(i * 37 % 101) / 100 for i in range(n)])
            yield frame(figure)
            time.sleep(0.1)

    with gr.Blocks(analytics_enabled=False) as demo:
        place = chart(elem_id="chart")
        done = gr.Textbox(elem_id="done")
        gr.Button("go", elem_id="go").click(frames, None, place, show_progress="hidden").then(
            lambda: str(time.time()), None, done
        )
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    yield url
    demo.close()


def test_live_chart_keeps_up_and_keeps_the_zoom(browser, chart_address: str) -> None:
    """Of two hundred updates the page draws those that it has time for; the last one is there once the server ends,
    and a zoom survives them."""
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    page.goto(chart_address)
    page.locator("#go").click()
    page.wait_for_function("document.querySelector('#chart .chart-plot')?.data?.[0].x.length > 20")
    drawn = "Number(document.querySelector('#chart .chart-plot').dataset.drawn)"
    zoomed, before = zoom(page, "#chart"), page.evaluate(drawn)
    page.wait_for_function("document.querySelector('#done textarea').value !== ''")
    page.wait_for_function("document.querySelector('#chart .chart-plot').data[0].x.length === 200")
    assert page.evaluate("document.querySelector('#chart .chart-plot').layout.xaxis.range.slice()") == zoomed
    assert before < page.evaluate(drawn) <= 202
    page.context.close()


def test_the_server_calls_nobody_when_it_starts() -> None:
    """From import to an answered request the server neither connects to another machine nor looks up its name."""
    code = """
import socket, time, urllib.request
asked, connect, look_up = [], socket.socket.connect, socket.getaddrinfo
local = ("127.0.0.1", "::1", "localhost", "0.0.0.0", None, "")
def connecting(self, address):
    if isinstance(address, tuple) and address[0] not in local: asked.append(address)
    return connect(self, address)
def looking(host, *rest, **named):
    if host not in local: asked.append(host)
    return look_up(host, *rest, **named)
socket.socket.connect, socket.getaddrinfo = connecting, looking
import app
_, url, _ = app.demo.launch(**app.launch_arguments(), prevent_thread_lock=True, quiet=True)
urllib.request.urlopen(url).read()
time.sleep(2)
print("asked:", asked)
"""
    env = {key: value for key, value in os.environ.items() if key != "GRADIO_ANALYTICS_ENABLED"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    assert "asked: []" in done.stdout, done.stdout + done.stderr
