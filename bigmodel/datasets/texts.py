"""Columns of free text → TF-IDF features, by an entry of the recipe that is plain JSON.

Languages that put spaces between words give words and pairs of words; Chinese, Japanese and Thai give runs of one to
three characters. scikit-learn's TfidfVectorizer learns both on the training part; the entry keeps its terms and their
idf, and from these two the same vectorizer is built again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
"""Letters of Thai, Japanese and Chinese, which write their words without spaces."""

LENGTH = 5.0
"""A row of TF-IDF weights has length 1, which a network of the usual start hardly feels; a much longer one is learnt by
heart in a few epochs. Five was best, or next to it, on both sets of sentences."""

_LETTER = re.compile(r"\w")
_LOOK = 500
"""Texts that are looked at to tell how a column is written."""


def spaced(texts: Sequence[str]) -> bool:
    """Whether texts put spaces between their words."""
    looked = "".join(texts[:_LOOK])
    return len(UNSPACED.findall(looked)) <= 0.3 * len(_LETTER.findall(looked))


def plain(cells: pd.Series[Any]) -> list[str]:
    """Cells as texts; missing ones are empty."""
    return ["" if cell is None or cell != cell else str(cell) for cell in cells]


def learned(column: str, cells: pd.Series[Any], most: int) -> dict[str, Any] | None:
    """The entry for a column whose cells are those of the training part; None where they hold no word at all.

    At most `most` terms are kept: those that are used most.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = plain(cells)
    words = spaced(texts)
    analyzer, longest = ("word", 2) if words else ("char", 3)
    vectorizer = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, longest), sublinear_tf=True, max_features=most)
    try:
        vectorizer.fit(texts)
    except ValueError:  # an empty vocabulary
        return None
    terms = vectorizer.get_feature_names_out().tolist()
    return {
        "column": column,
        "kind": "text",
        "features": [f"{column}: '{term}'" for term in terms],
        "analyzer": analyzer,
        "longest": longest,
        "terms": terms,
        "idf": vectorizer.idf_.tolist(),
        "scale": 1 / LENGTH,
    }


def weighed(entry: Mapping[str, Any], cells: pd.Series[Any]) -> np.ndarray:
    """Texts → (rows, features): TF-IDF weights of rows of length 1, divided by the entry's scale."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer=entry["analyzer"],
        ngram_range=(1, entry["longest"]),
        sublinear_tf=True,
        vocabulary=entry["terms"],
    )
    vectorizer.idf_ = np.asarray(entry["idf"])
    found: np.ndarray = vectorizer.transform(plain(cells)).toarray() / entry["scale"]
    return found


def telltale(texts: Sequence[str], answers: Sequence[str]) -> float:
    """The share of texts that contain the very name of their class, as a word of its own where there are words."""
    named = [
        re.search(rf"\b{re.escape(answer)}\b" if spaced([answer]) else re.escape(answer), text, re.IGNORECASE)
        for text, answer in zip(texts, answers, strict=True)
    ]
    return sum(found is not None for found in named) / max(1, len(named))
