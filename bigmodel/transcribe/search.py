"""From what a CTC model hears in each frame to the likeliest words: prefix beam search with a word list.

Hannun et al. 2014 (arXiv 1408.2873): a prefix is all that has been written; its probability is summed over all ways of
writing it, those that end in a blank and those that end in its last letter apart. The word list has its say as the
letters come (the best word that can still be meant after the two before), and its last word when a word ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from heapq import nlargest
from operator import attrgetter
from typing import TYPE_CHECKING

from bigmodel.lexicon import LETTER, NOT_LISTED, START, UNKNOWN, Lexicon

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEVER = -math.inf
FAINT = -7.0  # a letter below this log probability in a frame is not tried there
HOPELESS = -9.0  # so far below the best, a prefix is dropped
CLEAR = -0.02  # a blank above this is all that a frame says
STRAYED = -1  # the node of a word that has left the list


@dataclass(slots=True, eq=False)
class Prefix:
    """All that has been written: one `letter` more than `parent`. Its unfinished word has `size` letters and stands at
    `node` of the word list's tree, after the context `before`; `told` is what the list says of the finished words,
    `doubt` of the unfinished; `count` is how many they are, all together. `worth` is what the list and the bonus make
    of it."""

    parent: Prefix | None = None
    letter: int = -1
    node: int = 0
    before: int = START
    size: int = 0
    told: float = 0.0
    doubt: float = 0.0
    count: int = 0
    worth: float = 0.0
    longer: dict[int, Prefix] = field(default_factory=dict)

    def ids(self) -> tuple[int, ...]:
        """The letters from the first on."""
        found, prefix = list[int](), self
        while prefix.parent is not None:
            found.append(prefix.letter)
            prefix = prefix.parent
        return tuple(reversed(found))


@dataclass(slots=True, eq=False)
class Path:
    """A prefix with the log probability of all ways to write it that end in a blank, and in its last letter."""

    prefix: Prefix
    blank: float = NEVER
    letter: float = NEVER
    total: float = NEVER  # of both
    score: float = NEVER  # with what the prefix is worth


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
        self._writing = [i for i, letter in enumerate(letters) if letter and i != blank]

    def best(self, frames: NDArray[np.float32]) -> tuple[int, ...]:
        """Log probabilities (frames, tokens) → the token ids of the likeliest text, repeats and blanks gone."""
        paths = [Path(Prefix(), blank=0.0, total=0.0)]
        for row in frames.tolist():
            if row[self._blank] > CLEAR:
                for path in paths:
                    path.blank, path.letter = path.total + row[self._blank], NEVER
                    path.total = path.blank
            else:
                paths = self._kept(self._after(paths, row))
        return max(paths, key=lambda path: path.total + self._finished(path.prefix).worth).prefix.ids()

    def _kept(self, paths: list[Path]) -> list[Path]:
        """The likeliest, none of them hopeless."""
        for path in paths:
            path.total = _add(path.blank, path.letter)
            path.score = path.total + path.prefix.worth
        kept = nlargest(self._beam, paths, key=attrgetter("score"))
        least = kept[0].score + HOPELESS
        return [path for path in kept if path.score > least]

    def _after(self, paths: list[Path], row: list[float]) -> list[Path]:
        """Every prefix after one more frame: as it was, and with each letter that was heard."""
        out: dict[Prefix, Path] = {}
        heard = [(i, row[i]) for i in self._writing if row[i] > FAINT]
        blank = row[self._blank]
        for path in paths:
            prefix, total = path.prefix, path.total
            same = out.get(prefix) or out.setdefault(prefix, Path(prefix))
            same.blank = _add(same.blank, total + blank)
            if path.letter > NEVER:
                same.letter = _add(same.letter, path.letter + row[prefix.letter])
            for token, said in heard:
                # The same letter again is a new one only after a blank.
                before = path.blank if token == prefix.letter else total
                if before > NEVER:
                    longer = prefix.longer.get(token) or self._write(prefix, token)
                    grown = out.get(longer) or out.setdefault(longer, Path(longer))
                    grown.letter = _add(grown.letter, before + said)
        return list(out.values())

    def _write(self, prefix: Prefix, token: int) -> Prefix:
        """The prefix with one letter more."""
        longer = prefix.longer[token] = self._weighed(self._grown(prefix, token))
        return longer

    def _weighed(self, prefix: Prefix) -> Prefix:
        prefix.worth = self._weight * (prefix.told + prefix.doubt) + self._bonus * prefix.count
        return prefix

    def _grown(self, prefix: Prefix, token: int) -> Prefix:
        letter = self._letters[token]
        if letter == " ":
            done = self._finished(prefix)
            return Prefix(prefix, token, before=done.before, told=done.told, count=done.count)
        size = prefix.size + 1
        node = self._lexicon.tree.get((prefix.node, letter.lower()), STRAYED)
        doubt = UNKNOWN + LETTER * size if node == STRAYED else self._lexicon.hope(prefix.before, node)
        return Prefix(prefix, token, node, prefix.before, size, prefix.told, doubt, prefix.count + (size == 1))

    def _finished(self, prefix: Prefix) -> Prefix:
        """The word list's last word on the unfinished word."""
        if not prefix.size:
            return prefix
        said, before = UNKNOWN + LETTER * prefix.size, NOT_LISTED
        word = NOT_LISTED if prefix.node == STRAYED else self._lexicon.word_at[prefix.node]
        if word != NOT_LISTED:
            said, before = self._lexicon.follow(prefix.before, word), self._lexicon.after(prefix.before, word)
        return self._weighed(
            Prefix(prefix.parent, prefix.letter, before=before, told=prefix.told + said, count=prefix.count)
        )


def _add(a: float, b: float) -> float:
    """log(exp a + exp b)."""
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + math.log1p(math.exp(b - a))
