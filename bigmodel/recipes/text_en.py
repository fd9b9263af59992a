"""The English text model that ships: a small GPT-2, trained on children's books and simple stories.

    python -m bigmodel recipe text-en --data DIR --minutes 90

DIR holds the corpora (`tinystories.txt.gz`, …: one document a block, blocks separated by a line `<|endoftext|>`).
The result is a plain transformers GPT-2 with its own byte-level BPE tokenizer: `from_pretrained` loads it as any other.
Architecture: Radford et al. 2019; stories as data for very small models: Eldan & Li 2023 (arXiv 2305.07759);
Muon for the matrices of the hidden layers: Jordan et al. 2024 (torch.optim.Muon).
"""

from __future__ import annotations

import gzip
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bigmodel.config import bounded, check, chosen
from bigmodel.errors import DataError
from bigmodel.recipes.common import SHARD, load_state, progress, save_state, warm_hold_decay

END = "<|endoftext|>"
# How often a training window comes from each source. The simple modern files weigh more than their size, or the
# model sounds Victorian.
WEIGHTS = {"tinystories": 0.42, "openstories": 0.10, "fairytales": 0.15, "children": 0.33}
PLAIN = {"children": 0.5}  # keep only the plainest share of a source
HELD_OUT = 50  # every 50th document of a source is never trained on
PROMPTS = (
    "Once upon a time",
    "I love",
    "The little dog",
    "One day, a girl named Lily",
    "The king said",
    "It was raining, so",
    "My best friend",
    "In the middle of the forest",
    "The old man looked at the sea",
    "Tom wanted to",
)


@dataclass(frozen=True, kw_only=True)
class TextEnConfig:
    """What to train and how long. With `steps` the seed decides every weight; with `minutes` the clock has a say."""

    data: str = ""
    out: str = "bigmodel/pretrained/text-en"
    checkpoints: str = ".checkpoints/text-en"
    minutes: float = bounded(90.0, 0.1, 10_000.0)
    steps: int = bounded(0, 0, 1_000_000)
    seed: int = bounded(42, 0, 2**31 - 1)
    threads: int = bounded(2, 1, 64)
    device: str = chosen("cpu", "cpu", "cuda")
    layers: int = bounded(6, 1, 48)
    width: int = bounded(192, 16, 4096)
    heads: int = bounded(6, 1, 64)
    vocabulary: int = bounded(4096, 300, 65_000)
    context: int = bounded(512, 16, 4096)
    batch: int = bounded(8, 1, 1024)
    rate: float = bounded(3e-3, 1e-6, 1.0)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Step:
    """One optimizer step; `loss` in nats per token, smoothed; `progress` is the share of the budget that is spent."""

    step: int
    progress: float
    loss: float
    rate: float
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Checked:
    """Held-out quality: bits per byte of documents never trained on, by source."""

    step: int
    bits_per_byte: tuple[tuple[str, float], ...]
    seconds: float


@dataclass(frozen=True)
class Sample:
    """A continuation, unselected."""

    prompt: str
    text: str


@dataclass(frozen=True)
class Saved:
    """The model is in `folder`, ready for from_pretrained."""

    folder: str
    parameters: int
    step: int


Event = Step | Checked | Sample | Saved


@dataclass(frozen=True)
class Stream:
    """One source as token ids, with the places where its documents begin."""

    tokens: NDArray[np.uint16]
    starts: NDArray[np.int64]


def cook(config: TextEnConfig) -> Iterator[Event]:
    """Train, check on held-out documents, save with a card. Picks up the checkpoint of an earlier call."""
    torch.set_num_threads(config.threads)
    books = read(Path(config.data))
    tokenizer = tokenizer_for(config, books)
    streams = {name: encode(tokenizer, kept_for_training(docs)) for name, docs in books.items()}
    model = new_model(config, tokenizer)
    optimizers = new_optimizers(config, model)
    notes = load_state(Path(config.checkpoints), model, optimizers)
    step, before, loss, saved = int(notes.get("step", 0)), float(notes.get("seconds", 0.0)), 0.0, 0.0
    begun = time.perf_counter()
    while (
        done := progress(step, before + time.perf_counter() - begun, steps=config.steps, minutes=config.minutes)
    ) < 1:
        factor = warm_hold_decay(done)
        value = train_step(config, model, optimizers, window_batch(config, streams, step), factor)
        step += 1
        loss += (value - loss) * max(0.02, 1 / step)
        seconds = before + time.perf_counter() - begun
        yield Step(step, done, round(loss, 4), config.rate * factor, step * config.batch * config.context, seconds)
        if seconds - saved > 300:
            saved = seconds
            save_state(Path(config.checkpoints), model, optimizers, {"step": step, "seconds": seconds})
            yield export(config, model, tokenizer, step)
            yield Checked(step, bits_per_byte(config, model, tokenizer, books, most=4), seconds)
    seconds = before + time.perf_counter() - begun
    save_state(Path(config.checkpoints), model, optimizers, {"step": step, "seconds": seconds})
    yield export(config, model, tokenizer, step)
    yield from evaluate(config)


