"""The English speech model that ships: a small FastConformer with CTC for digits, letters and short commands.

    python -m bigmodel recipe speech-en --data DIR --minutes 85

DIR holds `index.tsv` (path, corpus, speaker, seconds, text) and the recordings. The result loads with transformers'
AutoModelForCTC and AutoProcessor. Speakers, not clips, are held out: every figure is of voices never heard.
CTC: Graves et al. 2006; FastConformer: Rekesh et al. 2023 (arXiv 2305.05084); SpecAugment: Park et al. 2019; two views
of every clip that must agree: Yao et al. 2024 (CR-CTC, arXiv 2410.05101).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bigmodel.config import bounded, check, chosen
from bigmodel.recipes.speech_en import network, phonemes, pieces, replicas, sounds, voices, words
from bigmodel.recipes.speech_en.events import Calibrated, Checked, Event, Listened, Reading, Sample, Saved, Step
from bigmodel.recipes.speech_en.measure import evaluate, look

if TYPE_CHECKING:
    import torch

__all__ = [
    "Batches", "Calibrated", "Checked", "Event", "Listened", "Reading", "Sample", "Saved", "SpeechEnConfig", "Step",
    "cook", "evaluate", "train_step",
]  # fmt: skip

SAVE_EVERY, CHECK_EVERY, FIRST_CHECK = 300.0, 600.0, 240.0  # seconds
RETOLD = 0.5  # of the clips whose words are known one by one
ACCENT = 6  # places in the frequencies that are stretched each in its own way


@dataclass(frozen=True, kw_only=True)
class SpeechEnConfig:
    """What to train and for how long. With `steps` the seed decides every weight; else the clock has a say.

    `start` is the folder of a finished model of the same shape whose weights this one begins with; `average` is their
    share in what is saved in the end. `texts` is a folder of stories (as for text-en) for the word list and the
    synthetic voices; those speak `synthetic` lines, where such programs are installed. `decay` is the share of the
    budget in which the rate falls, `phonemes` what the loss of the second task counts, `consistency` how much it counts
    that two views of a clip, disguised in different ways, are heard alike; with 0 there is one view. Each of `replicas`
    further processes takes a batch of its own every step, with as many threads.
    """

    data: str = ""
    out: str = "bigmodel/pretrained/speech-en"
    checkpoints: str = ".checkpoints/speech-en"
    start: str = ""
    average: float = bounded(0.0, 0.0, 1.0)
    texts: str = ""
    synthetic: int = bounded(4000, 0, 100_000)
    minutes: float = bounded(85.0, 0.05, 10_000.0)
    clock: str = chosen("wall", "wall", "processor")
    steps: int = bounded(0, 0, 1_000_000)
    seed: int = bounded(42, 0, 2**31 - 1)
    threads: int = bounded(2, 1, 64)
    replicas: int = bounded(0, 0, 64)
    device: str = chosen("cpu", "cpu", "cuda")
    layers: int = bounded(6, 1, 48)
    width: int = bounded(144, 16, 2048)
    heads: int = bounded(4, 1, 64)
    dropout: float = bounded(0.1, 0.0, 0.9)
    batch_seconds: float = bounded(24.0, 1.0, 10_000.0)
    rate: float = bounded(2e-3, 1e-6, 1.0, log=True)
    decay: float = bounded(0.5, 0.01, 1.0)
    phonemes: float = bounded(0.3, 0.0, 10.0)
    consistency: float = bounded(0.2, 0.0, 10.0)

    def __post_init__(self) -> None:
        check(self)


def cook(config: SpeechEnConfig) -> Iterator[Event]:
    """Train, check on held-out speakers, save with a card. Picks up the checkpoint of an earlier call."""
    from bigmodel.recipes import common

    common.check_start(config.start)
    known, unknown = yield from _clips(config)
    said = phonemes.ids(phonemes.pronunciations(clip.text for clip in known) if config.phonemes else {})
    fresh = partial(_model, config, max((i for ids in said.values() for i in ids), default=0))
    model, optimizers, extractor = _start(config, fresh)
    notes = common.load_state(Path(config.checkpoints), model, optimizers)
    step, heard = int(notes.get("step", 0)), float(notes.get("heard", 0))
    watch = common.Watch(config.clock, float(notes.get("seconds", 0)))
    batches = Batches(config, known, said)

    def keep() -> None:
        kept = {"step": step, "seconds": watch.seconds, "heard": heard}
        common.save_state(Path(config.checkpoints), model, optimizers, kept)

    gradients = partial(_gradients, config, extractor)
    try:
        with replicas.replicas(config.replicas, model, fresh, gradients, config.threads) as others:
            while (done := common.progress(step, watch.seconds, steps=config.steps, minutes=config.minutes)) < 1:
                rate = config.rate * common.warm_hold_decay(done, warm=0.03, decay=config.decay)
                shares = batches.of_step(step)
                loss = train_step(config, model, optimizers, gradients, shares, others, rate)
                step, heard = step + 1, heard + sum(share.seconds for share in shares)
                yield Step(step, done, loss, rate, heard / 3600, watch.seconds)
                if watch.due("save", SAVE_EVERY):
                    keep()
                if watch.due("check", CHECK_EVERY, first=FIRST_CHECK):
                    yield _export(config, model, step, watch.seconds, heard)
                    yield from look(config, model, extractor, unknown, step, watch.seconds)
    finally:  # a stop keeps what has been learnt
        keep()
    if config.start and config.average:
        common.average(config.start, model, config.average)
    yield _export(config, model, step, watch.seconds, heard)
    yield from evaluate(config)


def _clips(config: SpeechEnConfig) -> Generator[Reading, None, tuple[list[sounds.Clip], list[sounds.Clip]]]:
    """What is learnt from (people, programs that speak, and digits cut out) and the held-out speakers' clips."""
    clips = yield from sounds.read_all(config.data)
    away = sounds.held_out(clips)
    known, unknown = [sounds.close(c) for c in clips if c.speaker not in away], [c for c in clips if c.speaker in away]
    aloud = words.to_read(known, words.stories(config.texts), config.seed)
    for clip in voices.speak(config.synthetic, aloud, config.seed):
        known.append(clip)
        if len(known) % 200 == 0:
            yield Reading(len(known), sum(c.seconds for c in known) / 3600)
    if config.start:
        whole, known = known, []
        for number, clip in enumerate(pieces.cut(whole, config.start)):
            known += [clip, *pieces.digits(clip)]
            if number % 100 == 0:
                yield Reading(len(known), sum(c.seconds for c in known) / 3600)
    return known, unknown


