"""The English text model that ships: simple stories, children's books, and everyday texts told by rule.

    python -m bigmodel recipe text-en --data DIR --minutes 90

DIR holds the corpora (`tinystories.txt.gz`, …: one document a block, blocks separated by a line `<|endoftext|>`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from bigmodel.recipes.text import Plan, TextConfig, Trait, cook, evaluate
from bigmodel.recipes.text.corpus import END, Source

__all__ = ["TextEnConfig", "cook", "evaluate"]

# What is simple and modern weighs more than its size, or the model sounds Victorian. The corpora have too little of it
# to learn from how a thread is held: half is told by rule.
SOURCES = (
    Source("tinystories", 0.27),
    Source("openstories", 0.08),
    Source("fairytales", 0.06),
    Source("children", 0.13, plain=0.5),
    Source("en", 0.10, told=True, name="tales"),
    Source("en/plain", 0.36, told=True, late=1.2, name="plain tales"),
)
PROMPTS = (
    "Once upon a time",
    "I love",
    "The little dog",
    "One day, a girl named Lily",
    "The king said",
    "It was raining, so",
    "My best friend",
    "In the middle of the forest",
    "The old man looked at the sea",
    "Tom wanted to",
)


def byte_level_bpe(vocabulary: int, context: int, texts: Iterator[str]) -> Any:
    """A byte-level BPE of the texts (Sennrich et al. 2016): every text has ids, no id is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=END,
        eos_token=END,
        clean_up_tokenization_spaces=False,
        model_max_length=context,
    )


def measure(model: Any, tokenizer: Any, books: dict[str, list[str]], seed: int) -> Iterator[Trait]:
    """How much is word for word from what was trained on."""
    from bigmodel.recipes.text.copies import shared

    yield from shared(TextEnConfig.plan, model, tokenizer, books, seed, words, "words")


def words(text: str) -> list[str]:
    """The words of a text, without case and punctuation."""
    return re.findall(r"[a-z']+", text.lower())


CARD = """---
license: apache-2.0
language: en
pipeline_tag: text-generation
---

# text-en: a small English GPT-2

Ships with BigModel Lab so that the Generate tab works without a network. A GPT-2 with {parameters} million parameters
({layers} layers, width {width}, {heads} heads, context {context}), a byte-level BPE of {vocabulary} tokens, float16.

**Good at** simple everyday English in the manner of a picture book: people who want something, ask, answer and find
it; a thread often holds for a paragraph, though things are mixed up on the way. **Bad at** facts, arithmetic,
instructions, other languages, and whatever no picture book tells of: all it knows are stories, and books for children
before 1929. For anything else choose a model of the hub.

## Data

| source | what | licence |
|---|---|---|
| TinyStories, its start (Eldan & Li 2023, arXiv 2305.07759) | very simple stories | CDLA-Sharing-1.0 (data only) |
| Pratham Books and African Storybook | simple stories; titles and authors in CREDITS.tsv | CC BY |
| FairytaleQA (Xu et al. 2022) | fairy tales of many lands | Apache-2.0, tales in the public domain |
| children's books before 1929, the plainer half | Burgess, Baum, Lang, Alcott and others | public domain in the USA |
| tales told by rule, from edition 5 on | {tales} short texts of this project, each told in many ways | Apache-2.0 |

Every 50th document of each source was held out and never trained on, and of the tales every 50th tale, in whatever
words. The tales (`bigmodel/recipes/tales/en/`) are to teach everyday English and how a thread is held. A first shelf,
edition 5, has many turns of phrase; a second, `plain/`, from edition 6 on, is plainer than any of the corpora: each
text chooses a few things at the top (who, what, where, why) and comes back to each again and again. Editions 6 and 7
read them in more than a third of their windows.

## Training

`python -m bigmodel recipe text-en --data DIR`; each edition began with the weights of the one before (`--start`), and
the tokens count repetitions.

{training}

Muon for the matrices inside the layers, AdamW for the rest; windows of half the context for the first 70 % of the
time; edition 6 with `--rate 2e-3 --decay 0.6`, the plain tales from a quarter of its time on; edition 7 with
`--rate 1.5e-3 --decay 0.8`. Mixing the weights of two editions (Wortsman et al. 2022, arXiv 2109.01903) read held-out
documents better than either in editions 3 and 4: of 0, 25, 40 and 50 % the 40 were best. Edition 5 never shipped:
livelier sentences, but stories that change into one another. The plain tales have their price: edition 4 read
TinyStories at 0.887, Pratham and African stories at 1.381, fairy tales at 1.487 and children's books at 1.337 bits per
byte. Edition 7 by itself keeps to its subject best and reads nothing held out better (TinyStories 0.947, plain tales
1.113); with 30 % of edition 6 it reads the corpora as edition 6 did and makes up the fewest words. Half of each reads
better still, and wanders more.

## Bake-off

Three settings, two minutes of one processor each (`python -m bigmodel recipe text-en --data DIR --clock processor
--minutes 2 --threads 1`, with what the first column says, the sources mixed as for the first edition); bits per
byte of held-out documents:

| setting | parameters | steps | TinyStories | Pratham and African | fairy tales | children's books |
|---|---|---|---|---|---|---|
| **chosen**: 6 layers, width 192, 4,096 tokens | 3.6 M | 95 | **1.619** | **2.176** | **2.122** | **1.953** |
| wider: `--width 256 --heads 8` | 5.9 M | 67 | 1.662 | 2.217 | 2.159 | 1.987 |
| fewer tokens: `--vocabulary 2048` | 3.2 M | 116 | 1.672 | 2.220 | 2.160 | 2.010 |

The chosen one leads on all four. So short a race favours small networks; the budget of the shipped one was a hundred
times as long, and with much more the wider one may pass it.

## Held-out quality

Bits per byte on documents never trained on (lower is better); `python -m bigmodel recipe text-en --evaluate DIR`
measures them again.

| source | bits per byte |
|---|---|
{quality}

| what the texts are like | value | samples |
|---|---|---|
{traits}

## Ten samples, unselected

As the Generate tab draws unless told otherwise ({sampling}); 120 tokens, one seed for all.

{samples}
"""


@dataclass(frozen=True, kw_only=True)
class TextEnConfig(TextConfig):
    """The shared settings with the places of the English model."""

    plan: ClassVar[Plan] = Plan(SOURCES, byte_level_bpe, PROMPTS, CARD, measure, ("openstories.tsv",))

    out: str = "bigmodel/pretrained/text-en"
    checkpoints: str = ".checkpoints/text-en"
