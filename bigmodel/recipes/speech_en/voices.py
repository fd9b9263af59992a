"""Synthetic voices: more speakers than the corpora have, reading digits, letters, numbers, commands and sentences.

They are spoken by eSpeak NG and Flite where these are installed (`apt-get install espeak-ng flite`); without them the
recipe trains on human speech alone. Only for training: every figure is measured on human voices.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bigmodel.recipes.speech_en.sounds import RATE, Clip, resampled


def _list(words: str) -> tuple[str, ...]:
    return tuple(words.split())


FLITE = ("awb", "kal16", "rms", "slt")
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-gb-x-gbclan", "en-us")
# Voices of other languages that speak English from phonemes and are understood.
FOREIGN = _list("bs cy da de fr-fr hi it kn mk nb nl pt ru si sq sv ta te tr uk")
# What is heard instead of sounds that many languages do not have, in eSpeak's letters.
SWAPS = (("T", "s"), ("T", "t"), ("D", "d"), ("D", "z"), ("v", "w"), ("w", "v"), ("N", "n"), ("z", "s"))
VARIANTS = _list(
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 Andy Annie Alicia Michael Mike aunty belinda benjamin caleb "
    "david ed edward grandpa iven john linda max norbert paul quincy rob shelby steph travis victor zac"
)
ONES = _list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
TENS = _list("twenty thirty forty fifty sixty seventy eighty ninety")
DIGITS = (*ONES[:10], "oh")
ORDINALS = _list("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth")
MONTHS = _list("january february march april may june july august september october november december")
COMMANDS = _list("enter rubout erase help go start stop repeat yes no")


def speak(lines: int, sentences: Sequence[str], seed: int) -> Iterator[Clip]:
    """`lines` clips, each by a voice, rate and pitch drawn from the seed; none where no program is installed.
    Six of ten are sentences, drawn from `sentences`; the rest is made up here."""
    rng = np.random.default_rng((seed, 7))
    programs = [name for name in ("espeak-ng", "flite") if shutil.which(name)]
    for _ in range(lines if programs else 0):
        text = str(rng.choice(sentences)) if rng.random() < 0.6 and len(sentences) else made_up(rng)
        program = "flite" if "flite" in programs and rng.random() < 0.4 else programs[0]
        speaker, samples = (_flite if program == "flite" else _espeak)(text, rng)
        if RATE // 5 < len(samples) < 12 * RATE:
            yield Clip("synthetic", speaker, text, samples)


def made_up(rng: np.random.Generator) -> str:
    """Digits, letters, a number, a command or a date."""
    kind = rng.random()
    if kind < 0.35:
        return " ".join(rng.choice(DIGITS, size=int(rng.choice([1, 1, 1, 2, 3, 4, 5, 7]))))
    if kind < 0.60:
        return " ".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), size=int(rng.integers(1, 8))))
    if kind < 0.75:
        return number(int(rng.integers(0, 200)))
    if kind < 0.90:
        tail = number(int(rng.integers(10, 100))) if rng.random() < 0.5 else " ".join(rng.choice(DIGITS, size=3))
        return f"{rng.choice(COMMANDS)} {tail}" if rng.random() < 0.8 else str(rng.choice(COMMANDS))
    return f"{rng.choice(MONTHS)} {rng.choice(ORDINALS)} nineteen {number(int(rng.integers(20, 100)))}"


def number(n: int) -> str:
    """0 to 199 in words."""
    if n >= 100:
        return "one hundred" + (f" {number(n - 100)}" if n > 100 else "")
    if n < 20:
        return ONES[n]
    return TENS[n // 10 - 2] + (f" {ONES[n % 10]}" if n % 10 else "")


def sounded(text: str) -> str:
    """As a program should read it: single letters spelt out, not run together."""
    return " ".join(f"{word.upper()}." if len(word) == 1 and word not in "ai" else word for word in text.split())


def _espeak(text: str, rng: np.random.Generator) -> tuple[str, NDArray[np.int16]]:
    """By an English voice, or by one of another language with what it may make of English."""
    foreign = rng.random() < 0.5
    voice = f"{rng.choice(FOREIGN if foreign else ACCENTS)}+{rng.choice(VARIANTS)}"
    rate, pitch = int(rng.integers(110, 200)), int(rng.integers(25, 75))
    said = sounded(text)
    if foreign:
        command = ["espeak-ng", "-v", "en-us", "-q", "-x", said]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        said = f"[[{accented(' '.join(lines), rng)}]]"
    command = ["espeak-ng", "-v", voice, "-s", str(rate), "-p", str(pitch), "--stdout", said]
    return f"espeak {voice}", _samples(subprocess.run(command, capture_output=True, check=True).stdout)


def accented(said: str, rng: np.random.Generator) -> str:
    """Phonemes of American English as other tongues say them: some swapped for their neighbours."""
    for ours, theirs in SWAPS:
        if rng.random() < 0.25:
            said = said.replace(ours, theirs)
    return said.replace("V", "a")  # a vowel that few have


def _flite(text: str, rng: np.random.Generator) -> tuple[str, NDArray[np.int16]]:
    voice, stretch = str(rng.choice(FLITE)), float(rng.uniform(0.8, 1.25))
    command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.2f}", "-t", sounded(text)]
    return f"flite {voice}", _samples(subprocess.run([*command, "-o", "/dev/stdout"], capture_output=True).stdout)


def _samples(wav: bytes) -> NDArray[np.int16]:
    """The samples of a WAV whose header may not know its own length, as int16 at 16 kHz, silence at its ends cut off.

    A program that streams writes the largest length there is, so only the rate is taken from the header.
    """
    start = wav.find(b"data") + 8
    if start < 8:
        return np.zeros(0, np.int16)
    rate = int.from_bytes(wav[24:28], "little")
    raw = np.frombuffer(wav[start : start + (len(wav) - start) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)
    loud = np.flatnonzero(np.abs(raw) > 0.01)
    raw = raw[max(0, loud[0] - rate // 20) : loud[-1] + rate // 20] if len(loud) else raw[:0]
    wave = resampled(raw.astype(np.float32), rate, RATE) if len(raw) and rate != RATE else raw
    return (np.clip(wave, -1, 1) * 32767).astype(np.int16)
