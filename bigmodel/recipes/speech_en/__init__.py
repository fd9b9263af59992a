"""The English speech model that ships: a small FastConformer with CTC for digits, letters and short commands.

    python -m bigmodel recipe speech-en --data DIR --minutes 85

DIR holds `index.tsv` (path, corpus, speaker, seconds, text) and the recordings. The result loads with transformers'
AutoModelForCTC and AutoProcessor. Speakers, not clips, are held out: every figure is of voices never heard.
CTC: Graves et al. 2006; FastConformer: Rekesh et al. 2023 (arXiv 2305.05084); SpecAugment: Park et al. 2019.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bigmodel.config import bounded, check, chosen
from bigmodel.errors import DataError
from bigmodel.recipes.speech_en import network, sounds, voices
from bigmodel.recipes.speech_en.scores import Score, score

if TYPE_CHECKING:
    import torch

SAVE_EVERY, CHECK_EVERY = 300.0, 600.0
# The recording that ships beside the model: commands by one of the held-out voices of AN4, and what is said in it.
EXAMPLE_CLIPS = ("an4-an266-mbmg-b", "an4-an267-mbmg-b", "an4-an270-mbmg-b")
EXAMPLE = "enter fifty four s u o u eighty six enter one forty two"


@dataclass(frozen=True, kw_only=True)
class SpeechEnConfig:
    """What to train and for how long. With `steps` the seed decides every weight; else the clock has a say.

    `start` is the folder of a finished model of the same shape whose weights this one begins with. `synthetic` lines
    are spoken by synthetic voices, where such programs are installed.
    """

    data: str = ""
    out: str = "bigmodel/pretrained/speech-en"
    checkpoints: str = ".checkpoints/speech-en"
    start: str = ""
    synthetic: int = bounded(4000, 0, 100_000)
    minutes: float = bounded(85.0, 0.05, 10_000.0)
    steps: int = bounded(0, 0, 1_000_000)
    seed: int = bounded(42, 0, 2**31 - 1)
    threads: int = bounded(2, 1, 64)
    device: str = chosen("cpu", "cpu", "cuda")
    layers: int = bounded(6, 1, 48)
    width: int = bounded(144, 16, 2048)
    heads: int = bounded(4, 1, 64)
    dropout: float = bounded(0.1, 0.0, 0.9)
    batch_seconds: float = bounded(24.0, 1.0, 10_000.0)
    rate: float = bounded(2e-3, 1e-6, 1.0, log=True)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Reading:
    """Recordings are being decoded: so many clips, so many hours so far."""

    clips: int
    hours: float


@dataclass(frozen=True)
class Step:
    """One optimizer step; `loss` in nats per letter; `progress` is the share of the budget that is spent."""

    step: int
    progress: float
    loss: float
    rate: float
    hours_heard: float
    seconds: float


@dataclass(frozen=True)
class Listened:
    """So many of the held-out clips are transcribed."""

    clips: int
    of: int


@dataclass(frozen=True)
class Checked:
    """Error rates on speakers never heard, by corpus."""

    step: int
    scores: tuple[Score, ...]
    seconds: float


@dataclass(frozen=True)
class Sample:
    """One held-out clip, unselected: what was said and what the model wrote."""

    corpus: str
    speaker: str
    said: str
    heard: str


@dataclass(frozen=True)
class Saved:
    """The model is in `folder`, ready for from_pretrained."""

    folder: str
    parameters: int
    bytes: int
    step: int


Event = Reading | Step | Listened | Checked | Sample | Saved


def cook(config: SpeechEnConfig) -> Iterator[Event]:
    """Train, check on held-out speakers, save with a card. Picks up the checkpoint of an earlier call."""
    from bigmodel.recipes.common import load_state, progress, save_state, warm_hold_decay

    clips = yield from _read(config)
    away = sounds.held_out(clips)
    known, unknown = [c for c in clips if c.speaker not in away], [c for c in clips if c.speaker in away]
    for clip in voices.speak(config.synthetic, sentences(known), config.seed):
        known.append(clip)
        if len(known) % 200 == 0:
            yield Reading(len(known), sum(c.seconds for c in known) / 3600)
    model, optimizers, extractor = _start(config)
    notes = load_state(Path(config.checkpoints), model, optimizers)
    step, before, heard = int(notes.get("step", 0)), float(notes.get("seconds", 0)), float(notes.get("heard", 0))
    batches, begun, saved, checked = Batches(config, known), time.perf_counter(), 0.0, 0.0

    def seconds() -> float:
        return before + time.perf_counter() - begun

    def keep() -> None:
        save_state(Path(config.checkpoints), model, optimizers, {"step": step, "seconds": seconds(), "heard": heard})

    try:
        while (done := progress(step, seconds(), steps=config.steps, minutes=config.minutes)) < 1:
            factor = warm_hold_decay(done, warm=0.03, decay=0.5)
            batch = batches.make(step)
            loss = train_step(config, model, optimizers, extractor, batch, config.rate * factor, step)
            step, heard = step + 1, heard + sum(len(wave) for wave in batch.waves) / sounds.RATE
            yield Step(step, done, loss, config.rate * factor, heard / 3600, seconds())
            now = time.perf_counter() - begun
            if now - saved > SAVE_EVERY:
                saved = now
                keep()
            if now - checked > CHECK_EVERY or (not checked and now > 240):
                checked = now
                yield _export(config, model, step)
                yield from _check(config, model, extractor, _some(unknown), step, seconds)
    finally:  # a stop keeps what has been learnt
        keep()
    yield _export(config, model, step)
    yield from evaluate(config)


def sentences(clips: list[sounds.Clip]) -> list[str]:
    """What synthetic voices may read: the texts of the clips that are more than letters and digits."""
    return sorted({clip.text for clip in clips if clip.corpus == "speechocean762"})


def evaluate(config: SpeechEnConfig) -> Iterator[Event]:
    """Measure the saved model on all held-out speakers of `config.data`, with intervals, and write its card."""
    import torch
    from transformers import AutoModelForCTC

    from bigmodel.recipes.common import _notes
    from bigmodel.recipes.speech_en.card import write_card

    torch.set_num_threads(config.threads)
    clips = yield from _read(config)
    away = sounds.held_out(clips)
    model = AutoModelForCTC.from_pretrained(config.out, local_files_only=True, dtype=torch.float32).to(config.device)
    extractor = network.processor().feature_extractor
    state = Path(config.checkpoints) / "state.safetensors"
    notes = _notes(state) if state.exists() else {}
    begun, unknown = time.perf_counter(), [c for c in clips if c.speaker in away]
    heard: list[str] = []
    for some in _batched(unknown):
        heard += transcripts(config, model, extractor, [c.samples for c in some])
        yield Listened(len(heard), len(unknown))
    checked = Checked(int(notes.get("step", 0)), score(unknown, heard), time.perf_counter() - begun)
    yield checked
    rng = np.random.default_rng(config.seed)
    picked = sorted(rng.permutation(len(unknown))[:400], key=lambda i: unknown[i].corpus)
    samples = tuple(_few(unknown, heard, picked))
    yield from samples
    if notes:  # without the notes of a training here there is nothing new to say; the figures are in the events
        write_card(config, model, checked, samples, notes, clips, away)
    write_example(config)


def write_example(config: SpeechEnConfig) -> None:
    """`example.flac` beside the model, where the data holds the clips for it."""
    import soundfile

    if all((Path(config.data) / "audio" / f"{name}.opus").is_file() for name in EXAMPLE_CLIPS):
        wave = sounds.example(config.data, EXAMPLE_CLIPS)
        soundfile.write(Path(config.out) / "example.flac", wave, sounds.RATE, subtype="PCM_16")


def _few(clips: list[sounds.Clip], heard: list[str], picked: list[int], each: int = 5) -> Iterator[Sample]:
    """The first few of each corpus in a random order."""
    counts: dict[str, int] = {}
    for i in picked:
        counts[clips[i].corpus] = counts.get(clips[i].corpus, 0) + 1
        if counts[clips[i].corpus] <= each:
            yield Sample(clips[i].corpus, clips[i].speaker, clips[i].text, heard[i])


def _read(config: SpeechEnConfig) -> Generator[Event, None, list[sounds.Clip]]:
    """All clips; says now and then how far it is."""
    if not (Path(config.data) / "index.tsv").is_file():
        raise DataError("recipe.speech_data", folder=config.data)
    clips: list[sounds.Clip] = []
    for clip in sounds.read_clips(config.data):
        clips.append(clip)
        if len(clips) % 200 == 0:
            yield Reading(len(clips), sum(c.seconds for c in clips) / 3600)
    yield Reading(len(clips), sum(c.seconds for c in clips) / 3600)
    return clips


@dataclass(frozen=True)
class Batch:
    """Waves of shape (n,) at 16 kHz and their texts; an easy one is learnt from as it is."""

    waves: list[sounds.Wave]
    texts: list[str]
    easy: bool


class Batches:
    """Step number -> batch. It depends on seed and number alone: a resumed run hears what an unbroken one would."""

    def __init__(self, config: SpeechEnConfig, clips: list[sounds.Clip]) -> None:
        self._config, self._clips = config, clips
        self._epoch, self._first = -1, 0
        self._easy = () if config.start else sounds.EASY  # who begins with a finished model has learnt the easy part
        self._plan: list[list[sounds.Item]] = []

    def make(self, step: int) -> Batch:
        """The batch of this step; steps are asked for in rising order."""
        while step >= self._first + len(self._plan):
            self._first += len(self._plan)
            self._epoch += 1
            rng = np.random.default_rng((self._config.seed, self._epoch))
            longest = dict(enumerate(self._easy)).get(self._epoch, 0)
            self._plan = sounds.plan(self._clips, rng, self._config.batch_seconds, longest)
        rng, easy = np.random.default_rng((self._config.seed, 1, step)), self._epoch < len(self._easy)
        made = [sounds.make(item, self._clips, rng, easy) for item in self._plan[step - self._first]]
        return Batch([wave for wave, _ in made], [text for _, text in made], easy)


def _start(config: SpeechEnConfig) -> tuple[Any, Any, Any]:
    import torch

    from bigmodel.recipes.common import begin_from, muon_and_adamw

    torch.set_num_threads(config.threads)
    model = network.build(config.width, config.layers, config.heads, config.dropout, config.seed)
    if config.start:
        begin_from(config.start, model)
    model = model.to(config.device)
    return model, muon_and_adamw(model, ".layers.", config.rate), network.processor().feature_extractor


def train_step(
    config: SpeechEnConfig,
    model: Any,
    optimizers: list[torch.optim.Optimizer],
    extractor: Any,
    batch: Batch,
    rate: float,
    step: int,
) -> float:
    """One step; the CTC loss in nats per letter."""
    import torch

    from bigmodel.recipes.common import arithmetic, step_all

    model.train()
    network.set_dropout(model, 0.0 if batch.easy else config.dropout)
    inputs = extractor(batch.waves, sampling_rate=sounds.RATE, return_tensors="pt")
    features = inputs["input_features"]
    if not batch.easy:
        features = masked(features, inputs["attention_mask"], np.random.default_rng((config.seed, 2, step)))
    targets = [network.encode(text) for text in batch.texts]
    mask = inputs["attention_mask"].to(config.device)
    with torch.enable_grad(), torch.random.fork_rng(devices=[]), arithmetic(config.device):
        torch.manual_seed(config.seed * 1_000_003 + step)  # dropout, the same for a resumed run
        logits = model(input_features=features.to(config.device), attention_mask=mask).logits
        loss = torch.nn.functional.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1),
            torch.tensor([i for ids in targets for i in ids], dtype=torch.long, device=config.device),
            model._get_subsampling_output_length(mask.sum(-1)).long(),
            torch.tensor([len(ids) for ids in targets], device=config.device),
            reduction="sum",
            zero_infinity=True,
        ) / max(50, sum(len(ids) for ids in targets))
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    step_all(optimizers, rate)
    return float(loss.detach())


def masked(features: torch.Tensor, mask: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """SpecAugment on normalised features (rows, frames, bins): two bands and a few moments are set to the mean, 0."""
    for row, length in zip(features, mask.sum(-1).tolist(), strict=True):
        for _ in range(2):
            width = int(rng.integers(0, 10))
            low = int(rng.integers(0, features.shape[2] - width + 1))
            row[:, low : low + width] = 0
        for _ in range(1 + int(length) // 100):
            width = int(rng.integers(0, min(9, 2 + int(length) // 12)))
            first = int(rng.integers(0, max(1, int(length) - width)))
            row[first : first + width] = 0
    return features


def transcripts(config: SpeechEnConfig, model: Any, extractor: Any, samples: list[Any]) -> list[str]:
    """Greedy text of clips (int16 at 16 kHz), a little silence put around each."""
    import torch

    pad = np.zeros(sounds.RATE // 5, np.float32)
    waves = [np.concatenate([pad, s.astype(np.float32) / 32768, pad]) for s in samples]
    inputs = extractor(waves, sampling_rate=sounds.RATE, return_tensors="pt")
    model.eval()
    with torch.inference_mode():
        mask = inputs["attention_mask"].to(config.device)
        logits = model(input_features=inputs["input_features"].to(config.device), attention_mask=mask).logits
        lengths = model._get_subsampling_output_length(mask.sum(-1)).tolist()
    best = logits.argmax(-1).tolist()
    return [network.greedy(ids[: int(n)]) for ids, n in zip(best, lengths, strict=True)]


def _batched(clips: list[sounds.Clip], most: float = 30.0) -> Iterator[list[sounds.Clip]]:
    """Clips in their order, up to `most` seconds at once: well under a second of work."""
    some: list[sounds.Clip] = []
    for clip in clips:
        if some and sum(c.seconds for c in some) + clip.seconds > most:
            yield some
            some = []
        some.append(clip)
    if some:
        yield some


def _some(clips: list[sounds.Clip], each: int = 90) -> list[sounds.Clip]:
    """An even part of every corpus, for the checks in mid-training."""
    out: list[sounds.Clip] = []
    for corpus in sorted({c.corpus for c in clips}):
        own = [c for c in clips if c.corpus == corpus]
        out += own[:: max(1, len(own) // each)]
    return out


def _check(
    config: SpeechEnConfig, model: Any, extractor: Any, clips: list[sounds.Clip], step: int, seconds: Any
) -> Iterator[Event]:
    heard: list[str] = []
    for some in _batched(clips):
        heard += transcripts(config, model, extractor, [c.samples for c in some])
        yield Listened(len(heard), len(clips))
    yield Checked(step, score(clips, heard), seconds())


def _export(config: SpeechEnConfig, model: Any, step: int) -> Saved:
    size = network.export(model, config.out)
    return Saved(config.out, sum(p.numel() for p in model.parameters()), size, step)
