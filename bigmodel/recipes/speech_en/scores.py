"""Word and letter error rates by group of speakers, with bootstrap intervals over the speakers' clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bigmodel.recipes.speech_en.sounds import Clip


@dataclass(frozen=True)
class Score:
    """Error rates of one corpus, 0 to 1 (or more), each with the 95 % bootstrap interval over clips."""

    corpus: str
    clips: int
    speakers: int
    words: int
    wer: float
    wer_low: float
    wer_high: float
    cer: float
    cer_low: float
    cer_high: float


def score(clips: Sequence[Clip], heard: Sequence[str], draws: int = 1000) -> tuple[Score, ...]:
    """One Score a corpus; `heard[i]` is what was written for `clips[i]`."""
    out = []
    for corpus in sorted({clip.corpus for clip in clips}):
        rows = [i for i, clip in enumerate(clips) if clip.corpus == corpus]
        said = [clips[i].text for i in rows]
        words = [(distance(s.split(), heard[i].split()), len(s.split())) for i, s in zip(rows, said, strict=True)]
        letters = [(distance(s, heard[i]), len(s)) for i, s in zip(rows, said, strict=True)]
        out.append(
            Score(
                corpus,
                len(rows),
                len({clips[i].speaker for i in rows}),
                sum(n for _, n in words),
                *_interval(words, draws),
                *_interval(letters, draws),
            )
        )
    return tuple(out)


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Levenshtein distance: the fewest insertions, deletions and replacements from one to the other."""
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        corner, row[0] = row[0], i
        for j, b in enumerate(heard, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (a != b))
    return row[-1]


def right(said: Sequence[str], heard: Sequence[str]) -> list[bool]:
    """Whether each heard word stands in its place, by a cheapest way (Levenshtein) from what was said to it."""
    costs = np.zeros((len(said) + 1, len(heard) + 1), dtype=int)
    costs[:, 0], costs[0] = np.arange(len(said) + 1), np.arange(len(heard) + 1)
    for i, a in enumerate(said, 1):
        for j, b in enumerate(heard, 1):
            costs[i, j] = min(costs[i - 1, j] + 1, costs[i, j - 1] + 1, costs[i - 1, j - 1] + (a != b))
    flags, i, j = [False] * len(heard), len(said), len(heard)
    while i and j:
        if costs[i, j] == costs[i - 1, j - 1] + (said[i - 1] != heard[j - 1]):
            i, j = i - 1, j - 1
            flags[j] = said[i] == heard[j]
        elif costs[i, j] == costs[i, j - 1] + 1:
            j -= 1
        else:
            i -= 1
    return flags


def _interval(pairs: list[tuple[int, int]], draws: int) -> tuple[float, float, float]:
    """Rate and its 2.5 % and 97.5 % bootstrap quantiles (clips drawn with replacement, a fixed seed)."""
    table = np.asarray(pairs, dtype=np.float64)
    picks = np.random.default_rng(0).integers(len(table), size=(draws, len(table)))
    sums = table[picks].sum(axis=1)
    low, high = np.quantile(sums[:, 0] / np.maximum(1, sums[:, 1]), [0.025, 0.975])
    rate = table[:, 0].sum() / max(1.0, table[:, 1].sum())
    return round(float(rate), 4), round(float(low), 4), round(float(high), 4)
