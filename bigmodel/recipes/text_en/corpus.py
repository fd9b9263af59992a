"""The corpora: which documents are read, how often, and as which tokens."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from bigmodel.errors import DataError

if TYPE_CHECKING:
    from bigmodel.recipes.text_en import TextEnConfig

END = "<|endoftext|>"
# How often a training window comes from each source. The simple modern files weigh more than their size, or the
# model sounds Victorian.
WEIGHTS = {"tinystories": 0.42, "openstories": 0.10, "fairytales": 0.15, "children": 0.33}
PLAIN = {"children": 0.5}  # keep only the plainest share of a source
HELD_OUT = 50  # every 50th document of a source is never trained on


@dataclass(frozen=True)
class Stream:
    """One source as token ids, with the places where its documents begin."""

    tokens: NDArray[np.uint16]
    starts: NDArray[np.int64]


def read(folder: Path) -> dict[str, list[str]]:
    """Documents by source; of the sources named in PLAIN only the plainest."""
    missing = [name for name in WEIGHTS if not (folder / f"{name}.txt.gz").exists()]
    if missing:
        raise DataError("recipe.data", folder=str(folder), missing=", ".join(f"{name}.txt.gz" for name in missing))
    books = {}
    for name in WEIGHTS:
        text = gzip.decompress((folder / f"{name}.txt.gz").read_bytes()).decode("utf-8")
        books[name] = [doc.strip() for doc in re.split(rf"(?m)^{re.escape(END)}$", text) if doc.strip()]
    common = common_words(books["tinystories"] + books["openstories"])
    for name, share in PLAIN.items():
        ranked = sorted(books[name], key=lambda doc: plainness(doc, common), reverse=True)
        books[name] = ranked[: max(2, int(len(ranked) * share))]
    return books


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


def tokenizer_for(config: TextEnConfig, books: dict[str, list[str]]) -> Any:
    """A byte-level BPE of the training documents (Sennrich et al. 2016): every text has ids, no id is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # The vocabulary is learnt in the mixture that the model will read, a few million characters of each source.
    texts = (doc[:4000] for name, docs in books.items() for doc in kept_for_training(docs)[: int(6000 * WEIGHTS[name])])
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=END,
        eos_token=END,
        clean_up_tokenization_spaces=False,
        model_max_length=config.context,
    )


def encode(tokenizer: Any, documents: list[str]) -> Stream:
    """All documents as one row of ids, each ended by the end token."""
    rows = [e.ids for e in tokenizer.backend_tokenizer.encode_batch([doc + END for doc in documents])]
    starts = np.cumsum([0, *(len(row) for row in rows[:-1])])
    return Stream(np.concatenate([np.asarray(row, dtype=np.uint16) for row in rows]), starts.astype(np.int64))


def window_batch(config: TextEnConfig, streams: dict[str, Stream], step: int) -> torch.Tensor:
    """(batch, context + 1) ids. Half of the windows begin with a document, so that a bare prompt finds a beginning.
    The draw depends on seed and step alone: a resumed run reads what an unbroken one would have read."""
    rng = np.random.default_rng((config.seed, step))
    length = config.context + 1
    names = rng.choice(list(WEIGHTS), size=config.batch, p=np.array(list(WEIGHTS.values())) / sum(WEIGHTS.values()))
    rows = []
    for name in names:
        stream = streams[name]
        start = int(rng.choice(stream.starts) if rng.random() < 0.5 else rng.integers(len(stream.tokens)))
        rows.append(
            np.resize(
                np.roll(stream.tokens, -start)[:length]
                if start + length > len(stream.tokens)
                else stream.tokens[start : start + length],
                length,
            )
        )
    return torch.from_numpy(np.stack(rows).astype(np.int64))
