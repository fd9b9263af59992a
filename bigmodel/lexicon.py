"""The words that a small recogniser is likely to hear, and which follow which: a word list with bigrams in one file.

    Lexicon.learn(lines)                     from texts
    lexicon.save(path), Lexicon.load(path)   safetensors
    lexicon.follow(before, word)             log P(word | the word before)
    lexicon.hope(before, node)               the highest of those that some letters can still become

Probabilities are interpolated, Kneser-Ney (Chen & Goodman 1999): absolute discounting, and a word for itself is as
likely as the words are many after which it was read. A word that is not in the list costs UNKNOWN and LETTER for each
of its letters: names can still be spelt.
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

    def __init__(self, words: list[str], pairs: NDArray[np.int16], seen: NDArray[np.int32]) -> None:
        self.words = words
        self._pairs, self._seen = pairs, seen
        # Numbers from 0 on, so that NumPy can count by them: a word after START has the place of one more word.
        before, after = pairs[:, 0].astype(int) % (len(words) + 1), pairs[:, 1].astype(int)
        kinds = np.bincount(before, minlength=len(words) + 1)
        # A word alone is as likely as the words are many that it follows.
        ways = np.bincount(after, minlength=len(words)) + DISCOUNT
        self._alone: list[float] = np.log(ways / ways.sum()).tolist()
        known = np.flatnonzero(kinds)
        totals = np.bincount(before, seen, len(words) + 1)
        rest = np.log(DISCOUNT * kinds[known] / totals[known])
        self._rest: dict[int, float] = dict(zip(known.tolist(), rest.tolist(), strict=True))
        order, ends = np.argsort(before, kind="stable"), np.cumsum(kinds)[:-1]
        shares = ((seen - DISCOUNT) / totals[before])[order]
        self._after, self._shares = np.split(after[order], ends), np.split(shares, ends)
        self._heard: dict[int, tuple[dict[int, float], dict[int, float]]] = {}
        self.tree: dict[tuple[int, str], int] = {}
        self.word_at: list[int] = [NOT_LISTED]
        self.best: list[float] = [max(self._alone)]
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
        place = len(self.words) if before == START else before
        if place not in self._rest:
            return self._alone[word]
        read = self._known(place)[0].get(word)
        return self._rest[place] + self._alone[word] if read is None else read

    def hope(self, before: int, node: int) -> float:
        """The highest log P(word | before) of the words that go on from this node of the tree."""
        place = len(self.words) if before == START else before
        if place not in self._rest:
            return self.best[node]
        return max(self._known(place)[1].get(node, -math.inf), self._rest[place] + self.best[node])

    def _known(self, place: int) -> tuple[dict[int, float], dict[int, float]]:
        """Of the words that were read after this one: word → log P, and node → the highest log P; worked out when it
        is first asked for, as few of all words are ever heard."""
        if place not in self._heard:
            rest, hopes = self._rest[place], dict[int, float]()
            read = zip(self._after[place].tolist(), self._shares[place].tolist(), strict=True)
            follow = {word: math.log(share + math.exp(rest + self._alone[word])) for word, share in read}
            for word, value in follow.items():
                node = 0
                for letter in self.words[word]:
                    node = self.tree[node, letter]
                    hopes[node] = max(hopes.get(node, -math.inf), value)
            self._heard[place] = follow, hopes
        return self._heard[place]

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
            np.array([row[:2] for row in kept], np.int16),
            np.array([row[2] for row in kept], np.int32),
        )

    def save(self, path: Path) -> None:
        """One safetensors file; the words are its metadata."""
        from safetensors.numpy import save_file

        tensors = {"pairs": self._pairs, "seen": self._seen}
        save_file(tensors, path, metadata={"words": " ".join(self.words)})
        path.chmod(0o644)  # safetensors lets only its owner read

    @staticmethod
    def load(path: Path) -> Lexicon:
        """What `save` wrote."""
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            words = file.metadata()["words"].split()
            return Lexicon(words, *(file.get_tensor(name) for name in ("pairs", "seen")))
