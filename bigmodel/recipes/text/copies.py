"""How much of what a model writes is copied from what it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bigmodel.recipes.text import Plan, Trait
from bigmodel.recipes.text.corpus import kept_for_training
from bigmodel.recipes.text.network import continuations


def shared(
    plan: Plan,
    model: Any,
    tokenizer: Any,
    books: dict[str, list[str]],
    seed: int,
    units: Callable[[str], list[str]],
    unit: str,
) -> Iterator[Trait]:
    """The longest runs of units (words or characters) that samples of the plan's prompts share with the corpora, and
    with the tales, whose turns of phrase come again and again; ten samples of each prompt, sixty tokens long."""
    made = [
        units(text)
        for number, prompt in enumerate(plan.prompts)
        for text in continuations(model, tokenizer, prompt, seed + number, 60, 10)
    ]
    told = [source.called for source in plan.sources if source.told]
    for name, some in (("the corpora", [key for key in books if key not in told]), ("the tales", told)):
        copies = Copies([one for key in some for doc in kept_for_training(books[key]) for one in units(doc)])
        longest = sorted(map(copies.longest, made))
        yield Trait(f"longest run of {unit} shared with {name}, the longest of all samples", longest[-1], len(made))
        yield Trait("the same, median over the samples", longest[len(longest) // 2], len(made))


class Copies:
    """Finds what a text has word for word from a corpus: every place of each word is known, and a run grows from all
    places of its first word at once."""

    def __init__(self, corpus: list[str]) -> None:
        self._numbers: dict[str, int] = {}
        self._corpus = np.array([self._numbers.setdefault(word, len(self._numbers)) for word in corpus], np.int32)
        self._order = np.argsort(self._corpus, kind="stable")
        self._first = np.searchsorted(self._corpus[self._order], np.arange(len(self._numbers) + 1))
        self._corpus = np.append(self._corpus, np.int32(-1))

    def longest(self, text: list[str]) -> int:
        """The length of the longest run of `text` that the corpus has too."""
        ids = [self._numbers.get(word, -2) for word in text]
        best = 0
        for start, first in enumerate(ids):
            if first < 0 or len(ids) - start <= best:
                continue
            places, length = self._order[self._first[first] : self._first[first + 1]], 1
            while start + length < len(ids):
                ahead = places[np.minimum(places + length, len(self._corpus) - 1) == places + length]
                ahead = ahead[self._corpus[ahead + length] == ids[start + length]]
                if not len(ahead):
                    break
                places, length = ahead, length + 1
            best = max(best, length)
        return best
