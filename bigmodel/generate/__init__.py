"""Generate: a prompt in, its continuation out, token by token, each with what the model thought of it.

`GenerateConfig` (what to do) → `generate` (the loop) → `Piece` (one token). The steps are in `session.py`, the model's
forward in `forward.py`, text and ids in `text.py`, the choice itself in `bigmodel/sampling.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bigmodel.config import bounded, check

if TYPE_CHECKING:
    from bigmodel.checkpoints import TextModel


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """How to continue. Temperature 0 always takes the likeliest token; top_k 0, top_p 1, min_p 0 cut nothing.

    min_p (Nguyen et al. 2024, arXiv 2407.01082) keeps a small model from made-up words: of the words of the English
    one 1.6 % are in no book without it, 0.4 % at 0.1. seed -1 picks one, and every piece tells which.
    `candidates`: how many of the likeliest tokens a piece lists.
    """

    max_new_tokens: int = bounded(200, 1, 1024)
    temperature: float = bounded(0.7, 0.0, 2.0, step=0.05)
    top_k: int = bounded(50, 0, 1000)
    top_p: float = bounded(0.95, 0.0, 1.0, step=0.01)
    min_p: float = bounded(0.1, 0.0, 1.0, step=0.01)
    repetition_penalty: float = bounded(1.1, 1.0, 2.0, step=0.05)
    seed: int = bounded(-1, -1, 2**32 - 1)
    candidates: int = bounded(10, 0, 50)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Option:
    """One of the likeliest tokens. `probability`: the model's own; `after`: what the samplers made of it (0: cut)."""

    token: str
    token_id: int
    probability: float
    after: float


@dataclass(frozen=True)
class Piece:
    """One token, `number` of at most `of`. Number 0 is no token yet: another part of a long prompt has been read.

    text               what it adds to the text; "" where a character is not whole yet
    token, token_id    the token for the eye, bytes as <E4>; its id
    probability        the model's own, before the samplers; `after` is what they made of it
    rank               its place in the model's own order, 1 the likeliest
    candidates         the likeliest tokens, the model's own order
    seconds            time spent computing since the start, pauses not counted
    tokens_per_second  of the tokens after the first; of the prompt while that is read
    prompt_tokens      length of the prompt; `read` so many of them have been read
    context            the most tokens that the model can see
    finish             why it ends with this piece: "length" (max_new_tokens), "end" (the model's own), "context" (full)
    """

    number: int
    of: int
    text: str
    token: str
    token_id: int
    probability: float
    after: float
    rank: int
    candidates: tuple[Option, ...]
    seconds: float
    tokens_per_second: float
    seed: int
    prompt_tokens: int
    read: int
    context: int
    finish: Literal["length", "end", "context"] | None = None


def generate(config: GenerateConfig, prompt: str, model: TextModel) -> Iterator[Piece]:
    """Continue `prompt`. A token is drawn, handed out, and only then read by the model: not asking on is stopping.

    Raises ConfigError (the prompt is longer than the model can see, or empty where no token starts a text) and
    ModelError (the model gives something that is not a number).
    """
    from bigmodel.generate.session import Session

    session = Session(config, prompt, model)
    while session.read_prompt():
        yield session.reading()
    while True:
        piece = session.draw()
        yield piece
        if piece.finish:
            return
        session.read([piece.token_id])


def count_tokens(prompt: str, model: TextModel) -> int:
    """How many tokens of the model's context a prompt takes. Raises ConfigError as `generate` would."""
    from bigmodel.generate.text import encode

    return len(encode(prompt, model))
