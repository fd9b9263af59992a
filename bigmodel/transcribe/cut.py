"""Where to cut: at pauses if there are any, else in the quietest place, with an overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bigmodel.audio import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bigmodel.audio import Wave
    from bigmodel.transcribe import TranscribeConfig

FRAME = RATE // 50  # 20 ms
OVERLAP = RATE  # heard on both sides of a cut through speech
PHRASE = 2.0  # seconds: a pause before that does not end a segment, unless it is a long one
LONG_PAUSE = 1.5
KEPT = 0.3  # of a pause stays with the words before it


@dataclass(frozen=True, eq=False)
class Piece:
    """Samples for the model, in sample numbers of the recording: `samples` begin at `start`; words between `first` and
    `last` are this piece's. `silent`: nothing to hear. `forced`: cut through speech, so `last` may move to a gap."""

    samples: Wave
    start: int
    first: int
    last: int
    silent: bool
    forced: bool


class Tape:
    """A window that moves forward over a stream of blocks: reads when asked, forgets what lies behind."""

    def __init__(self, blocks: Iterator[Wave]) -> None:
        self._blocks, self._start = blocks, 0
        self._kept: Wave = np.zeros(0, np.float32)

    def read(self, first: int, last: int) -> Wave:
        """Samples `first` to `last`, fewer at the end of the recording. What is before `first` cannot be read again."""
        parts, have = [self._kept], self._start + len(self._kept)
        while have < last and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            have += len(block)
        # Nothing new to read, nothing to copy.
        self._kept = (np.concatenate(parts) if len(parts) > 1 else self._kept)[first - self._start :]
        self._start = first
        return self._kept[: last - first]


def next_piece(config: TranscribeConfig, tape: Tape, at: int, overlap: bool) -> Piece | None:
    """What to hear next from sample `at` on; None at the end. `overlap`: the cut at `at` went through speech."""
    start = max(0, at - OVERLAP) if overlap else at
    reach = int(config.chunk_seconds * RATE)
    samples = tape.read(start, at + reach + OVERLAP)
    own = samples[at - start : at - start + reach]
    if not len(own):
        return None
    level = levels(own)
    mute = _mute(level, config)
    if mute > 0 and not overlap:
        return Piece(own[:0], at, at, min(at + mute * FRAME, at + len(own)), silent=True, forced=False)
    pause = _pause(level, config)
    if pause is not None:
        last = at + pause * FRAME
        return Piece(samples[: last - start], start, at, last, silent=False, forced=False)
    if len(own) < reach or len(samples) <= at - start + reach:
        return Piece(samples, start, at, at + len(own), silent=False, forced=False)
    return Piece(samples, start, at, at + _quietest(level) * FRAME, silent=False, forced=True)


def levels(wave: Wave) -> NDArray[np.float64]:
    """Loudness of every 20 ms in decibels below full scale, (frames,)."""
    frames = np.pad(wave, (0, -len(wave) % FRAME)).reshape(-1, FRAME)
    # einsum multiplies and adds in one go: squares of a whole chunk in doubles took a tenth of all the time.
    power = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / FRAME
    level: NDArray[np.float64] = 10 * np.log10(power + 1e-12)
    return level


def _mute(level: NDArray[np.float64], config: TranscribeConfig) -> int:
    """Frames of silence to skip at the beginning: 0 if there is hardly any; a moment of it is left before a word."""
    loud = np.flatnonzero(level > config.silence_db)
    if not len(loud):
        return len(level)
    return int(loud[0]) - 15 if loud[0] >= 50 else 0


def _pause(level: NDArray[np.float64], config: TranscribeConfig) -> int | None:
    """The frame at which the first good pause may be cut. What is quiet depends on how loud the rest is."""
    floor, top = np.quantile(level, [0.1, 0.95])
    quiet = level < max(config.silence_db, floor + 0.25 * (top - floor))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        seconds = (end - begin) * FRAME / RATE
        if begin == 0 or seconds < config.pause_seconds:
            continue
        if begin * FRAME / RATE >= PHRASE or seconds >= LONG_PAUSE:
            return int(begin + min((end - begin) // 2, KEPT * RATE // FRAME))
    return None


def _quietest(level: NDArray[np.float64]) -> int:
    """The middle of the quietest tenth of a second in the last two fifths."""
    first = len(level) * 3 // 5
    smooth = np.convolve(level[first:], np.ones(5) / 5, mode="valid")
    return int(first + smooth.argmin() + 2)
