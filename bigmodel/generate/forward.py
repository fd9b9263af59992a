"""Token ids in, logits of the next token out, with what has been read kept: the step that costs the time."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from bigmodel.checkpoints import TextModel

SMALL = 30_000_000  # parameters; below, a second thread costs more than it brings
_SLICE = 8_000_000_000  # parameters × tokens that a slow two-core machine reads in under a second
_MOST_THREADS = 8


class Reader(Protocol):
    """Reads ids (n,) after all those read before and gives the logits (V,) of the next token, float32 on the CPU."""

    def __call__(self, ids: Tensor) -> Tensor: ...


def reader(model: TextModel, room: int) -> Reader:
    """The fastest reader for a model, with place for `room` tokens. To be used in inference mode."""
    return Gpt2Reader(model.model, room) if is_plain_gpt2(model.model) else AnyReader(model.model)


def slice_length(model: Any) -> int:
    """How many tokens of a prompt are read in one step. By size alone: timing would make rounding a matter of luck."""
    return max(8, min(512, _SLICE // max(1, parameters(model))))


def parameters(model: Any) -> int:
    """How many numbers a model has learned."""
    return sum(p.numel() for p in model.parameters())


@contextmanager
def threads_for(count: int) -> Iterator[None]:
    """torch's threads, chosen by the number of parameters, for the length of one step."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if count < SMALL else min(_MOST_THREADS, os.cpu_count() or 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)


class AnyReader:
    """Any causal model of transformers, through its own forward and its own cache."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache: Any = None
        self._read = torch.empty(0, dtype=torch.int64)
        last_only = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._options = {"logits_to_keep": 1} if last_only else {}

    def __call__(self, ids: Tensor) -> Tensor:
        if self._cache is None:  # the first time, and always for a model that keeps no cache
            ids = self._read = torch.cat((self._read, ids))
        given = ids.to(self._model.device)[None]
        out = self._model(input_ids=given, past_key_values=self._cache, use_cache=True, **self._options)
        self._cache = getattr(out, "past_key_values", None)
        logits: Tensor = out.logits[0, -1]
        return logits.float().cpu()


def is_plain_gpt2(model: Any) -> bool:
    """Whether `Gpt2Reader` computes what this model computes: GPT-2's architecture with no option turned."""
    if type(model).__name__ != "GPT2LMHeadModel":
        return False
    config = model.config
    usual = config.activation_function in {"gelu_new", "gelu_pytorch_tanh"} and config.scale_attn_weights
    unusual = config.scale_attn_by_inverse_layer_idx or config.reorder_and_upcast_attn or config.add_cross_attention
    plain = type(model.transformer.h[0].attn.c_attn).__name__ == "Conv1D"  # neither quantized nor adapted
    return bool(usual and not unusual and plain)


class Gpt2Reader:
    """GPT-2's forward on the model's own weights, without what only training and batches need.

    Keys and values go into tensors (heads, room, width) made once. For one token and few parameters the time goes into
    calls, not arithmetic; this makes a third as many. Radford et al. 2019, "Language Models are Unsupervised Multitask
    Learners".
    """

    def __init__(self, model: Any, room: int) -> None:
        body = model.transformer
        self._words, self._places, self._head = body.wte.weight, body.wpe.weight, model.lm_head.weight
        self._heads, self._length = model.config.n_head, 0
        self._last = (body.ln_f.normalized_shape, body.ln_f.weight, body.ln_f.bias, body.ln_f.eps)
        width = self._words.shape[1] // self._heads
        shape = (2, len(body.h), 1, self._heads, room, width)
        keys, values = torch.empty(shape, device=self._words.device, dtype=self._words.dtype)
        self._layers = [_layer(block, k, v) for block, k, v in zip(body.h, keys, values, strict=True)]

    def __call__(self, ids: Tensor) -> Tensor:
        start, end = self._length, self._length + len(ids)
        self._length = end
        x = self._words[ids.to(self._words.device)] + self._places[start:end]
        # Slices after the first see all before them and each its own past: only then is a mask written out.
        mask = None if len(ids) == 1 or start == 0 else _mask(start, end, x.device)
        for layer in self._layers:
            x = _through(x, layer, self._heads, start, end, mask)
        shape, gain, bias, eps = self._last
        last = functional.layer_norm(x[-1], shape, gain, bias, eps)
        return torch.mv(self._head, last).float().cpu()


_Layer = tuple[Tensor, ...]


def _layer(block: Any, keys: Tensor, values: Tensor) -> tuple[Any, ...]:
    norms = ((n.normalized_shape, n.weight, n.bias, n.eps) for n in (block.ln_1, block.ln_2))
    products = (block.attn.c_attn, block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj)
    return (*norms, *((p.bias, p.weight) for p in products), keys, values)


def _through(x: Tensor, layer: Any, heads: int, start: int, end: int, mask: Tensor | None) -> Tensor:
    """One block, x (n, width) → (n, width): attention to all that has been read, then the two-layer network."""
    norm_1, norm_2, (b_in, w_in), (b_out, w_out), (b_up, w_up), (b_down, w_down), keys, values = layer
    n, width = x.shape
    mixed = torch.addmm(b_in, functional.layer_norm(x, *norm_1), w_in)
    q, k, v = mixed.view(1, n, 3, heads, width // heads).permute(2, 0, 3, 1, 4).unbind()
    keys[:, :, start:end] = k
    values[:, :, start:end] = v
    seen = functional.scaled_dot_product_attention(
        q, keys[:, :, :end], values[:, :, :end], attn_mask=mask, is_causal=mask is None and n > 1
    )
    x = x + torch.addmm(b_out, seen.transpose(1, 2).reshape(n, width), w_out)
    up = functional.gelu(torch.addmm(b_up, functional.layer_norm(x, *norm_2), w_up), approximate="tanh")
    return x + torch.addmm(b_down, up, w_down)


def _mask(start: int, end: int, device: torch.device) -> Tensor:
    """(end - start, end): which tokens each new one may see."""
    return torch.ones(end - start, end, dtype=torch.bool, device=device).tril(start)
