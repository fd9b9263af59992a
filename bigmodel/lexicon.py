"""The words that a small recogniser is likely to hear, and which follow which: a word list with trigrams in one file.

    Lexicon.learn(lines)                     from texts
    lexicon.save(path), Lexicon.load(path)   safetensors
    lexicon.follow(before, word)             log P(word | what came before)
    lexicon.hope(before, node)               the highest of those that some letters can still become
    lexicon.after(before, word)              what comes before the next word

Probabilities are interpolated, Kneser-Ney (Chen & Goodman 1999): absolute discounting, and a word for itself is as
likely as the words are many after which it was read. A word that is not in the list costs UNKNOWN and LETTER for each
of its letters: names can still be spelt.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DISCOUNT = 0.75
UNKNOWN = math.log(0.003)
LETTER = math.log(1 / 18)  # English letters are no even draw from the alphabet
START = -1  # stands before a first word
NOT_LISTED = -2  # the number of a word that is not in the list, and what comes before when nothing is known
TENSORS = ("often", "context", "word", "seen")


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read after a context: word → log P, node of the tree → the highest log P, word → the longer context."""

    follow: dict[int, float]
    hopes: dict[int, float]
    longer: dict[int, int]


class Lexicon:
    """`words`, most frequent first; a word is its number there.

    A context, what comes before a word, is a number too: START, the one word before, or the two before, which are
    numbered from one more than there are words. Row i of the table says that `word[i]` was read after `context[i]`
    `seen[i]` times, sorted by context; the first rows, after one word, are the contexts of two in this order. `often`
    is how many times each word was read, and how many lines there were.

    The words are a tree as well: `tree[node, letter]` is the next node, the root is 0; `word_at[node]` is the word that
    ends there, or NOT_LISTED; `best[node]` is the highest log P(word) of the words that go on from there.
    """

    def __init__(
        self,
        words: list[str],
        often: NDArray[np.int32],
        context: NDArray[np.int32],
        word: NDArray[np.int16],
        seen: NDArray[np.int32],
    ) -> None:
        self.words = words
        self._often, self._context, self._word, self._seen = often, context, word, seen
        pairs = int(np.searchsorted(context, len(words) + 1))
        self._read_in_all = np.concatenate([often, seen[:pairs]])
        # A word alone is as likely as the words are many that it follows.
        ways = np.bincount(word[:pairs], minlength=len(words)) + DISCOUNT
        self._alone: list[float] = np.log(ways / ways.sum()).tolist()
        taken = np.bincount(context, seen - DISCOUNT, len(self._read_in_all))
        known = np.flatnonzero(taken)
        rest = np.log(1 - taken[known] / self._read_in_all[known])
        self._rest: dict[int, float] = dict(zip(known.tolist(), rest.tolist(), strict=True))
        self._reads: dict[int, _Read] = {}
        self.tree: dict[tuple[int, str], int] = {}
        self.word_at: list[int] = [NOT_LISTED]
        self.best: list[float] = [max(self._alone)]
        for number, text in enumerate(words):
            self._grow(number, text)

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
        """log P(word | before), natural; `before` is a context, or a word that nothing is known of."""
        context = self._known(before)
        if context == NOT_LISTED:
            return self._alone[word]
        read = self._read(context).follow.get(word)
        return self._rest[context] + self.follow(self._shorter(context), word) if read is None else read

    def hope(self, before: int, node: int) -> float:
        """The highest log P(word | before) of the words that go on from this node of the tree."""
        context = self._known(before)
        if context == NOT_LISTED:
            return self.best[node]
        rest = self._rest[context] + self.hope(self._shorter(context), node)
        return max(self._read(context).hopes.get(node, rest), rest)

    def after(self, before: int, word: int) -> int:
        """The context that `word` makes with the one before: both, if it is known what follows them, or the word."""
        last = self._known(before)
        if last > len(self.words):
            last = self._shorter(last)
        return word if last == NOT_LISTED else self._read(last).longer.get(word, word)

    def _known(self, before: int) -> int:
        """The place of a context in the table, NOT_LISTED if nothing was read after it."""
        place = len(self.words) if before == START else before
        return place if place in self._rest else NOT_LISTED

    def _shorter(self, context: int) -> int:
        """Of two words the last one, of one word nothing."""
        two = context - len(self.words) - 1
        return self._known(int(self._word[two])) if two >= 0 else NOT_LISTED

    def _read(self, context: int) -> _Read:
        """Worked out when it is first asked for, as few of all words are ever heard."""
        if context not in self._reads:
            first, last = np.searchsorted(self._context, [context, context + 1]).tolist()
            shares = (self._seen[first:last] - DISCOUNT) / self._read_in_all[context]
            rest, shorter, hopes = self._rest[context], self._shorter(context), dict[int, float]()
            words = self._word[first:last].tolist()
            follow = {
                word: math.log(share + math.exp(rest + self.follow(shorter, word)))
                for word, share in zip(words, shares.tolist(), strict=True)
            }
            for word, value in follow.items():
                node = 0
                for letter in self.words[word]:
                    node = self.tree[node, letter]
                    hopes[node] = max(hopes.get(node, -math.inf), value)
            places = ((word, len(self.words) + 1 + row) for row, word in enumerate(words, first))
            longer = {word: place for word, place in places if place in self._rest}
            self._reads[context] = _Read(follow, hopes, longer)
        return self._reads[context]

    @staticmethod
    def learn(
        lines: Iterable[str], most_words: int = 12_000, most_pairs: int = 200_000, most_triples: int = 300_000
    ) -> Lexicon:
        """From lines of words; a line that comes several times weighs more."""
        single: Counter[str] = Counter()
        double: Counter[tuple[str, str]] = Counter()
        triple: Counter[tuple[str, str, str]] = Counter()
        for line in lines:
            parts = ["", *line.split()]
            single.update(parts)
            double.update(pairwise(parts))
            triple.update(zip(parts, parts[1:], parts[2:], strict=False))
        lines_read = single.pop("", 0)
        words = [word for word, _ in single.most_common(most_words)]
        number = {**{word: n for n, word in enumerate(words)}, "": len(words)}
        pairs = _most(((number.get(v), number.get(w), n) for (v, w), n in double.items()), most_pairs)
        two = {(v, w): len(words) + 1 + row for row, (v, w, _) in enumerate(pairs)}
        found = ((two.get((number.get(u, -1), number.get(v, -1))), number.get(w), n) for (u, v, w), n in triple.items())
        rows = np.array([*pairs, *_most(found, most_triples)], np.int64).reshape(-1, 3)
        often = np.array([*(single[word] for word in words), lines_read], np.int32)
        return Lexicon(
            words, often, rows[:, 0].astype(np.int32), rows[:, 1].astype(np.int16), rows[:, 2].astype(np.int32)
        )

    def save(self, path: Path) -> None:
        """One safetensors file; the words are its metadata."""
        from safetensors.numpy import save_file

        tensors = dict(zip(TENSORS, (self._often, self._context, self._word, self._seen), strict=True))
        save_file(tensors, path, metadata={"words": " ".join(self.words)})
        path.chmod(0o644)  # safetensors lets only its owner read

    @staticmethod
    def load(path: Path) -> Lexicon:
        """What `save` wrote."""
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            words = file.metadata()["words"].split()
            return Lexicon(words, *(file.get_tensor(name) for name in TENSORS))


def _most(rows: Iterable[tuple[int | None, int | None, int]], most: int) -> list[tuple[int, int, int]]:
    """The rows (context, word, how often) that were read most, none with an unlisted word, sorted by context."""
    listed = ((context, word, n) for context, word, n in rows if context is not None and word is not None)
    return sorted(sorted(listed, key=lambda row: (-row[2], row))[:most])
