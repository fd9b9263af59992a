"""The Chinese text model that ships: classical verse in form, prose of old novels, and the plain Chinese of today.

    python -m bigmodel recipe text-zh --data DIR --minutes 90

DIR holds `verse.txt.gz` (title, poet, then the lines) and `prose.txt.gz`. A token is a character, so that no text ever
ends in half of one, and a line of five is five tokens.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from bigmodel.config import bounded
from bigmodel.errors import DataError
from bigmodel.recipes.text import Plan, TextConfig, Trait, cook, evaluate
from bigmodel.recipes.text.corpus import END, Source, held_out

__all__ = ["TextZhConfig", "cook", "evaluate"]

# Verse is what a small model can do. It is read with its title and poet, and without: a bare line is a beginning too.
# The novels are centuries old: the plain Chinese of today is told by rule.
SOURCES = (
    Source("verse", 0.20),
    Source("verse", 0.24, skip=2, name="verse, bare lines"),
    Source("prose", 0.20),
    Source("zh", 0.08, told=True, name="tales"),
    Source("zh/plain", 0.28, told=True, late=1.2, name="plain tales"),
)
PROMPTS = (
    "春风",
    "床前明月光，",
    "《秋夜》\n",
    "白日依山尽，",
    "江上晚来",
    "却说那",
    "老者笑道：",
    "我爱",
    "从前，",
    "今天下雨了，",
)
UNKNOWN = "□"  # what a printed page has for a character that cannot be read


def characters(vocabulary: int, context: int, texts: Iterator[str]) -> Any:
    """One token a character: the commonest of the texts, and ASCII; any other is □."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    counts = Counter(sign for text in texts for sign in text)
    ascii_signs = "\n" + "".join(map(chr, range(32, 127)))
    chosen = [sign for sign, _ in counts.most_common() if sign not in ascii_signs and sign != UNKNOWN]
    signs = [END, UNKNOWN, *ascii_signs, *chosen][:vocabulary]
    table = Tokenizer(models.WordLevel({sign: number for number, sign in enumerate(signs)}, unk_token=UNKNOWN))
    table.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    table.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=table,
        bos_token=END,
        eos_token=END,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
        model_max_length=context,
    )


def measure(model: Any, tokenizer: Any, books: dict[str, list[str]], seed: int) -> Iterator[Trait]:
    """Do quatrains come out in form? Each begins with the first line of a held-out one: are all four lines as long as
    that one, and do the second and the fourth rhyme? And how much is copied?"""
    from bigmodel.recipes.text.copies import shared
    from bigmodel.recipes.text.network import continuations

    openings = [lines[0] for doc in held_out(books[SOURCES[1].called]) if regular(lines := phrases(doc), 4)]
    made = [
        phrases(text)
        for number, line in enumerate(openings[:100])
        for text in continuations(model, tokenizer, line + "，", seed + number, 60, 1)
    ]
    formed = [poem for poem in made if regular(poem, 4)]
    lines_right = sum(regular(poem[:4], 4) for poem in made)
    yield Trait("quatrains: the first four lines are equally long", lines_right / max(1, len(made)), len(made))
    yield Trait("quatrains: just four such lines, then the end", len(formed) / max(1, len(made)), len(made))
    fours = [poem[:4] for poem in made if regular(poem[:4], 4)]
    rhymed = sum(map(rhymes, fours)) / max(1, len(fours))
    yield Trait("of those with four lines: second and fourth rhyme", rhymed, len(fours))
    real = [lines for doc in held_out(books[SOURCES[1].called]) if regular(lines := phrases(doc), 4)][:300]
    yield Trait("the same of held-out poems, by the same modern measure", sum(map(rhymes, real)) / len(real), len(real))
    yield from shared(TextZhConfig.plan, model, tokenizer, books, seed, list, "characters")


def phrases(text: str) -> list[str]:
    """What stands between the punctuation marks."""
    return [part for part in re.split(r"[，。？！；、：\s]+", text) if part]


def regular(lines: list[str], count: int) -> bool:
    """Whether these are `count` lines of five characters each, or of seven."""
    return len(lines) == count and {len(line) for line in lines} in ({5}, {7})


def rhymes(lines: list[str]) -> bool:
    """Whether the second and fourth lines rhyme in modern Mandarin, whatever the tone. The poets' own rhymes are those
    of a thousand years ago: what rhymed then need not rhyme now, so held-out poems are measured by the same rule."""
    return final(lines[1][-1]) == final(lines[3][-1])


def final(sign: str) -> str:
    """The rhyming part of a character's reading: its final without the glide."""
    try:
        from pypinyin import Style, pinyin
    except ImportError:
        raise DataError("recipe.package", package="pypinyin") from None

    whole = pinyin(sign, style=Style.FINALS, strict=True)[0][0]
    return re.sub(r"^[iuvü](?=[aeo])", "", whole) or whole


