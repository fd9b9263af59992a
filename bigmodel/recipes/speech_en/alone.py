"""Digits cut out of longer recordings: many more voices that say one digit alone than the digit corpus has.

Where a word stands is found by forced alignment (Kürzinger et al. 2020, arXiv 2007.09127) with the finished model that
a next edition begins with; the cut goes where the sound between two words is quietest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bigmodel.recipes.speech_en import network, sounds
from bigmodel.recipes.speech_en.sounds import HOP, RATE, Clip
from bigmodel.recipes.speech_en.voices import DIGITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

CORPUS = "an4 digits"
FRAME = RATE * 4 // 100  # samples of a frame of the model
SHORTEST, LONGEST = 0.15, 1.0  # seconds


def digits(clips: Iterable[Clip], folder: str) -> Iterator[Clip | None]:
    """The digits of the AN4 clips, each as a clip by the same speaker; None for a clip that has been looked through."""
    from transformers import AutoModelForCTC

    model = AutoModelForCTC.from_pretrained(folder, local_files_only=True).eval()
    extractor = network.processor().feature_extractor
    for clip in clips:
        if clip.corpus == "an4" and set(clip.text.split()) & set(DIGITS):
            for word, samples in zip(clip.text.split(), words(clip, model, extractor), strict=True):
                if word in DIGITS and SHORTEST * RATE < len(samples) < LONGEST * RATE:
                    yield Clip(CORPUS, clip.speaker, word, samples)
        yield None


def words(clip: Clip, model: Any, extractor: Any) -> list[NDArray[np.int16]]:
    """The sound of each word of a clip, silence at its ends cut off."""
    loud = sounds.levels(clip.samples)
    spans = _spans(clip, model, extractor)
    cuts = [0]
    for (_, before), (after, _) in pairwise(spans):
        low, high = before * FRAME // HOP, max(before + 1, after) * FRAME // HOP
        window = loud[low : high + 1]
        cuts.append((low + int(window.argmin())) * HOP if len(window) else low * HOP)
    cuts.append(len(clip.samples))
    return [sounds.trimmed(clip.samples[first:last], 0.05) for first, last in pairwise(cuts)]


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
