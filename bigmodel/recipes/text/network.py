"""The network: a GPT-2, its optimizers, one step, and the measure of what it learnt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from bigmodel.recipes.common import arithmetic, step_all
from bigmodel.recipes.text.corpus import held_out

if TYPE_CHECKING:
    from bigmodel.recipes.text import TextConfig


def new_model(config: TextConfig, tokenizer: Any) -> Any:
    """A GPT-2 with tied embeddings and no dropout: the data is read a few times only."""
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(tokenizer),
                n_positions=config.context,
                n_embd=config.width,
                n_layer=config.layers,
                n_head=config.heads,
                activation_function="gelu_pytorch_tanh",  # gelu_new by another name, in one kernel
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        )
    return model.to(config.device)


def train_step(
    config: TextConfig,
    model: Any,
    tokenizer: Any,
    optimizers: list[torch.optim.Optimizer],
    rows: torch.Tensor,
    factor: float,
) -> float:
    """One step on (rows, tokens + 1) ids; the loss in nats per token. A character without a token of its own is never
    to be said, so it is no target."""
    rows = rows.to(config.device)
    targets = rows[:, 1:].flatten()
    if tokenizer.unk_token_id is not None:
        targets = targets.masked_fill(targets == tokenizer.unk_token_id, -100)
    with torch.enable_grad(), arithmetic(config.device):
        logits = model(rows[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    step_all(optimizers, config.rate * factor)
    return float(loss.detach())


@torch.inference_mode()
def bits_per_byte(
    config: TextConfig, model: Any, tokenizer: Any, books: dict[str, list[str]], most: int
) -> tuple[tuple[str, float], ...]:
    """Bits the model needs for a byte of held-out text, by source: comparable across vocabularies."""
    scores = []
    for name, documents in books.items():
        nats, size = 0.0, 0
        for doc in held_out(documents)[:most]:
            ids = tokenizer(doc[:6000], return_tensors="pt", verbose=False).input_ids[:, : config.context]
            ids = torch.cat([torch.tensor([[tokenizer.bos_token_id]]), ids], dim=1)[:, : config.context].to(
                config.device
            )
            logits, targets = model(ids[:, :-1]).logits[0].float(), ids[0, 1:]
            known = targets != (-1 if tokenizer.unk_token_id is None else tokenizer.unk_token_id)
            nats += float(torch.nn.functional.cross_entropy(logits[known], targets[known], reduction="sum"))
            size += len(tokenizer.decode(targets[known]).encode("utf-8"))
        scores.append((name, round(nats / math.log(2) / max(1, size), 4)))
    return tuple(scores)


@torch.inference_mode()
def own_continuation(model: Any, tokenizer: Any, documents: list[str], size: int) -> tuple[int, int]:
    """How often the model tells how a text goes on from how another one does, and of how many: chance is right in half.

    Two passages of `size` tokens are cut from the head of each document; after the first of one, its own second and
    that of the next document are weighed by how much likelier each becomes for having the first before it. (A cloze
    test of stories, Mostafazadeh et al. 2016, whose wrong ending is a real one.)
    """
    texts = [tokenizer(doc, verbose=False).input_ids[: 2 * size] for doc in documents]
    pairs = [(ids[:size], ids[size:]) for ids in texts if len(ids) == 2 * size]

    def gain(first: list[int], second: list[int]) -> float:
        return _likelihood(model, first, second) - _likelihood(model, [tokenizer.bos_token_id], second)

    others = [*pairs[1:], *pairs[:1]]
    right = sum(gain(a, b) > gain(a, other) for (a, b), (_, other) in zip(pairs, others, strict=True))
    return right, len(pairs)


def _likelihood(model: Any, first: list[int], second: list[int]) -> float:
    """log P(second | first) in nats."""
    ids = torch.tensor([[*first, *second]], device=model.device)
    logits = model(ids[:, :-1]).logits[0, len(first) - 1 :].float()
    return -float(torch.nn.functional.cross_entropy(logits, ids[0, len(first) :], reduction="sum"))


def continuation(model: Any, tokenizer: Any, prompt: str, seed: int, most: int = 120) -> str:
    """`most` tokens after `prompt`, as the Generate tab draws them unless told otherwise: for the card."""
    return continuations(model, tokenizer, prompt, seed, most, 1)[0]


@torch.inference_mode()
def continuations(model: Any, tokenizer: Any, prompt: str, seed: int, most: int, copies: int) -> list[str]:
    """Several at once, prompt included, without the end token."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ids = tokenizer(prompt, return_tensors="pt").input_ids.to(model.device).repeat(copies, 1)
        room = min(most, model.config.n_positions - ids.shape[1])
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, max_new_tokens=room,
            pad_token_id=model.config.eos_token_id, **sampling(),
        )  # fmt: skip
    return [tokenizer.decode(row, skip_special_tokens=True) for row in out]


def sampling() -> dict[str, float]:
    """The settings that the Generate tab starts with, under transformers' names, which are the same."""
    from bigmodel.generate import GenerateConfig

    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
    return {name: getattr(GenerateConfig(), name) for name in names}
