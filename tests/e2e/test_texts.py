"""Columns of text, as a person uses them: chosen, learnt, and asked about a sentence that is typed."""

from __future__ import annotations

import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.conftest import shoot
from tests.e2e.test_train import choose, fill, press


def ask(page: Page, sentence: str, topic: str) -> None:
    """Type a sentence: the network takes it for this topic."""
    page.locator("#train-use-form textarea").fill(sentence)
    expect(page.locator("#train-use-chances")).to_contain_text(f"{topic}, probability")
    expect(page.locator("#train-use-chances")).not_to_contain_text("In truth it is")


def test_a_sentence_that_is_typed_is_predicted(open_page) -> None:
    """The English sentences by TF-IDF: after a training the topic of another sentence is told, and of yet another."""
    page = open_page()
    choose(page, "train-data-dataset", "Sentences (English)")
    fill(page, "train-epochs", "15")
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("Epoch 15 of 15")
    expect(page.locator("#train-use-chances .chance")).to_have_count(5)
    expect(page.locator("#train-use-chances")).to_contain_text("In truth it is")
    ask(page, "The goalkeeper ran the last lap of the match.", "sport")
    ask(page, "Thunder, fog and heavy rain rolled over the valley.", "weather")
    shoot(page, "texts-1440")


def test_a_fine_tuned_encoder_is_saved_and_asked_on_another_page(open_page, tmp_path: Path) -> None:
    """The shipped encoder is tuned for an epoch and answers; its ZIP holds it, and answers on a fresh page and after a
    reload of that, as before."""
    page = open_page()
    choose(page, "train-data-dataset", "Sentences (English)")
    page.locator("#train-data-words button").first.click()
    choose(page, "train-data-features", "Fine-tuned encoder")
    fill(page, "train-epochs", "1")
    press(page, "train-start")
    expect(page.locator("#train-status")).to_contain_text("Epoch 1 of 1")
    expect(page.locator("#train-use-chances .chance")).to_have_count(5)
    page.locator("#train-use-form textarea").fill("The soup needs a little more salt.")
    expect(page.locator("#train-use-chances")).not_to_contain_text("In truth it is")
    told = page.locator("#train-use-chances").inner_text()
    with page.expect_download() as download:
        press(page, "train-use-save")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert "encoder/model.safetensors" in zipfile.ZipFile(path).namelist()
    shoot(page, "tuned-1440")

    other = open_page()
    other.locator("#train-use-network input[type=file]").set_input_files(path)
    expect(other.locator("#train-use-which")).to_contain_text("text-en, fine-tuned")
    other.reload()
    expect(other.locator("#train-use-which")).to_contain_text("text-en, fine-tuned")
    other.locator("#train-use-form textarea").fill("The soup needs a little more salt.")
    expect(other.locator("#train-use-chances")).to_have_text(told, use_inner_text=True)
