"""captions.py writes segments in five formats and reads them back."""

from __future__ import annotations

import json

import pytest

from bigmodel import captions
from bigmodel.errors import AudioError
from bigmodel.transcribe import Segment, Word


def segment(number: int, text: str, start: float, end: float) -> Segment:
    words = (Word(text.split()[0], start, end, 0.9),) if text else ()
    return Segment(number, text, start, end, words, end, 100.0, 1.0, end, 0.9 if text else 0.0)


SEGMENTS = (
    segment(1, "call five five", 0.5, 1.234),
    segment(2, "", 1.234, 3.0),
    segment(3, "5 < 6 & 7 > 2, it's", 3661.0005, 3662.5),
    segment(4, "你好", 7322.0, 7323.999),
)
SAID = [s for s in SEGMENTS if s.text]


@pytest.mark.parametrize("kind", ["srt", "vtt", "tsv", "json"])
def test_what_is_written_is_read_back(kind: str) -> None:
    """Times to the millisecond and texts survive every timed format; silence is left out."""
    cues = captions.read(kind, captions.write(kind, SEGMENTS))
    assert [cue.text for cue in cues] == [s.text for s in SAID]
    for cue, said in zip(cues, SAID, strict=True):
        assert cue.start == pytest.approx(said.start, abs=6e-4)
        assert cue.end == pytest.approx(said.end, abs=6e-4)


def test_text_alone_is_one_line_a_segment() -> None:
    """TXT is the text and nothing else."""
    assert captions.write("txt", SEGMENTS) == "call five five\n5 < 6 & 7 > 2, it's\n你好\n"
    assert [cue.text for cue in captions.read("txt", captions.write("txt", SEGMENTS))] == [s.text for s in SAID]


def test_srt_looks_like_srt() -> None:
    """Numbers from 1, hours over 1 written out, a comma before the milliseconds."""
    assert captions.write("srt", SEGMENTS).split("\n\n")[1] == "2\n01:01:01,000 --> 01:01:02,500\n5 < 6 & 7 > 2, it's"


def test_vtt_escapes_what_would_be_markup() -> None:
    """A "<" in the text cannot open a tag in a VTT player."""
    text = captions.write("vtt", SEGMENTS)
    assert text.startswith("WEBVTT\n\n")
    assert "5 &lt; 6 &amp; 7 &gt; 2" in text


def test_json_has_every_word() -> None:
    """JSON keeps words with time and confidence."""
    rows = json.loads(captions.write("json", SEGMENTS))["segments"]
    assert rows[0]["words"] == [{"text": "call", "start": 0.5, "end": 1.234, "confidence": 0.9}]


@pytest.mark.parametrize("kind", captions.FORMATS)
def test_no_segments_make_an_empty_file(kind: str) -> None:
    """A silent recording gives a valid file without cues."""
    assert captions.read(kind, captions.write(kind, ())) == ()


def test_another_programs_times_are_read() -> None:
    """Cue numbers may be missing, hours may be missing, lines may be two."""
    cues = captions.read("vtt", "WEBVTT\r\n\r\n01:02.500 --> 01:03.000 align:start\r\none\r\ntwo\r\n")
    assert cues == (captions.Cue(62.5, 63.0, "one two"),)


@pytest.mark.parametrize(("kind", "text"), [("json", "[1]"), ("srt", "no times here"), ("tsv", "start\nx\ty\tz")])
def test_a_file_that_is_none_is_refused(kind: str, text: str) -> None:
    """Wrong content raises one clear sentence."""
    with pytest.raises(AudioError, match=kind.upper()):
        captions.read(kind, text)
