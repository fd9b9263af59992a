"""From what a CTC model hears in each frame to the likeliest words: prefix beam search with a word list.

Hannun et al. 2014 (arXiv 1408.2873): a prefix is all that has been written; its probability is summed over all ways of
writing it, those that end in a blank and those that end in its last letter apart. The word list has its say as the
letters come (the best word that can still be meant after the one before), and its last word when a word ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bigmodel.lexicon import LETTER, NOT_LISTED, START, UNKNOWN, Lexicon

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEVER = -math.inf
FAINT = -7.0  # a letter below this log probability in a frame is not tried there
CLEAR = -0.02  # a blank above this is all that a frame says
STRAYED = -1  # the node of a word that has left the list


@dataclass(frozen=True, slots=True)
class Prefix:
    """All that has been written. Its unfinished word has `size` letters and stands at `node` of the word list's tree,
    after the word `before`; `told` is what the list says of the finished words, `doubt` of the unfinished; `count` is
    how many they are, all together."""

    ids: tuple[int, ...] = ()
    node: int = 0
    before: int = START
    size: int = 0
    told: float = 0.0
    doubt: float = 0.0
    count: int = 0


@dataclass(slots=True)
class Path:
    """A prefix with the log probability of all ways to write it that end in a blank, and in its last letter."""

    prefix: Prefix
    blank: float = NEVER
    letter: float = NEVER

    @property
    def total(self) -> float:
        return _add(self.blank, self.letter)


class Search:
    """One search: `letters` are the tokens' texts (" " ends a word, "" says nothing), `weight` is how much the word
    list counts beside the ear; `bonus` is for every word, or the shortest text would always win; the `beam` likeliest
    prefixes go on."""

    def __init__(
        self,
        letters: tuple[str, ...],
        blank: int,
        lexicon: Lexicon,
        weight: float,
        *,
        bonus: float = 0.8,
        beam: int = 32,
    ) -> None:
        self._letters, self._blank, self._lexicon, self._weight = letters, blank, lexicon, weight
        self._bonus, self._beam = bonus, beam
        self._written: dict[tuple[Prefix, int], Prefix] = {}

    def best(self, frames: NDArray[np.float32]) -> tuple[int, ...]:
        """Log probabilities (frames, tokens) → the token ids of the likeliest text, repeats and blanks gone."""
        paths = [Path(Prefix(), blank=0.0)]
        for row in frames.tolist():
            if row[self._blank] > CLEAR:
                paths = [Path(path.prefix, blank=path.total + row[self._blank]) for path in paths]
            else:
                paths = sorted(self._after(paths, row), key=self._score, reverse=True)[: self._beam]
        ended = [Path(self._finished(path.prefix), path.total) for path in paths]
        return max(ended, key=self._score).prefix.ids

    def _score(self, path: Path) -> float:
        prefix = path.prefix
        return path.total + self._weight * (prefix.told + prefix.doubt) + self._bonus * prefix.count

    def _after(self, paths: list[Path], row: list[float]) -> list[Path]:
        """Every prefix after one more frame: as it was, and with each letter that was heard."""
        out: dict[tuple[int, ...], Path] = {}
        heard = [i for i, value in enumerate(row) if value > FAINT and i != self._blank and self._letters[i]]
        for path in paths:
            prefix, total = path.prefix, path.total
            last = prefix.ids[-1] if prefix.ids else self._blank
            same = out.setdefault(prefix.ids, Path(prefix))
            same.blank = _add(same.blank, total + row[self._blank])
            same.letter = _add(same.letter, path.letter + row[last])
            for token in heard:
                # The same letter again is a new one only after a blank.
                before = path.blank if token == last else total
                if before > NEVER:
                    longer = self._write(prefix, token)
                    grown = out.setdefault(longer.ids, Path(longer))
                    grown.letter = _add(grown.letter, before + row[token])
        return list(out.values())

    def _write(self, prefix: Prefix, token: int) -> Prefix:
        """The prefix with one letter more: a function of the two, so it is worked out once."""
        key = (prefix, token)
        if key not in self._written:
            self._written[key] = self._grown(prefix, token)
        return self._written[key]

    def _grown(self, prefix: Prefix, token: int) -> Prefix:
        letter, ids = self._letters[token], (*prefix.ids, token)
        if letter == " ":
            done = self._finished(prefix)
            return Prefix(ids, before=done.before, told=done.told, count=done.count)
        size = prefix.size + 1
        node = self._lexicon.tree.get((prefix.node, letter.lower()), STRAYED)
        doubt = UNKNOWN + LETTER * size if node == STRAYED else self._lexicon.hope(prefix.before, node)
        return Prefix(ids, node, prefix.before, size, prefix.told, doubt, prefix.count + (size == 1))

    def _finished(self, prefix: Prefix) -> Prefix:
        """The word list's last word on the unfinished word."""
        if not prefix.size:
            return prefix
        word = NOT_LISTED if prefix.node == STRAYED else self._lexicon.word_at[prefix.node]
        listed = word != NOT_LISTED
        said = self._lexicon.follow(prefix.before, word) if listed else UNKNOWN + LETTER * prefix.size
        return Prefix(prefix.ids, before=word, told=prefix.told + said, count=prefix.count)


def _add(a: float, b: float) -> float:
    """log(exp a + exp b)."""
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + math.log1p(math.exp(b - a))