@dataclass(frozen=True)
class Batch:
    """Waves of shape (n,) at 16 kHz, their texts, and these as ids of phonemes, none where there is no second task; an
    easy one is learnt from as it is."""

    number: int
    waves: list[sounds.Wave]
    texts: list[str]
    phonemes: list[list[int]]
    easy: bool

    @property
    def seconds(self) -> float:
        """Of sound in it."""
        return sum(len(wave) for wave in self.waves) / sounds.RATE


class Batches:
    """Number -> batch. It depends on seed and number alone: a resumed run hears what an unbroken one would."""

    def __init__(self, config: SpeechEnConfig, clips: list[sounds.Clip], said: dict[str, list[int]]) -> None:
        self._config, self._clips, self._said = config, clips, said
        self._epoch, self._first = -1, 0
        self._easy = () if config.start else sounds.EASY  # who begins with a finished model has learnt the easy part
        self._plan: list[list[sounds.Item]] = []
        self._mates: dict[str, list[sounds.Clip]] = {}
        for clip in clips:
            if clip.cuts:
                self._mates.setdefault(clip.speaker, []).append(clip)

    def of_step(self, step: int) -> list[Batch]:
        """One for each process; steps are asked for in rising order."""
        first, many = step * (1 + self._config.replicas), 1 + self._config.replicas
        return [self.make(first + number) for number in range(many)]

    def make(self, number: int) -> Batch:
        """The batch of this number; they are asked for in rising order."""
        while number >= self._first + len(self._plan):
            self._first += len(self._plan)
            self._epoch += 1
            rng = np.random.default_rng((self._config.seed, self._epoch))
            longest = dict(enumerate(self._easy)).get(self._epoch, 0)
            self._plan = sounds.plan(self._clips, rng, self._config.batch_seconds, longest)
        rng, easy = np.random.default_rng((self._config.seed, 1, number)), self._epoch < len(self._easy)
        items = self._plan[number - self._first]
        made = [sounds.make([self._told(i, rng) for i in item.clips], item.seconds, rng, easy) for item in items]
        texts = [text for _, text in made]
        said = [[i for word in text.split() for i in self._said[word]] for text in texts if self._said]
        return Batch(number, [wave for wave, _ in made], texts, said, easy)

    def _told(self, index: int, rng: np.random.Generator) -> sounds.Clip:
        """The clip, or a new one from pieces of all that its speaker says."""
        clip = self._clips[index]
        return pieces.retold(clip, self._mates[clip.speaker], rng) if clip.cuts and rng.random() < RETOLD else clip


