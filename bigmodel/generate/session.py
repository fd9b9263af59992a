"""One generation: what has been read, what comes next. Its methods are the steps; nothing is left open between them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from bigmodel.checkpoints import TextModel
from bigmodel.generate import GenerateConfig, Option, Piece
from bigmodel.generate.forward import Reader, parameters, reader, slice_length, threads_for
from bigmodel.generate.text import Writer, encode, shown
from bigmodel.sampling import Choice, sample


class Session:
    """The state of one generation. A model may serve many at once: each has its own cache and random numbers."""

    def __init__(self, config: GenerateConfig, prompt: str, model: TextModel) -> None:
        self.config, self.model, self.tokenizer = config, model, model.tokenizer
        self.prompt = encode(prompt, model)
        room = model.context - len(self.prompt) + 1  # the last token drawn is never read
        self.of = min(config.max_new_tokens, room)
        self.limit: Literal["length", "context"] = "length" if config.max_new_tokens <= room else "context"
        self.seed = config.seed if config.seed >= 0 else random.SystemRandom().randrange(2**31)
        self.generator = torch.Generator().manual_seed(self.seed)
        self.writer = Writer(self.tokenizer, self.prompt)
        self.ends = _ends(model)
        self.parameters = parameters(model.model)
        self.slice = slice_length(model.model)
        self.seen = torch.empty(len(self.prompt) + self.of, dtype=torch.int64)
        self.read_tokens = self.drawn = 0
        self.seconds = self.first = 0.0
        self.names: dict[int, str] = {}
        self._reader: Reader | None = None

    def read_prompt(self) -> bool:
        """Read the next slice of the prompt; whether there is more of it to come."""
        self.read(self.prompt[self.read_tokens : self.read_tokens + self.slice])
        return self.read_tokens < len(self.prompt)

    def read(self, ids: list[int]) -> None:
        """Let the model see `ids`; its logits (V,) for what follows are kept."""
        with self._step():
            if self._reader is None:
                self._reader = reader(self.model, len(self.seen))
            new = self.seen[self.read_tokens : self.read_tokens + len(ids)]
            new.copy_(torch.tensor(ids))
            self.read_tokens += len(ids)
            self.logits = self._reader(new)

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Inference mode, threads and the clock, for the length of one call."""
        started = time.perf_counter()
        with torch.inference_mode(), threads_for(self.parameters):
            yield
        self.seconds += time.perf_counter() - started

    def _choose(self) -> Choice:
        c = self.config
        with self._step():
            return sample(
                self.logits,
                self.seen[: self.read_tokens],
                self.generator,
                temperature=c.temperature,
                top_k=c.top_k,
                top_p=c.top_p,
                min_p=c.min_p,
                repetition_penalty=c.repetition_penalty,
                candidates=c.candidates,
            )

    def draw(self) -> Piece:
        """Draw the next token and say all about it."""
        choice = self._choose()
        self.drawn += 1
        if self.drawn == 1:
            self.first = self.seconds
        token = choice.token_id
        ended = token in self.ends
        return self._piece(
            text="" if ended else self.writer.add(token),
            token=self._name(token),
            token_id=token,
            probability=choice.probability,
            after=choice.after,
            rank=choice.rank,
            candidates=tuple(
                Option(self._name(c.token_id), c.token_id, c.probability, c.after) for c in choice.candidates
            ),
            tokens_per_second=self._speed(),
            finish="end" if ended else self.limit if self.drawn == self.of else None,
        )

    def reading(self) -> Piece:
        """How far the prompt has been read."""
        nothing = {"text": "", "token": "", "token_id": -1, "probability": 0.0, "after": 0.0, "rank": 0}
        return self._piece(**nothing, candidates=(), tokens_per_second=self.read_tokens / self.seconds)

    def _piece(self, **values: Any) -> Piece:
        return Piece(
            number=self.drawn,
            of=self.of,
            seconds=self.seconds,
            seed=self.seed,
            prompt_tokens=len(self.prompt),
            read=min(self.read_tokens, len(self.prompt)),
            context=self.model.context,
            **values,
        )

    def _speed(self) -> float:
        if self.drawn == 1:
            return 1 / self.seconds
        return (self.drawn - 1) / (self.seconds - self.first)

    def _name(self, token: int) -> str:
        if token not in self.names:
            self.names[token] = shown(token, self.tokenizer)
        return self.names[token]


def _ends(model: TextModel) -> set[int]:
    """The tokens with which the model says that its text is over."""
    generation = getattr(model.model, "generation_config", None)
    told = (getattr(generation, "eos_token_id", None), getattr(model.model.config, "eos_token_id", None))
    ends: set[int] = set()
    for one in (*told, model.tokenizer.eos_token_id):
        ends.update(one if isinstance(one, (list, tuple)) else () if one is None else (one,))
    return ends
