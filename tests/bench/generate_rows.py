"""Text: our loop against the library's `generate`, greedy, the same tokens, in CPU time on one thread."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

PROMPT = "Once upon a time there was a little girl"


def generate_small() -> Any:
    """The shipped English model, 200 tokens. Ours also says of each token how likely it was, and the ten likeliest."""
    from bigmodel.checkpoints import load_text

    return _against_transformers("generate-small", 1.5, load_text("text-en"), tokens=200, repeats=7)


def generate_gpt2() -> Any:
    """GPT-2's shape with random weights, float32, 24 tokens: here the time goes into reading 500 MB for each token."""
    import dataclasses

    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from bigmodel.checkpoints import load_text
    from bigmodel.generate import forward

    with torch.random.fork_rng():
        torch.manual_seed(0)
        inner = GPT2LMHeadModel(GPT2Config()).eval().requires_grad_(False)
    model = dataclasses.replace(load_text("text-en"), model=inner)
    before, forward._MOST_THREADS = forward._MOST_THREADS, 1  # CPU time is counted: one thread on either side
    try:
        return _against_transformers("generate-gpt2", 1.0, model, tokens=24, repeats=5)
    finally:
        forward._MOST_THREADS = before


def _against_transformers(name: str, goal: float, model: Any, *, tokens: int, repeats: int) -> Any:
    from bigmodel.generate import GenerateConfig, generate

    config = GenerateConfig(max_new_tokens=tokens, temperature=0.0, repetition_penalty=1.0)
    ids = model.tokenizer(PROMPT, return_tensors="pt")["input_ids"]

    def ours() -> list[int]:
        return [piece.token_id for piece in generate(config, PROMPT, model)]

    def peer() -> list[int]:
        out = model.model.generate(ids, do_sample=False, max_new_tokens=tokens, pad_token_id=0)
        return out[0, ids.shape[1] :].tolist()

    assert ours() == peer(), "the two must write the same"
    return _rows().faster(name, goal, ours, peer, repeats)


ROWS: dict[str, Callable[[], Any]] = {"generate-small": generate_small, "generate-gpt2": generate_gpt2}


def _rows() -> ModuleType:
    """The neighbour file, by path: this folder is no package."""
    name = "bigmodel_bench_rows"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("rows.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