def _model(config: SpeechEnConfig, kinds: int) -> Any:
    """The network at its start; with a head for so many `kinds` of phonemes, if any."""
    from bigmodel.recipes.common import begin_from

    model = network.build(config.width, config.layers, config.heads, config.dropout, config.seed)
    if config.start:
        begin_from(config.start, model)
    if kinds:
        phonemes.attach(model, kinds)
    return model.to(config.device)


def _start(config: SpeechEnConfig, fresh: Callable[[], Any]) -> tuple[Any, Any, Any]:
    """Model, optimizers and extractor."""
    import torch

    from bigmodel.recipes.common import muon_and_adamw

    torch.set_num_threads(config.threads)
    model = fresh()
    return model, muon_and_adamw(model, ".layers.", config.rate), network.processor().feature_extractor


def train_step(
    config: SpeechEnConfig,
    model: Any,
    optimizers: list[torch.optim.Optimizer],
    gradients: replicas.Gradients,
    shares: Sequence[Batch],
    others: Sequence[replicas.Replica],
    rate: float,
) -> float:
    """One step; the CTC loss in nats per letter, without that of the second task."""
    import torch

    from bigmodel.recipes.common import step_all

    loss = replicas.averaged(model, gradients, shares, others)
    torch.set_num_threads(config.threads * len(shares))  # the replicas are at rest
    step_all(optimizers, rate)
    torch.set_num_threads(config.threads)
    return loss


def _gradients(config: SpeechEnConfig, extractor: Any, model: Any, batch: Batch) -> float:
    """Leave the gradients of a batch at the parameters; the CTC loss in nats per letter, without that of the second
    task."""
    import torch

    from bigmodel.recipes.common import arithmetic

    model.train()
    network.set_dropout(model, 0.0 if batch.easy else config.dropout)
    inputs = extractor(batch.waves, sampling_rate=sounds.RATE, return_tensors="pt")
    features, mask = inputs["input_features"], inputs["attention_mask"]
    views = 2 if config.consistency and not batch.easy else 1
    texts, sounded = batch.texts * views, batch.phonemes * views
    if not batch.easy:
        rng = np.random.default_rng((config.seed, 2, batch.number))
        features, mask = features.repeat(views, 1, 1), mask.repeat(views, 1)
        features, mask = warped(features, mask, rng)
        features = masked(features, mask, rng)
    mask = mask.to(config.device)
    second = bool(sounded)
    with torch.enable_grad(), torch.random.fork_rng(devices=[]), arithmetic(config.device):
        torch.manual_seed(config.seed * 1_000_003 + batch.number)  # dropout, the same for a resumed run
        said = model(input_features=features.to(config.device), attention_mask=mask, output_hidden_states=second)
        lengths = model._get_subsampling_output_length(mask.sum(-1)).long()
        loss = whole = ctc_loss(said.logits, lengths, [network.encode(text) for text in texts])
        if second:
            whole = whole + config.phonemes * ctc_loss(phonemes.logits(model, said.hidden_states), lengths, sounded)
        if views == 2:
            letters = sum(map(len, texts))
            whole = whole + config.consistency * disagreement(said.logits, lengths) / max(50, letters)
    whole.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def ctc_loss(logits: torch.Tensor, lengths: torch.Tensor, targets: list[list[int]]) -> torch.Tensor:
    """Nats per target, of (rows, frames, kinds) logits of which each row has so many frames (Graves et al. 2006)."""
    import torch

    flat = torch.tensor([i for ids in targets for i in ids], dtype=torch.long, device=logits.device)
    many = torch.tensor([len(ids) for ids in targets], device=logits.device)
    spread = logits.float().log_softmax(-1).transpose(0, 1)
    total = torch.nn.functional.ctc_loss(spread, flat, lengths, many, reduction="sum", zero_infinity=True)
    return total / max(50, len(flat))


