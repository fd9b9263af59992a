"""The Transcribe tab's view: segments in, values out."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from bigmodel import audio, captions
from bigmodel.checkpoints import Opening
from bigmodel.errors import AudioError
from bigmodel.transcribe import TranscribeConfig
from bigmodel.ui import transcribe
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import segment, sent, snapshot, strict

ASKED = transcribe.Asked(3, "interview", 3600.0)
PICTURE = audio.Picture(2.0, (-0.5,) * 480, (0.5,) * 480, bytes(64 * 480), 64, 480, 70.0)


def heard(count: int) -> list[object]:
    """A recording of which so many phrases are done."""
    return [ASKED, PICTURE, *(segment(k) for k in range(1, count + 1))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_idle_tab_has_a_hint(language: str) -> None:
    """Before any recording there is a word on what to do, and no charts."""
    text, cards, wave, mel = transcribe.view(None, language)
    assert (text["segments"], text["exports"], text["hint"]) == ([], [], say("transcribe.hint", language))
    assert cards == {"cards": [], "note": ""}
    assert (wave["visible"], mel["visible"]) == (False, False)


def test_words_have_times_and_confidence() -> None:
    """Each word goes to the page with start, end and confidence; the figures count them."""
    text, cards, wave, mel = transcribe.view(snapshot(*heard(2)), "en")
    assert text["segments"][0]["words"][0] == ["hello", 0.0, 0.5, 0.75]
    assert [value for _, value in cards["cards"]] == ["4", "20 ×", "75%"]
    assert wave["visible"]
    assert mel["visible"]
    strict([text, cards, wave, mel])


@pytest.mark.parametrize("language", LANGUAGES)
def test_silence_is_told(language: str) -> None:
    """A stretch without words says so, and has no confidence to tell."""
    run = snapshot(ASKED, segment(1, ""), state="done")
    text, cards, *_ = transcribe.view(run, language)
    assert text["segments"][0]["silence"] == say("transcribe.pause", language)
    assert cards["cards"][2][1] == "–"
    assert transcribe.status_line(run, language) == (say("transcribe.silence", language), 1.0)


def test_another_language_writes_the_page_anew() -> None:
    """The page adds lines while the name of the transcript is the same; a switch of language changes it."""
    run = snapshot(ASKED, segment(1, ""))
    english, chinese = (transcribe.view(run, language)[0] for language in LANGUAGES)
    assert english["run"] != chinese["run"]
    assert transcribe.view(snapshot(ASKED, segment(1)), "en")[0]["run"] == english["run"]


@pytest.mark.parametrize("state", ["done", "stopped", "failed"])
def test_files_can_be_taken_once_it_is_over(state: str) -> None:
    """However it ended, what was heard can be saved in every format under the recording's name; before, not yet."""
    error = AudioError("audio.broken", file="x", seconds=3) if state == "failed" else None
    assert transcribe.view(snapshot(*heard(2)), "en")[0]["exports"] == []
    exports = transcribe.view(snapshot(*heard(2), state=state, error=error), "en")[0]["exports"]
    assert [name for name, _ in exports] == [f"interview.{kind}" for kind in captions.FORMATS]
    assert json.loads(dict(exports)["interview.json"])["segments"][0]["text"] == "hello there"


def test_growing_transcript_only_appends() -> None:
    """One more phrase after an hour of them costs under 600 bytes, the pictures nothing."""
    before, after = (transcribe.view(snapshot(*heard(n)), "en") for n in (900, 901))
    assert after[0]["segments"][:900] == before[0]["segments"]
    assert sent(before, after) < 600


def test_hostile_names_and_words_stay_plain() -> None:
    """A file's name and what was heard reach the page as plain strings."""
    hostile = "<img src=x onerror=alert(1)>${alert(1)}"
    run = snapshot(transcribe.Asked(1, hostile, 1.0), segment(1, hostile), state="done")
    text, *_ = transcribe.view(run, "en")
    assert text["exports"][0][0] == f"{hostile}.txt"
    assert set(text) == {"run", "hint", "segments", "exports"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_status_line(language: str) -> None:
    """Opening and hearing have their line; a picture that comes last does not hide it."""
    opening = Opening("speech-en", 1.0)
    for events in ((ASKED, opening), (ASKED, opening, PICTURE)):
        assert transcribe.status_line(snapshot(*events), language)[0] == say(
            "model.opening", language, name="speech-en", seconds=1.0
        )
    line, done = transcribe.status_line(snapshot(*heard(2), PICTURE), language)
    assert line == say("transcribe.status", language, heard="4.0", duration="3600.0", words=4, speed="20")
    assert done == pytest.approx(4 / 3600)
    assert transcribe.status_line(snapshot(ASKED), language) == ("", 0.0)


def test_click_on_a_word_plays_from_there() -> None:
    """The player jumps to the time of the word."""
    assert transcribe.seek(SimpleNamespace(time="3.5"))["playback_position"] == 3.5  # type: ignore[arg-type]


def test_renamed_picture_is_refused_before_a_model_is_opened(tmp_path: object) -> None:
    """A file that is no recording fails in the first step of the run."""
    from pathlib import Path

    path = Path(str(tmp_path)) / "photo.wav"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    start = transcribe.listening(TranscribeConfig(), str(path), "speech-en")
    with pytest.raises(AudioError):
        next(start.job({}))
