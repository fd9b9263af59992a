"""Transcribe: a recording of any length in, its text out, segment by segment, every word with its time.

`TranscribeConfig` (what to do) → `transcribe` (the loop) → `Segment` (a phrase). Where to cut is in `cut.py`, in which
order to hear in `listen.py`, what the model hears in `hear.py`. Memory stays the same whether it is a minute or an
hour: nothing is read before it is needed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bigmodel import audio
from bigmodel.config import bounded, check, chosen
from bigmodel.transcribe.cut import Tape
from bigmodel.transcribe.listen import listen
from bigmodel.transcribe.spell import Word, joined

if TYPE_CHECKING:
    from bigmodel.checkpoints import SpeechModel

__all__ = ["Segment", "TranscribeConfig", "Word", "joined", "transcribe"]


@dataclass(frozen=True, kw_only=True)
class TranscribeConfig:
    """How to listen.

    chunk_seconds   the most that the model hears at once
    pause_seconds   a quiet stretch of this length ends a segment
    silence_db      what stays below this level (0 is the loudest there is) is silence and never reaches the model
    word_list       how much the word list of a shipped model counts beside the ear; 0: it spells what it hears
    language        for models that know several; "auto" lets them guess
    """

    chunk_seconds: float = bounded(12.0, 2.0, 28.0, step=1.0)
    pause_seconds: float = bounded(0.4, 0.1, 2.0, step=0.05)
    silence_db: float = bounded(-65.0, -100.0, -20.0, step=1.0)
    word_list: float = bounded(0.6, 0.0, 2.0, step=0.1)
    language: str = chosen("auto", "auto", "en", "zh", "de", "es", "fr", "it", "ja", "ko", "pt", "ru")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Segment:
    """One phrase, `number` from 1. A silent stretch is a segment too, with no words and an empty text.

    start, end   in the recording, seconds
    heard        seconds of the recording that are done; `duration` of it all, None where the file does not know
    seconds      time spent computing since the start, pauses not counted
    speed        heard / seconds: how many times faster than the speech itself
    confidence   mean of the words', 0 to 1; 0 without words
    """

    number: int
    text: str
    start: float
    end: float
    words: tuple[Word, ...]
    heard: float
    duration: float | None
    seconds: float
    speed: float
    confidence: float


def transcribe(config: TranscribeConfig, sound: audio.Sound, model: SpeechModel) -> Iterator[Segment]:
    """Yield the segments of a file, or of (rate, samples), as they are heard. AudioError: no sound that can be read.

    Speech is cut at its pauses. Where there is none within `chunk_seconds`, two chunks overlap and meet in the gap
    between two words, so that no word is lost or said twice.
    """
    began = time.perf_counter()
    duration = audio.look(sound).seconds
    idle = 0.0
    for number, (piece, words, end) in enumerate(listen(config, Tape(audio.blocks(sound)), model), 1):
        seconds = time.perf_counter() - began - idle
        heard = end / audio.RATE
        asked = time.perf_counter()
        yield Segment(
            number=number,
            text=joined(words),
            start=words[0].start if words else piece.first / audio.RATE,
            end=words[-1].end if words else heard,
            words=words,
            heard=heard,
            duration=duration,
            seconds=seconds,
            speed=heard / max(seconds, 1e-9),
            confidence=sum(word.confidence for word in words) / max(1, len(words)),
        )
        idle += time.perf_counter() - asked
