"""The words that a small recogniser is likely to hear, and which follow which: a word list with bigrams in one file.

    Lexicon.learn(lines)                     from texts
    lexicon.save(path), Lexicon.load(path)   safetensors
    lexicon.follow(before, word)             log P(word | the word before)

Probabilities are interpolated with absolute discounting (Ney, Essen and Kneser 1994). A word that is not in the list
costs UNKNOWN and LETTER for each of its letters: names can still be spelt.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DISCOUNT = 0.75
UNKNOWN = math.log(0.003)
LETTER = math.log(1 / 18)  # English letters are no even draw from the alphabet
START = -1  # stands before a first word
NOT_LISTED = -2  # the number of a word that is not in the list


class Lexicon:
    """`words`, most frequent first; a word is its number there.

    The words are a tree too: `tree[node, letter]` is the next node, the root is 0; `word_at[node]` is the word that
    ends there, or NOT_LISTED; `best[node]` is the highest log P(word) of the words that go on from there.
    """

    def __init__(
        self, words: list[str], counts: NDArray[np.int32], pairs: NDArray[np.int16], seen: NDArray[np.int32]
    ) -> None:
        self.words = words
        self._counts, self._pairs, self._seen = counts, pairs, seen
        self._alone: list[float] = np.log(counts / counts.sum()).tolist()
        # Numbers from 0 on, so that NumPy can count by them: a word after START has the place of one more word.
        before, after = pairs[:, 0].astype(int) % (len(words) + 1), pairs[:, 1].astype(int)
        totals = np.bincount(before, seen, len(words) + 1)
        kinds = np.bincount(before, minlength=len(words) + 1)
        known = np.flatnonzero(kinds)
        self._rest = dict(zip(known.tolist(), np.log(DISCOUNT * kinds[known] / totals[known]).tolist(), strict=True))
        shares = ((seen - DISCOUNT) / totals[before]).tolist()
        self._follow = dict(zip(zip(before.tolist(), after.tolist(), strict=True), shares, strict=True))
        self.tree: dict[tuple[int, str], int] = {}
        self.word_at, self.best = [NOT_LISTED], [max(self._alone)]
        for number, word in enumerate(words):
            self._grow(number, word)

    def _grow(self, number: int, word: str) -> None:
        node = 0
        for letter in word:
            after = self.tree.setdefault((node, letter), len(self.word_at))
            if after == len(self.word_at):
                self.word_at.append(NOT_LISTED)
                self.best.append(-math.inf)
            node = after
            self.best[node] = max(self.best[node], self._alone[number])
        self.word_at[node] = number

    def follow(self, before: int, word: int) -> float:
        """log P(word | before), natural; `before` may be START, or a word never seen before another."""
        before = len(self.words) if before == START else before
        alone, rest = self._alone[word], self._rest.get(before)
        if rest is None:
            return alone
        return math.log(self._follow.get((before, word), 0.0) + math.exp(rest + alone))

    @staticmethod
    def learn(lines: Iterable[str], most_words: int = 12_000, most_pairs: int = 100_000) -> Lexicon:
        """From lines of words; a line that comes several times weighs more."""
        single: Counter[str] = Counter()
        double: Counter[tuple[str, str]] = Counter()
        for line in lines:
            parts = line.split()
            single.update(parts)
            double.update(zip(["", *parts], parts, strict=False))
        words = [word for word, _ in single.most_common(most_words)]
        number = {"": START, **{word: n for n, word in enumerate(words)}}
        known = ((number[v], number[w], n) for (v, w), n in double.items() if v in number and w in number)
        kept = sorted(known, key=lambda row: (-row[2], row))[:most_pairs]
        return Lexicon(
            words,
            np.array([single[word] for word in words], np.int32),
            np.array([row[:2] for row in kept], np.int16),
            np.array([row[2] for row in kept], np.int32),
        )

    def save(self, path: Path) -> None:
        """One safetensors file; the words are its metadata."""
        from safetensors.numpy import save_file

        tensors = {"counts": self._counts, "pairs": self._pairs, "seen": self._seen}
        save_file(tensors, path, metadata={"words": " ".join(self.words)})
        path.chmod(0o644)  # safetensors lets only its owner read

    @staticmethod
    def load(path: Path) -> Lexicon:
        """What `save` wrote."""
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            words = file.metadata()["words"].split()
            return Lexicon(words, *(file.get_tensor(name) for name in ("counts", "pairs", "seen")))
