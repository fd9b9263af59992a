"""A second task, in training only: a lower layer says what is heard in phonemes, the last one how that is spelt.

English is spelt so oddly that few hours of speech do not teach both at once. A head at two thirds of the height learns
phonemes by CTC (hierarchical multitask learning: Sanabria & Metze 2018, arXiv 1807.07104; a loss in the middle: Lee &
Watanabe 2021, arXiv 2102.03216); nothing of it is in the model that is saved. Pronunciations are eSpeak NG's; where it
is not installed there is no second task.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

HEAD = "phonemes"


def pronunciations(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Every word of `texts` as its phonemes, each word by itself; a letter by its name. {} without eSpeak NG."""
    if not shutil.which("espeak-ng"):
        return {}
    words = sorted({word for text in texts for word in text.split()})
    lines = "\n".join(word.upper() if len(word) == 1 else word for word in words)
    command = ["espeak-ng", "-q", "-x", "--sep= ", "-v", "en-us"]
    said = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == len(words), "eSpeak NG says one line for each word"
    return {word: tuple(re.sub(r"[',%=|#2;-]|_:", "", line).split()) for word, line in zip(words, said, strict=True)}


def ids(known: dict[str, tuple[str, ...]]) -> dict[str, list[int]]:
    """Word -> ids of its phonemes, from 1 on; 0 is the blank."""
    names = sorted({phoneme for word in known.values() for phoneme in word})
    number = {name: 1 + i for i, name in enumerate(names)}
    return {word: [number[phoneme] for phoneme in said] for word, said in known.items()}


def attach(model: Any, kinds: int) -> None:
    """Give `model` a head for so many phonemes; the last of its parts, so that the others keep their numbers."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(kinds)
        model.add_module(HEAD, torch.nn.Linear(model.config.encoder_config.hidden_size, 1 + kinds))


def height(model: Any) -> int:
    """After how many layers phonemes are read off."""
    return max(1, int(model.config.encoder_config.num_hidden_layers) * 2 // 3)


def logits(model: Any, hidden: tuple[Tensor, ...]) -> Tensor:
    """(rows, frames, 1 + kinds) from what every layer said, the input of the first one at 0."""
    said: Tensor = getattr(model, HEAD)(hidden[height(model)])
    return said
