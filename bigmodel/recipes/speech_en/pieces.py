"""What is cut out of recordings: digits said alone by many voices, and new sentences from pieces of others.

Where a word stands is found by forced alignment (Kürzinger et al. 2020, arXiv 2007.09127) with the finished model that
a next edition begins with; the cut goes where the sound between two words is quietest. A few hours of sentences are
soon known by heart; joined pieces of several of them say what nobody has read (Lam et al. 2021, arXiv 2104.01393).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bigmodel.recipes.speech_en import network, sounds
from bigmodel.recipes.speech_en.sounds import HOP, RATE, Clip
from bigmodel.recipes.speech_en.voices import DIGITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

CORPORA = ("an4", "speechocean762")
FRAME = RATE * 4 // 100  # samples of a frame of the model
SHORTEST, LONGEST = 0.15, 1.0  # seconds of a digit
PIECE = 3  # words at most
FADE = RATE // 300  # samples


def cut(clips: Iterable[Clip], folder: str) -> Iterator[Clip]:
    """All clips; those of several words know where each begins."""
    from transformers import AutoModelForCTC

    model = AutoModelForCTC.from_pretrained(folder, local_files_only=True).eval()
    extractor = network.processor().feature_extractor
    for clip in clips:
        several = clip.corpus in CORPORA and " " in clip.text
        yield replace(clip, cuts=cuts(clip, model, extractor)) if several else clip


def digits(clip: Clip) -> Iterator[Clip]:
    """The digits in a clip that is cut, each as a clip by the same speaker, silence at its ends cut off."""
    for word, (first, last) in zip(clip.text.split(), pairwise(clip.cuts), strict=False):
        samples = sounds.trimmed(clip.samples[first:last], 0.05) if word in DIGITS else clip.samples[:0]
        if SHORTEST * RATE < len(samples) < LONGEST * RATE:
            yield Clip(f"{clip.corpus} digits", clip.speaker, word, samples)


def retold(clip: Clip, mates: Sequence[Clip], rng: np.random.Generator) -> Clip:
    """As many words as in `clip`, or a few more, in pieces of one to three from `mates`: cut clips by its speaker."""
    words: list[str] = []
    sound: list[NDArray[np.int16]] = []
    while len(words) < len(clip.cuts) - 1:
        mate = mates[int(rng.integers(len(mates)))]
        own = mate.text.split()
        first = int(rng.integers(len(own)))
        last = min(len(own), first + int(rng.integers(1, PIECE + 1)))
        words += own[first:last]
        sound.append(_faded(mate.samples[mate.cuts[first] : mate.cuts[last]]))
    return replace(clip, text=" ".join(words), samples=np.concatenate(sound), cuts=())


def _faded(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """In and out within a few milliseconds, so that no join clicks."""
    place = np.arange(len(samples))
    return (samples * np.minimum(1, np.minimum(place, place[::-1]) / FADE)).astype(np.int16)


def cuts(clip: Clip, model: Any, extractor: Any) -> tuple[int, ...]:
    """The sample at which each word begins, and the end: one more than there are words."""
    loud = sounds.levels(clip.samples)
    places = [0]
    for (_, before), (after, _) in pairwise(_spans(clip, model, extractor)):
        low, high = before * FRAME // HOP, max(before + 1, after) * FRAME // HOP
        window = loud[low : high + 1]
        places.append((low + int(window.argmin())) * HOP if len(window) else low * HOP)
    return (*places, len(clip.samples))


def _spans(clip: Clip, model: Any, extractor: Any) -> list[tuple[int, int]]:
    """First and last frame of the letters of each word."""
    import torch
    from torchaudio.functional import forced_align

    with torch.inference_mode():
        logits = model(**extractor(clip.wave, sampling_rate=RATE, return_tensors="pt")).logits
        targets = torch.tensor([network.encode(clip.text)], dtype=torch.int32)
        path = forced_align(logits.log_softmax(-1), targets, blank=0)[0][0].tolist()
    space, spans, open_ = 1 + network.LETTERS.index(" "), list[tuple[int, int]](), True
    for number, token in enumerate(path):
        if token == space:
            open_ = True
        elif token:
            spans = [*spans, (number, number)] if open_ else [*spans[:-1], (spans[-1][0], number)]
            open_ = False
    return spans
