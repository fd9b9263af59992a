"""The corpora: which documents are read, how often, and as which tokens."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.errors import DataError
from bigmodel.recipes.text import tales

if TYPE_CHECKING:
    from torch import Tensor

    from bigmodel.recipes.text import TextConfig

END = "<|endoftext|>"
HELD_OUT = 50  # every 50th document of a source is never trained on
# Until so much of the budget is spent, windows are half as long and twice as many: attention costs less. By then the
# rate falls, and what is read last is remembered best (Hu et al. 2024, arXiv 2404.06395).
SHORT = 0.7


@dataclass(frozen=True)
class Source:
    """A corpus, `file`.txt.gz. `weight`: how often a training window comes from it, `late` times as often at last.
    `plain`: only this share of its documents, the ones of the commonest words. `skip`: lines at the head of a document
    that are left out. `told`: no file, but the `tales` of this shelf. A `name` of its own where one file is read in two
    ways."""

    file: str
    weight: float
    plain: float = 1.0
    skip: int = 0
    told: bool = False
    late: float = 1.0
    name: str = ""

    @property
    def called(self) -> str:
        return self.name or self.file


@dataclass(frozen=True)
class Stream:
    """One source as token ids, with the places where its documents begin."""

    tokens: NDArray[np.uint16]
    starts: NDArray[np.int64]


def read(sources: tuple[Source, ...], folder: Path, tellings: int) -> dict[str, list[str]]:
    """Documents by the name of their source; `tellings` of the tales."""
    written = [source for source in sources if not source.told]
    missing = [f"{s.file}.txt.gz" for s in written if not (folder / f"{s.file}.txt.gz").exists()]
    if missing:
        raise DataError("recipe.data", folder=str(folder), missing=", ".join(dict.fromkeys(missing)))
    books = {}
    for source in written:
        text = gzip.decompress((folder / f"{source.file}.txt.gz").read_bytes()).decode("utf-8")
        # The same documents in every reading of a file: what is held out in one is held out in all.
        least = max(s.skip for s in written if s.file == source.file)
        found = [doc.strip() for doc in re.split(rf"(?m)^{re.escape(END)}$", text)]
        books[source.called] = [doc.split("\n", source.skip)[-1] for doc in found if doc and doc.count("\n") >= least]
    if any(source.plain < 1 for source in written):
        common = common_words([doc for s in written if s.plain == 1 for doc in books[s.called]])
        for source in written:
            if source.plain < 1:
                ranked = sorted(books[source.called], key=lambda doc: plainness(doc, common), reverse=True)
                books[source.called] = ranked[: max(2, int(len(ranked) * source.plain))]
    return books | {s.called: list(tales.tell(s.file, tellings, HELD_OUT)) for s in sources if s.told}


def common_words(documents: list[str], most: int = 4000) -> frozenset[str]:
    """The words that simple stories are made of."""
    counts = Counter(word for doc in documents for word in re.findall(r"[a-z']+", doc.lower()))
    return frozenset(word for word, _ in counts.most_common(most))


def plainness(document: str, common: frozenset[str]) -> float:
    """The share of a document's words that are common ones: a chapter for children scores high."""
    words = re.findall(r"[a-z']+", document[:20_000].lower())
    return sum(word in common for word in words) / max(1, len(words))


def kept_for_training(documents: list[str]) -> list[str]:
    """All but every HELD_OUT-th document."""
    return [doc for i, doc in enumerate(documents) if i % HELD_OUT]


def held_out(documents: list[str]) -> list[str]:
    """Every HELD_OUT-th document: never trained on."""
    return documents[::HELD_OUT]


def tokenizer_for(config: TextConfig, books: dict[str, list[str]]) -> Any:
    """The tokenizer of the model that this one begins with, else one learnt in the mixture that the model will read:
    a few million characters of each source."""
    if config.start:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(config.start, local_files_only=True)
    weights = {source.called: source.weight for source in config.plan.sources}

    def texts() -> Iterator[str]:
        for name, docs in books.items():
            yield from (doc[:4000] for doc in kept_for_training(docs)[: int(6000 * weights[name])])

    return config.plan.tokenizer(config.vocabulary, config.context, texts())


def encode(tokenizer: Any, documents: list[str]) -> Stream:
    """All documents as one row of ids, each ended by the end token."""
    end = tokenizer.eos_token_id
    rows = [[*e.ids, end] for e in tokenizer.backend_tokenizer.encode_batch(documents, add_special_tokens=False)]
    starts = np.cumsum([0, *(len(row) for row in rows[:-1])])
    return Stream(np.concatenate([np.asarray(row, dtype=np.uint16) for row in rows]), starts.astype(np.int64))


def window_batch(config: TextConfig, streams: dict[str, Stream], step: int, done: float = 1.0) -> Tensor:
    """(rows, tokens + 1) ids, batch · context tokens in all: half as long rows, twice as many, while `done` < SHORT.

    Half of the windows begin with a document, so that a bare prompt finds a beginning. On either side of SHORT the draw
    depends on seed and step alone: a resumed run reads what an unbroken one would have read.
    """
    import torch

    rng = np.random.default_rng((config.seed, step))
    count, length = (2 * config.batch, config.context // 2) if done < SHORT else (config.batch, config.context)
    weights = np.array([s.weight * (1 if done < SHORT else s.late) for s in config.plan.sources])
    rows = []
    for place in rng.choice(len(weights), size=count, p=weights / weights.sum()):
        stream = streams[config.plan.sources[place].called]
        start = int(rng.choice(stream.starts) if rng.random() < 0.5 else rng.integers(len(stream.tokens)))
        rows.append(np.take(stream.tokens, np.arange(start, start + length + 1), mode="wrap"))
    return torch.from_numpy(np.stack(rows).astype(np.int64))
