"""The Generate tab, as a person uses it."""

from __future__ import annotations

import re
import time
from typing import Any

from playwright.sync_api import Page, expect
from test_train import fill, press

from bigmodel.generate import Piece
from bigmodel.ui import generate as tab
from tests.e2e.conftest import events, until_ready


def until_written(page: Page, runs: Any) -> str:
    """The text, once the page shows every token of the run that has ended: they come after the status line."""
    pieces = [piece for piece in events(page, runs, "generate", Piece) if piece.number]
    expect(page.locator("#generate-text .token")).to_have_count(len(pieces))
    return page.locator("#generate-text .prose-text").inner_text()


def test_streams_and_stops(open_page, runs, monkeypatch) -> None:
    """Tokens stream as they are drawn, Stop stops and keeps the text, and a token shows its rivals."""
    quick = tab.generate

    def slow(*arguments):
        for number, piece in enumerate(quick(*arguments)):
            yield piece
            time.sleep(0.02 if number < 12 else 0.25)  # a large model's pace: a minute and a half to stop it in

    monkeypatch.setattr(tab, "generate", slow)
    page = open_page()
    page.get_by_role("tab", name="Generate").click()
    expect(page.locator("#generate-prompt textarea")).to_have_value("I love")
    fill(page, "generate-seed", "1")
    page.locator("#generate-max_new_tokens input[type=number]").fill("400")
    press(page, "generate-start")
    tokens = page.locator("#generate-text .token")
    expect(tokens.nth(10)).to_be_attached()
    press(page, "generate-stop")
    expect(page.locator("#generate-status .status")).to_have_attribute("data-state", "stopped")
    until_written(page, runs)
    assert 10 < tokens.count() < 400
    tokens.first.click()
    expect(page.locator("#generate-text .rival")).to_have_count(10)
    expect(page.locator("#generate-cards")).to_contain_text("seed")


def test_same_seed_same_text(open_page, runs) -> None:
    """Two pages with the same seed write the same text."""
    texts = []
    for _ in range(2):
        page = open_page()
        page.get_by_role("tab", name="Generate").click()
        fill(page, "generate-seed", "7")
        page.locator("#generate-max_new_tokens input[type=number]").fill("20")
        press(page, "generate-start")
        expect(page.locator("#generate-status")).to_contain_text("finished")
        texts.append(until_written(page, runs))
    assert texts[0] == texts[1]
    assert texts[0].startswith("I love")


def test_long_prompt_and_unreachable_model(open_page, monkeypatch) -> None:
    """A prompt over the context, and a model that cannot be had, are each one sentence; the model stays as it was."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    page = open_page()
    page.get_by_role("tab", name="Generate").click()
    fill(page, "generate-prompt", "one two three " * 400)
    press(page, "generate-start")
    expect(page.locator("#generate-status")).to_contain_text("512")
    menu = page.locator("#generate-model input")
    menu.fill("nobody/no-such-model")
    menu.press("Enter")
    expect(page.locator("#generate-model-status")).to_contain_text("nobody/no-such-model")
    page.wait_for_function("document.querySelector('#generate-model input').value.startsWith('text-en')")


def test_a_chinese_example_is_written_by_the_chinese_model(open_page, runs) -> None:
    """One click on a Chinese beginning chooses the model that knows Chinese, and whole characters come."""
    page = open_page()
    page.get_by_role("tab", name="Generate").click()
    press(page, "generate-example-crane")
    page.wait_for_function("document.querySelector('#generate-model input').value.startsWith('text-zh')")
    fill(page, "generate-seed", "1")
    press(page, "generate-start")
    expect(page.locator("#generate-status")).to_contain_text("finished")
    text = until_written(page, runs)
    assert text.startswith("故人西辞黄鹤楼，")
    assert sum("\u4e00" <= letter <= "\u9fff" for letter in text) > 15
    assert "\ufffd" not in text
    press(page, "generate-example-love")
    page.wait_for_function("document.querySelector('#generate-model input').value.startsWith('text-en')")


def test_the_shipped_model_follows_the_prompt(open_page) -> None:
    """A Chinese prompt is written on by the Chinese model, an English one by the English; digits change nothing."""
    page = open_page()
    page.get_by_role("tab", name="Generate").click()
    prompt, model = page.locator("#generate-prompt textarea"), page.locator("#generate-model input")
    for text, name in (("春天", "text-zh"), ("12", "text-zh"), ("The dog", "text-en")):
        prompt.fill(text)
        expect(model).to_have_value(re.compile(name))


def test_a_model_chosen_by_hand_stays(open_page) -> None:
    """Whatever the prompt's language, the model that was picked in the menu stays, over a reload too,
    until an example is clicked."""
    page = open_page()
    page.get_by_role("tab", name="Generate").click()
    prompt, model = page.locator("#generate-prompt textarea"), page.locator("#generate-model input")
    model.click()
    page.get_by_role("option", name="text-zh").click()
    expect(page.locator("#generate-model-status")).to_contain_text("text-zh")
    for text in ("The dog", "春天", "A cat"):
        prompt.fill(text)
        page.wait_for_timeout(500)
        expect(model).to_have_value(re.compile("text-zh"))
    page.reload()
    until_ready(page)
    page.get_by_role("tab", name="Generate").click()
    expect(model).to_have_value(re.compile("text-zh"))
    prompt.fill("The dog")
    page.wait_for_timeout(500)
    expect(model).to_have_value(re.compile("text-zh"))
    press(page, "generate-example-love")
    expect(model).to_have_value(re.compile("text-en"))
    prompt.fill("春天")
    expect(model).to_have_value(re.compile("text-zh"))
