"""Recordings in, training batches out: the index, the held-out speakers, the plan of an epoch and the augmentation."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bigmodel.errors import DataError
from bigmodel.recipes.speech_en.events import Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

RATE = 16_000
# How often a clip is heard in one epoch: the small corpora carry the digits, letters and commands that matter most.
WEIGHTS = {
    "an4": 2.0, "an4 digits": 3.0, "fsdd": 3.0, "speechocean762": 1.6, "speechocean762 digits": 3.0, "synthetic": 1.0
}  # fmt: skip
HELD_OUT = {"an4": 8, "fsdd": 1, "speechocean762": 15}
# Old rate to new rate: faster or slower speech, with higher or lower pitch, as children and adults differ.
SPEEDS = ((5, 6), (8, 9), (10, 11), (20, 21), (1, 1), (1, 1), (21, 20), (11, 10), (9, 8), (6, 5))
LONGEST = 14.0
HOP = RATE // 100  # samples between two measurements of loudness
# The first epochs hold only clips up to so many seconds, alone, with little noise, no masks, no dropout, half batches:
# a network that has yet to find out that sound and letters go together finds it soonest with single digits.
EASY = (1.4, 1.4, 1.4, 3.5, 3.5)


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording: 16 kHz mono samples kept as int16, and the words in it; `cuts`: where each of these begins and
    the last one ends, () where nobody has looked."""

    corpus: str
    speaker: str
    text: str
    samples: NDArray[np.int16]
    cuts: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.samples) / RATE

    @property
    def wave(self) -> Wave:
        """The samples as floats, (n,) from -1 to 1."""
        return np.divide(self.samples, np.float32(32768), dtype=np.float32)


@dataclass(frozen=True)
class Item:
    """What one row of a batch will be: the clips that are joined (none: only noise) and the planned seconds."""

    clips: tuple[int, ...]
    seconds: float


