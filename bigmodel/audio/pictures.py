"""A recording to look at: its waveform and its mel spectrogram, of any length in little memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bigmodel.audio.read import RATE, blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bigmodel.audio.read import Sound, Wave


@dataclass(frozen=True)
class Picture:
    """A recording to look at. `low`/`high`: the waveform's extremes in even steps; `mel`: uint8 (bins x columns), row
    by row from the lowest frequency to `top` Hz, evenly in mel, 0 = `floor` dB below the loudest, 255 = the loudest."""

    seconds: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    mel: bytes
    bins: int
    columns: int
    floor: float
    top: float = RATE / 2


def picture(sound: Sound, points: int = 480, bins: int = 64, floor: float = 70.0) -> Picture:
    """Waveform envelope and log-mel spectrogram of a recording of any length, at most `points` columns each."""
    lows: list[NDArray[np.float32]] = []
    highs: list[NDArray[np.float32]] = []
    mels: list[NDArray[np.float32]] = []
    step, count = RATE // 100, 0
    for wave in blocks(sound):
        count += len(wave)
        padded = np.concatenate([wave, np.zeros(-len(wave) % step, np.float32)])
        frames = padded.reshape(-1, step)
        lows.append(frames.min(axis=1))
        highs.append(frames.max(axis=1))
        mels.append(_mel(padded, bins, step))
    low, high, mel = np.concatenate(lows), np.concatenate(highs), np.concatenate(mels)
    edges = np.unique(np.linspace(0, len(low), min(points, len(low)) + 1).astype(int))[:-1]
    power = np.add.reduceat(mel, edges) / np.diff(np.append(edges, len(mel)))[:, None]
    decibel = 10 * np.log10(np.maximum(power / max(float(power.max()), 1e-10), 1e-10))
    pixels = np.clip((decibel + floor) / floor * 255, 0, 255).astype(np.uint8).T
    return Picture(
        seconds=count / RATE,
        low=tuple(np.minimum.reduceat(low, edges).round(4).tolist()),
        high=tuple(np.maximum.reduceat(high, edges).round(4).tolist()),
        mel=np.ascontiguousarray(pixels).tobytes(),
        bins=bins,
        columns=len(edges),
        floor=floor,
    )


def _mel(wave: Wave, bins: int, step: int) -> NDArray[np.float32]:
    """Mel power (frames, bins) of a block whose length is a multiple of `step`: one frame a step, plain NumPy."""
    size = 512
    padded = np.concatenate([wave, np.zeros(size, np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::step][: len(wave) // step]
    power = np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32))) ** 2
    mel: NDArray[np.float32] = (power @ _mel_filters(bins, size)).astype(np.float32)
    return mel


def _mel_filters(bins: int, size: int) -> NDArray[np.float64]:
    """Triangles (size // 2 + 1, bins), evenly spaced on the mel scale (2595 log10(1 + f / 700))."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bins + 2) / 2595) - 1)
    freqs = np.fft.rfftfreq(size, 1 / RATE)[:, None]
    rising = (freqs - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - freqs) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling))
