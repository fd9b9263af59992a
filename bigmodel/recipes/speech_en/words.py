"""What is likely to be said: sentences for the synthetic voices to read, and the word list that ships with the ear."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from bigmodel.lexicon import Lexicon
from bigmodel.recipes.speech_en import voices
from bigmodel.recipes.speech_en.sounds import Clip

STORIES = ("tinystories", "openstories", "children")
LONGEST, SHORTEST = 14, 3  # words
TRANSCRIPTS, COMMANDS = 10, 80_000  # how often the clips' texts count in the word list, and how many made-up commands


def stories(folder: str) -> list[str]:
    """The sentences of the story files (`tinystories.txt.gz`, …) in `folder`, in lower case; [] for no folder."""
    return [line for name in STORIES if folder for line in _sentences(Path(folder) / f"{name}.txt.gz")]


def _sentences(path: Path) -> Iterator[str]:
    if not path.is_file():
        return
    with gzip.open(path, "rt", encoding="utf-8") as file:
        text = file.read().lower().replace("’", "'")
    for part in re.split(r"[.!?;:\n\"“”]+", text):
        line = re.findall(r"[a-z]+(?:'[a-z]+)?", part)
        if 0 < len(line) <= LONGEST:
            yield " ".join(line)


def to_read(clips: Iterable[Clip], told: list[str], seed: int) -> list[str]:
    """What synthetic voices may read: the sentences of the clips, and three times as many of the stories, so that
    spelling is learnt, not sentences by heart."""
    own = sorted({clip.text for clip in clips if clip.corpus == "speechocean762"})
    short = [line for line in told if SHORTEST <= line.count(" ") + 1 <= 3 * SHORTEST]
    drawn = np.random.default_rng((seed, 8)).permutation(len(short))[: 3 * len(own)]
    return own + [short[i] for i in drawn]


def word_list(clips: Iterable[Clip], told: list[str], seed: int) -> Lexicon:
    """The words of the clips (of speakers trained on), of made-up commands and of the stories."""
    rng = np.random.default_rng((seed, 9))
    commands = [voices.made_up(rng) for _ in range(COMMANDS)]
    return Lexicon.learn([clip.text for clip in clips] * TRANSCRIPTS + commands + told)