def evaluate(config: TextEnConfig) -> Iterator[Event]:
    """Measure the saved model on the held-out documents of `config.data`, sample it, and write its card."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(config.out)
    model = AutoModelForCausalLM.from_pretrained(config.out, dtype=torch.float32)
    checked = Checked(0, bits_per_byte(config, model, tokenizer, read(Path(config.data)), most=40), 0.0)
    yield checked
    samples = tuple(Sample(prompt, continuation(model, tokenizer, prompt, config.seed)) for prompt in PROMPTS)
    yield from samples
    notes = training_notes(config)
    card = write_card(model, checked, samples, notes)
    (Path(config.out) / "README.md").write_text(card, encoding="utf-8")


# ---- data ----------------------------------------------------------------------------------------------------------


def read(folder: Path) -> dict[str, list[str]]:
    """Documents by source; of the sources named in PLAIN only the plainest."""
    missing = [name for name in WEIGHTS if not (folder / f"{name}.txt.gz").exists()]
    if missing:
        raise DataError("recipe.data", folder=str(folder), missing=", ".join(f"{name}.txt.gz" for name in missing))
    books = {}
    for name in WEIGHTS:
        text = gzip.decompress((folder / f"{name}.txt.gz").read_bytes()).decode("utf-8")
        books[name] = [doc.strip() for doc in re.split(rf"(?m)^{re.escape(END)}$", text) if doc.strip()]
    common = common_words(books["tinystories"] + books["openstories"])
    for name, share in PLAIN.items():
        ranked = sorted(books[name], key=lambda doc: plainness(doc, common), reverse=True)
        books[name] = ranked[: max(2, int(len(ranked) * share))]
    return books


def common_words(documents: list[str], most: int = 4000) -> frozenset[str]:
    """The words that simple stories are made of."""
    counts = Counter(word for doc in documents for word in re.findall(r"[a-z']+", doc.lower()))
    return frozenset(word for word, _ in counts.most_common(most))


def plainness(document: str, common: frozenset[str]) -> float:
    """The share of a document's words that are common ones: a chapter for children scores high."""
    words = re.findall(r"[a-z']+", document[:20_000].lower())
    return sum(word in common for word in words) / max(1, len(words))


def kept_for_training(documents: list[str]) -> list[str]:
    """All but every HELD_OUT-th document."""
    return [doc for i, doc in enumerate(documents) if i % HELD_OUT]


def held_out(documents: list[str]) -> list[str]:
    """Every HELD_OUT-th document: never trained on."""
    return documents[::HELD_OUT]


def tokenizer_for(config: TextEnConfig, books: dict[str, list[str]]) -> Any:
    """A byte-level BPE of the training documents (Sennrich et al. 2016): every text has ids, no id is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # The vocabulary is learnt in the mixture that the model will read, a few million characters of each source.
    texts = (doc[:4000] for name, docs in books.items() for doc in kept_for_training(docs)[: int(6000 * WEIGHTS[name])])
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=END,
        eos_token=END,
        clean_up_tokenization_spaces=False,
        model_max_length=config.context,
    )


def encode(tokenizer: Any, documents: list[str]) -> Stream:
    """All documents as one row of ids, each ended by the end token."""
    rows = [e.ids for e in tokenizer.backend_tokenizer.encode_batch([doc + END for doc in documents])]
    starts = np.cumsum([0, *(len(row) for row in rows[:-1])])
    return Stream(np.concatenate([np.asarray(row, dtype=np.uint16) for row in rows]), starts.astype(np.int64))


def window_batch(config: TextEnConfig, streams: dict[str, Stream], step: int) -> torch.Tensor:
    """(batch, context + 1) ids. Half of the windows begin with a document, so that a bare prompt finds a beginning.
    The draw depends on seed and step alone: a resumed run reads what an unbroken one would have read."""
    rng = np.random.default_rng((config.seed, step))
    length = config.context + 1
    names = rng.choice(list(WEIGHTS), size=config.batch, p=np.array(list(WEIGHTS.values())) / sum(WEIGHTS.values()))
    rows = []
    for name in names:
        stream = streams[name]
        start = int(rng.choice(stream.starts) if rng.random() < 0.5 else rng.integers(len(stream.tokens)))
        rows.append(
            np.resize(
                np.roll(stream.tokens, -start)[:length]
                if start + length > len(stream.tokens)
                else stream.tokens[start : start + length],
                length,
            )
        )
    return torch.from_numpy(np.stack(rows).astype(np.int64))


# ---- model ---------------------------------------------------------------------------------------------------------


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


def new_optimizers(config: TextEnConfig, model: Any) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, biases and norms."""
    inner = [p for name, p in model.named_parameters() if p.ndim == 2 and ".h." in name]
    outer = [p for name, p in model.named_parameters() if not (p.ndim == 2 and ".h." in name)]
    return [
        torch.optim.Muon(inner, lr=config.rate, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=config.rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def train_step(
    config: TextEnConfig, model: Any, optimizers: list[torch.optim.Optimizer], rows: torch.Tensor, factor: float
) -> float:
    """One step on (batch, context + 1) ids; the loss in nats per token. bfloat16: twice as fast where a CPU has it."""
    rows = rows.to(config.device)
    with torch.enable_grad(), torch.autocast(config.device, torch.bfloat16):
        logits = model(rows[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = config.rate * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def export(config: TextEnConfig, model: Any, tokenizer: Any, step: int) -> Saved:
    """Write weights (float16, shards under 10 MB), config and tokenizer to `config.out`."""
    model.half().save_pretrained(config.out, max_shard_size=SHARD)
    model.float()
    tokenizer.save_pretrained(config.out)
    return Saved(config.out, sum(p.numel() for p in model.parameters()), step)


# ---- quality -------------------------------------------------------------------------------------------------------


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
        out = model.generate(**ids, do_sample=True, temperature=0.8, top_p=0.95, max_new_tokens=60, pad_token_id=0)
    text: str = tokenizer.decode(out[0], skip_special_tokens=True)
    return text


def training_notes(config: TextEnConfig) -> dict[str, Any]:
    """What the last checkpoint says of the training: steps and seconds."""
    from bigmodel.recipes.common import _notes

    path = Path(config.checkpoints) / "state.safetensors"
    return _notes(path) if path.exists() else {}


def write_card(model: Any, checked: Checked, samples: tuple[Sample, ...], notes: dict[str, Any]) -> str:
    return ""
