"""How a small language model that ships is made: a GPT-2, trained on the corpora that a `Plan` names.

`text_en.py` and `text_zh.py` hold the plans; here is the way they share. The result is a plain transformers GPT-2 with
its own tokenizer: `from_pretrained` loads it as any other. Architecture: Radford et al. 2019; stories as data for very
small models: Eldan & Li 2023 (arXiv 2305.07759).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bigmodel.config import bounded, check, chosen

if TYPE_CHECKING:
    from bigmodel.recipes.text.corpus import Source

SAVE_EVERY = 300.0  # seconds
PASSAGE = 48  # tokens


@dataclass(frozen=True)
class Plan:
    """What is particular to one language. `tokenizer(vocabulary, context, texts)` makes the tokenizer; `credits` are
    files of the data folder that go along with the model; `measure(model, tokenizer, books, seed)` yields the `Trait`s
    that this language's texts should have."""

    sources: tuple[Source, ...]
    tokenizer: Callable[[int, int, Iterator[str]], Any]
    prompts: tuple[str, ...]
    card: str
    measure: Callable[..., Iterator[Trait]]
    credits: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """What to train and how long. With `steps` the seed decides every weight; with `minutes` the clock has a say.

    `start` is the folder of a finished model of the same shape whose weights and tokenizer this one begins with;
    `average` is their share in what is saved at the end. `tellings` is how many stories of each shelf are told by rule.
    `decay` is the share of the budget in which the rate falls.
    """

    plan: ClassVar[Plan]

    data: str = ""
    out: str = ""
    checkpoints: str = ""
    start: str = ""
    average: float = bounded(0.0, 0.0, 1.0)
    minutes: float = bounded(90.0, 0.1, 10_000.0)
    clock: str = chosen("wall", "wall", "processor")
    steps: int = bounded(0, 0, 1_000_000)
    seed: int = bounded(42, 0, 2**31 - 1)
    threads: int = bounded(2, 1, 64)
    device: str = chosen("cpu", "cpu", "cuda")
    layers: int = bounded(6, 1, 48)
    width: int = bounded(192, 16, 4096)
    heads: int = bounded(6, 1, 64)
    vocabulary: int = bounded(4096, 300, 65_000)
    context: int = bounded(512, 16, 4096)
    tellings: int = bounded(16_000, 60, 1_000_000)
    batch: int = bounded(8, 1, 1024)
    rate: float = bounded(3e-3, 1e-6, 1.0)
    decay: float = bounded(0.3, 0.01, 1.0)

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
class Trait:
    """One measured property of the model's texts: `value` over `count` samples; `name` says what it is."""

    name: str
    value: float
    count: int


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


Event = Step | Checked | Trait | Sample | Saved


def cook(config: TextConfig) -> Iterator[Event]:
    """Train, check on held-out documents, save with a card. Picks up the checkpoint of an earlier call."""
    import torch

    from bigmodel.recipes import common
    from bigmodel.recipes.text import corpus, network

    torch.set_num_threads(config.threads)
    common.check_start(config.start)
    books = corpus.read(config.plan.sources, Path(config.data), config.tellings)
    tokenizer = corpus.tokenizer_for(config, books)
    streams = {name: corpus.encode(tokenizer, corpus.kept_for_training(docs)) for name, docs in books.items()}
    model = network.new_model(config, tokenizer)
    if config.start:
        common.begin_from(config.start, model)
    optimizers = common.muon_and_adamw(model, ".h.", config.rate)
    notes = common.load_state(Path(config.checkpoints), model, optimizers)
    step, loss = int(notes.get("step", 0)), float(notes.get("loss", 0.0))
    watch = common.Watch(config.clock, float(notes.get("seconds", 0.0)))
    seconds = watch.seconds
    while (done := common.progress(step, seconds, steps=config.steps, minutes=config.minutes)) < 1:
        factor = common.warm_hold_decay(done, decay=config.decay)
        rows = corpus.window_batch(config, streams, step, done)
        value = network.train_step(config, model, tokenizer, optimizers, rows, factor)
        step += 1
        loss += (value - loss) * max(0.02, 1 / step)
        seconds = watch.seconds
        yield Step(step, done, round(loss, 4), config.rate * factor, step * config.batch * config.context, seconds)
        if watch.due("save", SAVE_EVERY):
            kept = {"step": step, "seconds": seconds, "loss": loss}
            common.save_state(Path(config.checkpoints), model, optimizers, kept)
            yield save(config, model, tokenizer, step, seconds)
            yield Checked(step, network.bits_per_byte(config, model, tokenizer, books, most=4), seconds)
    common.save_state(Path(config.checkpoints), model, optimizers, {"step": step, "seconds": seconds, "loss": loss})
    if config.start and config.average:
        common.average(config.start, model, config.average)
    yield save(config, model, tokenizer, step, seconds, average=config.average)
    yield from evaluate(config)


def _traits(config: TextConfig, model: Any, tokenizer: Any, books: dict[str, list[str]]) -> Iterator[Trait]:
    """Whether a thread holds, in any language; then what is particular to this one."""
    from bigmodel.recipes.text import corpus, network

    size = min(PASSAGE, model.config.n_positions // 2)
    for name, documents in books.items():
        right, count = network.own_continuation(model, tokenizer, corpus.held_out(documents)[:100], size)
        if count > 1:
            yield Trait(f"{name}: how a text goes on is told from how another does", right / count, count)
    yield from config.plan.measure(model, tokenizer, books, config.seed)


def save(config: TextConfig, model: Any, tokenizer: Any, step: int, seconds: float, average: float = 0.0) -> Saved:
    """Write weights (float16, shards under 10 MB), config, tokenizer and what the training says of itself."""
    from bigmodel.recipes.common import SHARD, tell

    model.half().save_pretrained(config.out, max_shard_size=SHARD)
    model.float()
    tokenizer.save_pretrained(config.out)
    tokens = step * config.batch * config.context
    tell(config, step=step, seconds=round(seconds), tokens=tokens, average=average)
    return Saved(config.out, sum(p.numel() for p in model.parameters()), step)


def evaluate(config: TextConfig) -> Iterator[Event]:
    """Measure the saved model on the held-out documents of `config.data`, sample it, and write its card."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from bigmodel.recipes.common import told
    from bigmodel.recipes.text import card, corpus, network

    torch.set_num_threads(config.threads)
    tokenizer = AutoTokenizer.from_pretrained(config.out)
    model = AutoModelForCausalLM.from_pretrained(config.out, dtype=torch.float32, use_safetensors=True)
    books = corpus.read(config.plan.sources, Path(config.data), config.tellings)
    checked = Checked(0, network.bits_per_byte(config, model, tokenizer, books, most=40), 0.0)
    yield checked
    traits = []
    for trait in _traits(config, model, tokenizer, books):
        traits.append(trait)
        yield trait
    texts = [(prompt, network.continuation(model, tokenizer, prompt, config.seed)) for prompt in config.plan.prompts]
    samples = tuple(Sample(prompt, text) for prompt, text in texts)
    yield from samples
    for name in config.plan.credits:
        if (Path(config.data) / name).exists():
            (Path(config.out) / "CREDITS.tsv").write_bytes((Path(config.data) / name).read_bytes())
    said = card.write(config.plan, model, checked, traits, samples, told(config.out))
    (Path(config.out) / "README.md").write_text(said, encoding="utf-8")
