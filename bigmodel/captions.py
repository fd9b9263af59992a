"""Segments → TXT, SRT, VTT, TSV, JSON, and back: what is written here can be read here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bigmodel.errors import AudioError

if TYPE_CHECKING:
    from bigmodel.transcribe import Segment

FORMATS = ("txt", "srt", "vtt", "tsv", "json")


@dataclass(frozen=True)
class Cue:
    """A line of text and when it is said, in seconds."""

    start: float
    end: float
    text: str


def write(kind: str, segments: Iterable[Segment]) -> str:
    """The segments as a file of `kind` (one of FORMATS). Silent ones are left out; times are to the millisecond."""
    said = [segment for segment in segments if segment.text]
    if kind == "json":
        whole = {"text": "\n".join(s.text for s in said), "segments": [_plain(s) for s in said]}
        return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
    cues = [Cue(s.start, s.end, " ".join(s.text.split())) for s in said]
    return _WRITERS[kind](cues)


def read(kind: str, text: str) -> tuple[Cue, ...]:
    """The cues of a file that `write`, or another program, has written. AudioError where there are none to find."""
    if kind == "json":
        try:
            rows = json.loads(text)["segments"]
            return tuple(Cue(float(row["start"]), float(row["end"]), str(row["text"])) for row in rows)
        except (ValueError, KeyError, TypeError):
            raise AudioError("captions.unreadable", kind=kind.upper()) from None
    if kind == "txt":
        return tuple(Cue(0.0, 0.0, line) for line in text.splitlines() if line.strip())
    if kind == "tsv":
        rows = [line.split("\t") for line in text.splitlines()[1:] if line]
        if any(len(row) != 3 or not (row[0] + row[1]).isdigit() for row in rows):
            raise AudioError("captions.unreadable", kind=kind.upper())
        return tuple(Cue(int(a) / 1000, int(b) / 1000, said) for a, b, said in rows)
    found = tuple(_read_cues(text))
    if not found and len(text.split()) > 1:
        raise AudioError("captions.unreadable", kind=kind.upper())
    return found


_CLOCK = r"(?:(\d+):)?(\d\d):(\d\d)[,.](\d{3})"
_TIMES = re.compile(rf"^{_CLOCK}\s*-->\s*{_CLOCK}")


def _plain(segment: Segment) -> dict[str, object]:
    row = asdict(segment)
    return {name: row[name] for name in ("start", "end", "text", "confidence", "words")}


def _txt(cues: list[Cue]) -> str:
    return "".join(f"{cue.text}\n" for cue in cues)


def _srt(cues: list[Cue]) -> str:
    return "".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues, 1)
    )


def _vtt(cues: list[Cue]) -> str:
    # In VTT "&" and "<" begin markup.
    rows = (f"{_clock(c.start, '.')} --> {_clock(c.end, '.')}\n{_escaped(c.text)}\n\n" for c in cues)
    return "WEBVTT\n\n" + "".join(rows)


def _tsv(cues: list[Cue]) -> str:
    return "start\tend\ttext\n" + "".join(f"{_ms(c.start)}\t{_ms(c.end)}\t{c.text}\n" for c in cues)


_WRITERS: dict[str, Callable[[list[Cue]], str]] = {"txt": _txt, "srt": _srt, "vtt": _vtt, "tsv": _tsv}


def _read_cues(text: str) -> Iterable[Cue]:
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = block.strip().split("\n")
        for number, line in enumerate(lines):
            if times := _TIMES.match(line.strip()):
                said = " ".join(lines[number + 1 :])
                yield Cue(_seconds(times.groups()[:4]), _seconds(times.groups()[4:]), _unescaped(said))
                break


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _clock(seconds: float, point: str) -> str:
    ms = _ms(seconds)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, ms = (int(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds + ms / 1000


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