def disagreement(logits: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Nats in all frames between two views of each row: the second half of (2 rows, frames, kinds) logits says what the
    first does of something else. Each view learns from the other as from a teacher (Yao et al. 2024)."""
    import torch

    spread = logits.float().log_softmax(-1)
    other = spread.detach().roll(len(spread) // 2, 0)
    apart = torch.nn.functional.kl_div(spread, other, log_target=True, reduction="none").sum(-1)
    within = torch.arange(apart.shape[1], device=apart.device) < lengths[:, None]
    return (apart * within).sum()


def warped(features: torch.Tensor, mask: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Other throats and another tempo: every row of (rows, frames, bins) has its frequencies stretched by up to an
    eighth (vocal tract length perturbation, Jaitly & Hinton 2013) and, as accents move one formant and not another, by
    up to a sixteenth more at each of a few places between the lowest and the highest; all rows have their time
    stretched, pitch untouched."""
    import torch

    rows, frames, bins = features.shape
    throat, accent = rng.uniform(0.88, 1.13, (rows, 1)), rng.uniform(0.94, 1.06, (rows, 1, ACCENT))
    places = torch.nn.functional.interpolate(torch.from_numpy(accent), bins, mode="linear", align_corners=True)
    stretch = (places[:, 0] * torch.from_numpy(throat)).float()
    # The bins are even in mel, 2595 log10(1 + f / 700), up to half the sampling rate.
    top = math.log1p(sounds.RATE / 2 / 700)
    hertz = torch.expm1(torch.linspace(0, top, bins)) * stretch
    bin_ = (torch.log1p(hertz) / top * (bins - 1)).clamp(max=bins - 1)
    lengths = (mask.sum(-1) * (tempo := rng.uniform(0.85, 1.2))).long().clamp(min=1)
    frame = (torch.arange(int(lengths.max())) / tempo).clamp(max=frames - 1)
    low, left = bin_.long(), frame.long()
    high, right = (low + 1).clamp(max=bins - 1), (left + 1).clamp(max=frames - 1)
    slow = torch.lerp(features[:, left], features[:, right], (frame - left)[None, :, None])
    ends = (where[:, None].expand(-1, len(frame), -1) for where in (low, high))
    below, above = (slow.gather(2, end) for end in ends)
    return torch.lerp(below, above, (bin_ - low)[:, None]), (torch.arange(len(frame)) < lengths[:, None]).long()


def masked(features: torch.Tensor, mask: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """SpecAugment on normalised features (rows, frames, bins): two bands and a few moments are set to the mean, 0."""
    for row, length in zip(features, mask.sum(-1).tolist(), strict=True):
        for _ in range(2):
            width = int(rng.integers(0, 14))
            low = int(rng.integers(0, features.shape[2] - width + 1))
            row[:, low : low + width] = 0
        for _ in range(1 + int(length) // 40):
            width = int(rng.integers(0, min(16, 2 + int(length) // 12)))
            first = int(rng.integers(0, max(1, int(length) - width)))
            row[first : first + width] = 0
    return features


def _export(config: SpeechEnConfig, model: Any, step: int, seconds: float, heard: float) -> Saved:
    from bigmodel.recipes.common import tell

    size = network.export(model, config.out)
    threads = config.threads * (1 + config.replicas)
    tell(config, step=step, seconds=round(seconds), heard=round(heard), average=config.average, threads=threads)
    return Saved(config.out, network.parameters(model), size, step)
