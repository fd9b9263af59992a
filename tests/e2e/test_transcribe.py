"""The Transcribe tab, as a person uses it: upload, example, microphone, bad files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect
from test_train import press

from bigmodel.transcribe import Segment
from bigmodel.ui.transcribe import EXAMPLE
from tests.e2e.conftest import WAIT, events, until_ready

SAID = "enter"  # the first word of the example that ships


def transcribe(page: Page, runs: Any) -> str:
    """Press the button, wait for the end, and return the text: it comes after the status line."""
    press(page, "transcribe-start")
    expect(page.locator("#transcribe-status .status")).to_have_attribute("data-state", "done")
    expect(page.locator("#transcribe-text p")).to_have_count(len(events(page, runs, "transcribe", Segment)))
    return page.locator("#transcribe-text .transcript-text").inner_text()


def show(page: Page) -> None:
    page.get_by_role("tab", name="Transcribe").click()
    expect(page.locator("#transcribe-start")).to_be_visible()


@pytest.fixture(scope="module")
def m4a(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as an ordinary stereo M4A of 44.1 kHz, its index at the end of the file."""
    wave, rate = soundfile.read(EXAMPLE, dtype="float32")
    path = tmp_path_factory.mktemp("sound") / "talk.m4a"
    with av.open(path, "w") as out:
        stream = out.add_stream("aac", rate=44_100, layout="stereo")
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=44_100)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = rate
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path


def test_example_is_one_click_away(open_page, runs) -> None:
    """The example loads with one click and is read; waveform, spectrogram, words with times and captions are there."""
    page = open_page()
    show(page)
    press(page, "transcribe-example")
    expect(page.locator("#transcribe-audio")).to_contain_text("0:")
    page.wait_for_timeout(1000)
    text = transcribe(page, runs).lower()
    assert SAID in text
    expect(page.locator("#transcribe-wave .chart-plot .scatterlayer")).to_be_visible()
    expect(page.locator("#transcribe-mel .chart-plot .heatmaplayer")).to_be_visible()
    expect(page.locator("#transcribe-text .transcript-files button")).to_have_count(5)
    with page.expect_download() as download:
        page.get_by_role("button", name="SRT").click()
    srt = Path(download.value.path()).read_text(encoding="utf-8")
    assert "-->" in srt
    assert SAID in srt.lower()


def test_upload(open_page, runs, m4a: Path) -> None:
    """A stereo M4A from a phone is transcribed like the recording it was made from."""
    page = open_page()
    show(page)
    page.locator("#transcribe-audio input[type=file]").set_input_files(m4a)
    expect(page.locator("#transcribe-audio")).to_contain_text("0:")
    assert SAID in transcribe(page, runs).lower()


def test_bad_sounds_are_one_sentence(open_page, runs, tmp_path: Path) -> None:
    """No recording, a renamed picture and pure silence are each told plainly."""
    page = open_page()
    show(page)
    press(page, "transcribe-start")
    expect(page.locator(".toast-wrap")).to_contain_text("There is no recording yet")
    picture = tmp_path / "picture.wav"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    page.locator("#transcribe-audio input[type=file]").set_input_files(picture)
    # The place for a file gives way to the player once the file is there.
    expect(page.locator("#transcribe-audio input[type=file]")).to_have_count(0)
    press(page, "transcribe-start")
    expect(page.locator("#transcribe-status .status")).to_have_attribute("data-state", "failed")
    expect(page.locator("#transcribe-status")).not_to_contain_text("Traceback")
    page.reload()
    until_ready(page)
    show(page)
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(32_000, np.float32), 16_000)
    page.locator("#transcribe-audio input[type=file]").set_input_files(silence)
    expect(page.locator("#transcribe-audio")).to_contain_text("0:")
    transcribe(page, runs)
    expect(page.locator("#transcribe-status")).to_contain_text("No words")


def test_microphone(launch: Callable[..., Browser], address: str, runs, tmp_path: Path) -> None:
    """What is said into the microphone is recorded and transcribed."""
    wave, rate = soundfile.read(EXAMPLE, dtype="float32")
    spoken = tmp_path / "spoken.wav"
    soundfile.write(spoken, wave, rate, subtype="PCM_16")
    browser = launch(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}",
    )
    context = browser.new_context(locale="en-US", permissions=["microphone"])
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(address)
    until_ready(page)
    show(page)
    page.locator("#transcribe-audio [aria-label='Record audio']").click()
    page.locator("#transcribe-audio .record-button").click()
    page.wait_for_timeout(1000 * (len(wave) / rate + 1.5))
    # The player is there at once, the recording only once it has been uploaded.
    with page.expect_response(lambda answer: "/upload" in answer.url):
        page.locator("#transcribe-audio .stop-button").first.click()
    expect(page.locator("#transcribe-audio .record-button")).not_to_be_visible()
    expect(page.locator("#transcribe-audio")).to_contain_text("0:")
    page.wait_for_timeout(1000)
    text = transcribe(page, runs)
    assert len(text.split()) >= 3
    browser.close()
