"""Models that say what a test wants, and count how often they were asked."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from bigmodel.checkpoints import TextModel
from tests.hub import make_tokenizer


class FakeModel(torch.nn.Module):
    """A causal model whose logits (V,) come from `speak`, given all ids read so far. Keeps its cache as plain ids."""

    def __init__(self, speak: Callable[[list[int]], torch.Tensor], size: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(size))
        self.speak, self.forwards, self.longest = speak, 0, 0
        self.config = SimpleNamespace(bos_token_id=0, eos_token_id=0)
        self.device = torch.device("cpu")

    def forward(self, input_ids: torch.Tensor, past_key_values: Any, use_cache: bool) -> Any:
        self.forwards += 1
        self.longest = max(self.longest, input_ids.shape[1])
        ids = (past_key_values or []) + input_ids[0].tolist()
        return SimpleNamespace(logits=self.speak(ids)[None, None], past_key_values=ids)


def fake(speak: Callable[[list[int]], torch.Tensor], context: int = 64) -> TextModel:
    """A text model around `speak`, with the tests' own tokenizer."""
    tokenizer = make_tokenizer()
    return TextModel("fake", FakeModel(speak, len(tokenizer)), tokenizer, context, "cpu")


def reciting(text: str, context: int = 64) -> TextModel:
    """A model that continues any prompt "I" with exactly `text` and then ends."""
    tokenizer = make_tokenizer()
    script = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    start = len(tokenizer("I")["input_ids"])

    def speak(ids: list[int]) -> torch.Tensor:
        logits = torch.zeros(len(tokenizer))
        logits[script[len(ids) - start]] = 50.0
        return logits

    return fake(speak, context)
