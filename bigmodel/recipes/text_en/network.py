"""The network: a GPT-2, its optimizers, one step, and the measure of what it learnt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from bigmodel.recipes.common import step_all
from bigmodel.recipes.text_en.corpus import held_out

if TYPE_CHECKING:
    from bigmodel.recipes.text_en import TextEnConfig


def new_model(config: TextEnConfig, tokenizer: Any) -> Any:
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
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        )
    return model.to(config.device)


def train_step(
    config: TextEnConfig, model: Any, optimizers: list[torch.optim.Optimizer], rows: torch.Tensor, factor: float
) -> float:
    """One step on (batch, context + 1) ids; the loss in nats per token. bfloat16: twice as fast where a CPU has it."""
    rows = rows.to(config.device)
    with torch.enable_grad(), torch.autocast(config.device, torch.bfloat16):
        logits = model(rows[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    step_all(optimizers, config.rate * factor)
    return float(loss.detach())


@torch.inference_mode()
def bits_per_byte(
    config: TextEnConfig, model: Any, tokenizer: Any, books: dict[str, list[str]], most: int
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
            logits = model(ids[:, :-1]).logits.float()
            nats += float(torch.nn.functional.cross_entropy(logits[0], ids[0, 1:], reduction="sum"))
            size += len(tokenizer.decode(ids[0, 1:]).encode("utf-8"))
        scores.append((name, round(nats / math.log(2) / max(1, size), 4)))
    return tuple(scores)


@torch.inference_mode()
def continuation(model: Any, tokenizer: Any, prompt: str, seed: int) -> str:
    """Sixty tokens after `prompt` at temperature 0.8, top-p 0.95: for the card."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ids = tokenizer(prompt, return_tensors="pt").to(model.device)
        room = min(60, model.config.n_positions - ids.input_ids.shape[1])
        out = model.generate(**ids, do_sample=True, temperature=0.8, top_p=0.95, max_new_tokens=room, pad_token_id=0)
    text: str = tokenizer.decode(out[0], skip_special_tokens=True)
    return text