CARD = """---
license: apache-2.0
language: zh
pipeline_tag: text-generation
---

# text-zh: a small Chinese GPT-2 · 中文小模型

Ships with BigModel Lab so that the Generate tab writes Chinese without a network. A GPT-2 with {parameters} million
parameters ({layers} layers, width {width}, {heads} heads, context {context}), one token a character, {vocabulary} of
them (simplified), float16. 随实验室附带，离线即可续写：擅长五言、七言诗的格式，也能用现代白话续写日常短文。

**Good at** the form of classical verse: begin with a line of five or seven characters and a comma, and lines of the
same length follow, often in rhyme; with 《a title》 and a line break it writes a poem of its own. Everyday prompts
(我爱……, 秋天到了，……) go on in plain Chinese with people who ask and answer, often close to the tales it has read; it
keeps to its subject for some sentences, now and then for a paragraph. 却说…… in the manner of Ming and Qing novels.
**Bad at** sense over a whole page, facts, questions and answers, Latin letters. A character that it does not know
reads as □. For anything else choose a model of the hub.

## Data

| source | what | licence |
|---|---|---|
| github.com/chinese-poetry/chinese-poetry | 82,000 poems: Tang shi, Song ci, Yuan qu | MIT collection, ancient poems |
| Project Gutenberg | 103 Ming and Qing novels, a little modern prose | public domain |
| tales told by rule, from edition 3 on | {tales} short texts of this project, each told in many ways | Apache-2.0 |

Every 50th document of each source was held out and never trained on, and of the tales every 50th tale, in whatever
words. The tales (`bigmodel/recipes/tales/zh/`) are where the Chinese of today comes from, and the thread. A first
shelf, edition 3, has many turns of phrase; a second, `plain/`, from edition 4 on, is plainer: each text chooses a few
things at the top (who, what, where, why) and comes back to each again and again.

## Training

`python -m bigmodel recipe text-zh --data DIR`; each edition began with the weights of the one before (`--start`), and
the tokens count repetitions.

{training}

Muon for the matrices inside the layers, AdamW for the rest; windows of half the context for the first 70 % of the
time; verse with and without title and poet. Edition 2 was mixed with the one before (Wortsman et al. 2022, arXiv
2109.01903); of edition 4, mixtures with 15 and 30 % of the one before read a dozen documents of each source 0.4 %
better at most, or worse, so it is unmixed. Editions 2, 3 and 4 read held-out verse at 2.004, 2.055 and 1.988 bits per
byte, novels at 2.063, 2.152 and 2.102; 80, 67 and 75 of 100 quatrains came in equal lines: edition 3 learnt the Chinese
of today at the cost of both, edition 4, with verse in nearly half of its windows, `--rate 2e-3 --decay 0.6`, has its
verse back. In the first quarter of its time it read no plain tales, and until two fifths of it fewer novels.

## Bake-off

Three settings, two minutes of one processor each (`python -m bigmodel recipe text-zh --data DIR --clock processor
--minutes 2 --threads 1`, with what the first column says, the sources mixed as for the first edition); bits per
byte of held-out documents:

| setting | parameters | steps | verse | prose |
|---|---|---|---|---|
| **chosen**: 6 layers, width 192 | 3.7 M | 97 | 2.907 | **2.824** |
| wider: `--width 256 --heads 8` | 6.2 M | 64 | 2.978 | 2.871 |
| shallower: `--layers 4 --width 228` | 3.8 M | 88 | **2.899** | 2.829 |

Depth or width for the same number of parameters makes no difference that counts; a larger network learns too slowly
for the budget. So short a race favours small networks. Nor did more depth pay later: edition 4 grown to twelve layers
by copies that add nothing at first (Wu et al. 2024, arXiv 2401.02415) read verse at 1.995 bits per byte instead of
1.974, novels at 2.120 instead of 2.094 and plain tales at 1.451 instead of 1.425 (twenty documents each) after 93 more
minutes on one thread, so it did not ship.

## Held-out quality

Bits per byte of UTF-8 (a Chinese character has three) on documents never trained on, lower is better;
`python -m bigmodel recipe text-zh --evaluate DIR` measures all of this again.

| source | bits per byte |
|---|---|
{quality}

| what the texts are like | value | samples |
|---|---|---|
{traits}

## Ten samples, unselected

As the Generate tab draws unless told otherwise ({sampling}); 120 characters, one seed for all.

{samples}
"""


@dataclass(frozen=True, kw_only=True)
class TextZhConfig(TextConfig):
    """The shared settings with the places and the vocabulary of the Chinese model."""

    plan: ClassVar[Plan] = Plan(SOURCES, characters, PROMPTS, CARD, measure)

    out: str = "bigmodel/pretrained/text-zh"
    checkpoints: str = ".checkpoints/text-zh"
    vocabulary: int = bounded(5000, 300, 65_000)