def read_clips(folder: str) -> Iterator[Clip]:
    """Every clip of `folder`/index.tsv, decoded and brought to 16 kHz, one at a time."""
    import soundfile

    with (Path(folder) / "index.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            wave, rate = soundfile.read(Path(folder) / row["path"], dtype="float32")
            if rate != RATE:
                wave = resampled(wave, rate, RATE)
            samples = (np.clip(wave, -1, 1) * 32767).astype(np.int16)
            yield Clip(row["corpus"], row["speaker"], row["text"].lower(), samples)


def read_all(folder: str) -> Generator[Reading, None, list[Clip]]:
    """All clips of `folder`; says now and then how far it is. Raises DataError where there is no index."""
    if not (Path(folder) / "index.tsv").is_file():
        raise DataError("recipe.speech_data", folder=folder)
    clips: list[Clip] = []
    for clip in read_clips(folder):
        clips.append(clip)
        if len(clips) % 200 == 0:
            yield Reading(len(clips), sum(c.seconds for c in clips) / 3600)
    yield Reading(len(clips), sum(c.seconds for c in clips) / 3600)
    return clips


def close(clip: Clip) -> Clip:
    """The clip without most of the silence at its ends: a tenth of the hours of the corpora, and pauses are put in."""
    return replace(clip, samples=trimmed(clip.samples, 0.2))


def trimmed(samples: NDArray[np.int16], margin: float) -> NDArray[np.int16]:
    """Without what is 30 dB under the loudest moment at either end, but for `margin` seconds."""
    if len(samples) < 3 * HOP:
        return samples[:0]
    level, kept = levels(samples), round(margin * RATE / HOP)
    heard = np.flatnonzero(level > level.max() - 30)
    return samples[max(0, heard[0] - kept) * HOP : (heard[-1] + 1 + kept) * HOP]


def levels(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Loudness every 10 ms over 30 ms, in decibels."""
    power = samples.astype(np.float32)[: len(samples) // HOP * HOP].reshape(-1, HOP) ** 2
    smooth = np.convolve(power.mean(1), np.ones(3) / 3, "same")
    level: NDArray[np.float32] = (10 * np.log10(smooth + 1)).astype(np.float32)
    return level


def batched(clips: list[Clip], most: float = 30.0) -> Iterator[list[Clip]]:
    """Clips in their order, up to `most` seconds at once: well under a second of work."""
    some: list[Clip] = []
    for clip in clips:
        if some and sum(c.seconds for c in some) + clip.seconds > most:
            yield some
            some = []
        some.append(clip)
    if some:
        yield some


def held_out(clips: list[Clip]) -> frozenset[str]:
    """Speakers kept for judging: the first of each corpus in the order of a hash of the name, so nobody chose them."""
    chosen: set[str] = set()
    for corpus in sorted({clip.corpus for clip in clips}):
        names = {clip.speaker for clip in clips if clip.corpus == corpus}
        ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        chosen.update(ranked[: min(HELD_OUT.get(corpus, 1), len(ranked) - 1)])
    return frozenset(chosen)


def plan(clips: list[Clip], rng: np.random.Generator, batch_seconds: float, easy: float = 0) -> list[list[Item]]:
    """One epoch as batches of items of like length: clips alone or joined, and a few rows of pure noise.

    With `easy` seconds: every clip up to that length once, alone, in half batches.
    """
    if easy:
        alone = [Item((i,), clip.seconds + 0.6) for i, clip in enumerate(clips) if clip.seconds < easy]
        ranked = sorted(alone, key=lambda item: item.seconds)
        batches = _cut(ranked, batch_seconds / 2)
        return [batches[i] for i in rng.permutation(len(batches))]
    items: list[Item] = []
    for corpus in sorted({clip.corpus for clip in clips}):
        own = [i for i, clip in enumerate(clips) if clip.corpus == corpus]
        for whole in range(ceil(WEIGHTS.get(corpus, 1.0))):
            share = min(1.0, WEIGHTS.get(corpus, 1.0) - whole)
            order = [own[i] for i in rng.permutation(len(own))[: round(share * len(own))]]
            if rng.random() < 0.5:  # neighbours by one voice, as in a real recording; else voices change
                order.sort(key=lambda i: clips[i].speaker)
            items += _joined(clips, order, rng)
    items += [Item((), float(rng.uniform(0.5, 6.0))) for _ in range(max(1, len(items) // 40))]
    ranked = sorted(items, key=lambda item: item.seconds * rng.uniform(0.9, 1.1))
    batches = _cut(ranked, batch_seconds)
    return [batches[i] for i in rng.permutation(len(batches))]


def _joined(clips: list[Clip], order: list[int], rng: np.random.Generator) -> Iterator[Item]:
    """Walk through `order`; digits are joined most of the time, longer clips now and then."""
    at = 0
    while at < len(order):
        digit = clips[order[at]].seconds < 1.0
        count = int(rng.integers(2, 11)) if digit and rng.random() < 0.4 else 1
        if not digit and rng.random() < 0.12:
            count = int(rng.integers(2, 4))
        group, seconds = [order[at]], clips[order[at]].seconds + 0.6
        for follower in order[at + 1 : at + count]:
            if seconds + clips[follower].seconds > LONGEST:
                break
            group.append(follower)
            seconds += clips[follower].seconds + 0.3
        at += len(group)
        yield Item(tuple(group), seconds)


def _cut(ranked: list[Item], batch_seconds: float) -> list[list[Item]]:
    batches: list[list[Item]] = [[]]
    for item in ranked:
        if batches[-1] and (len(batches[-1]) + 1) * item.seconds > batch_seconds:
            batches.append([])
        batches[-1].append(item)
    return batches


def example(folder: str, names: tuple[str, ...], pause: float = 0.7) -> Wave:
    """Clips of one voice joined to a short recording, with the room's own level of noise in the pauses: (n,)."""
    import soundfile

    rng, parts = np.random.default_rng(0), []
    for name in names:
        wave, _ = soundfile.read(Path(folder) / "audio" / f"{name}.opus", dtype="float32")
        frames = wave[: len(wave) // 320 * 320].reshape(-1, 320)
        floor = float(np.quantile(np.sqrt(np.mean(frames**2, axis=1)), 0.05))
        fade = np.minimum(1, np.minimum(np.arange(len(wave)), np.arange(len(wave))[::-1]) / 160)
        quiet = [rng.normal(0, floor, int(seconds * RATE)) for seconds in (pause / 2, pause / 2)]
        parts += [quiet[0], wave * fade, quiet[1]]
    joined: Wave = np.concatenate(parts).astype(np.float32)
    return joined / np.float32(np.abs(joined).max() * 1.4)


def resampled(wave: Wave, old: int, new: int) -> Wave:
    """`wave` of shape (n,) from rate `old` to rate `new`."""
    import torch
    from torchaudio.functional import resample

    out: Wave = resample(torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32)), old, new).numpy()
    return out


def make(clips: list[Clip], seconds: float, rng: np.random.Generator, easy: bool = False) -> tuple[Wave, str]:
    """Samples (n,) and text of one item, clips joined or none and so many seconds of noise: other speed, pauses, a
    room, a narrow band, noise, another loudness."""
    speed = (1, 1) if easy else SPEEDS[rng.integers(len(SPEEDS))]
    parts = [_quiet(_pause(rng))]
    for number, clip in enumerate(clips):
        if number:
            parts.append(_quiet(0.05 + rng.exponential(0.25)))
        spoken = clip.wave if speed == (1, 1) else resampled(clip.wave, *speed)
        parts.append(spoken * np.float32(10 ** (rng.uniform(-4, 4) / 20)))
    parts.append(_quiet(_pause(rng) if clips else seconds))
    wave = np.concatenate(parts)[: int(RATE * (LONGEST + 6))]
    return _disturbed(wave, rng, easy), " ".join(clip.text for clip in clips)


def _pause(rng: np.random.Generator) -> float:
    """Seconds of silence before and after: mostly short, now and then long, and often none at all, as in clips that
    are cut close."""
    return float(min(1.5, 0.1 + rng.exponential(0.25))) if rng.random() < 0.7 else 0.0


def _quiet(seconds: float) -> Wave:
    return np.zeros(int(seconds * RATE), np.float32)


def _disturbed(wave: Wave, rng: np.random.Generator, easy: bool) -> Wave:
    """Room, band and noise, all in the frequency domain: one transform there and one back.

    Most rows have some noise. The features are normalised over a row, and digital silence beside speech (the logarithm
    of nothing) squeezes all that is speech into a corner: some rows must be so, for microphones that cut noise off.
    """
    size = 1 << int(len(wave) - 1).bit_length()
    freqs = np.fft.rfftfreq(size, 1 / RATE).astype(np.float32)
    loud = float(np.sqrt(np.mean(wave**2)))
    spectrum = np.fft.rfft(wave, size)
    if not easy and rng.random() < 0.1:
        spectrum = spectrum * _room(rng, size)
    if easy or rng.random() < 0.8 or loud == 0:
        tilt = (np.maximum(freqs, 50) / 1000) ** -rng.uniform(0, 1)  # from white to pink-and-darker noise
        noise = np.fft.rfft(rng.standard_normal(size).astype(np.float32)) * tilt
        power = float(np.sqrt(np.mean(np.abs(noise) ** 2) / size)) + 1e-9
        snr = rng.uniform(5, 25) if not easy and rng.random() < 0.15 else rng.uniform(25, 50)
        spectrum = spectrum + noise * ((loud or 0.05) * 10 ** (-snr / 20) / power)
    if not easy and rng.random() < 0.4:  # a telephone more often than not, else a cheap microphone
        spectrum[freqs > (rng.uniform(3300, 4000) if rng.random() < 0.6 else rng.uniform(4000, 7500))] = 0
        spectrum[freqs < rng.uniform(0, 250)] = 0
    wave = np.fft.irfft(spectrum, size)[: len(wave)].astype(np.float32)
    peak = float(np.abs(wave).max()) + 1e-9
    return wave * np.float32(10 ** (rng.uniform(-35, 0) / 20) / peak)


def _room(rng: np.random.Generator, size: int) -> NDArray[np.complex128]:
    """The answer of a small room: the direct sound, then noise that dies away in 0.1 to 0.4 seconds."""
    length = int(RATE * rng.uniform(0.1, 0.4))
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= rng.uniform(0.1, 0.6) / np.sqrt(np.sum(tail**2))
    tail[: RATE // 200] = 0
    tail[0] = 1
    return np.fft.rfft(tail, size)
