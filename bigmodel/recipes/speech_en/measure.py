"""How well the saved model hears speakers it has never heard: error rates, what its confidence is worth, its card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.recipes.speech_en import network, sounds, words
from bigmodel.recipes.speech_en.events import Calibrated, Checked, Listened, Sample
from bigmodel.recipes.speech_en.scores import right, score

if TYPE_CHECKING:
    from bigmodel.checkpoints import SpeechModel
    from bigmodel.recipes.speech_en import SpeechEnConfig
    from bigmodel.recipes.speech_en.events import Event
    from bigmodel.transcribe import Word

WORDS, CALIBRATION = "words.safetensors", "calibration.json"
# The recording that ships beside the model: commands by one of the held-out voices of AN4, and what is said in it.
EXAMPLE_CLIPS = ("an4-an266-mbmg-b", "an4-an267-mbmg-b", "an4-an270-mbmg-b")
EXAMPLE = "enter fifty four s u o u eighty six enter one forty two"
BINS = 10


def evaluate(config: SpeechEnConfig) -> Iterator[Event]:
    """Measure the model in `config.out` on all held-out speakers of `config.data`, by ear alone and with its word list;
    find out what its confidence is worth; write its card."""
    import torch

    from bigmodel.recipes.common import told
    from bigmodel.recipes.speech_en.card import write_card

    torch.set_num_threads(config.threads)
    clips = yield from sounds.read_all(config.data)
    away = sounds.held_out(clips)
    unknown = [clip for clip in clips if clip.speaker in away]
    if config.texts or not (Path(config.out) / WORDS).is_file():
        known = (clip for clip in clips if clip.speaker not in away)
        words.word_list(known, words.stories(config.texts), config.seed).save(Path(config.out) / WORDS)
    model = opened(config)
    by_ear: list[str] = []
    listed: list[tuple[Word, ...]] = []
    for number, clip in enumerate(unknown, 1):
        by_ear.append(said(heard(model, clip, 0.0)))
        listed.append(heard(model, clip))
        if number % 20 == 0 or number == len(unknown):
            yield Listened(number, len(unknown))
    texts = [said(found) for found in listed]
    checked = Checked(0, score(unknown, by_ear), 0.0, score(unknown, texts))
    yield checked
    calibrated = calibrate(unknown, listed, config.seed)
    line = {"slope": calibrated.slope, "offset": calibrated.offset}
    (Path(config.out) / CALIBRATION).write_text(json.dumps(line) + "\n", encoding="utf-8")
    yield calibrated
    rng = np.random.default_rng(config.seed)
    picked = sorted(rng.permutation(len(unknown))[:400], key=lambda i: unknown[i].corpus)
    samples = tuple(_few(unknown, by_ear, texts, picked))
    yield from samples
    write_card(config, model.model, checked, calibrated, samples, told(config.out), clips, away)
    write_example(config)


def opened(config: SpeechEnConfig) -> SpeechModel:
    """The saved model as the app opens it, save that its confidence is its own."""
    import torch
    from transformers import AutoModelForCTC

    from bigmodel.checkpoints import SpeechModel
    from bigmodel.lexicon import Lexicon

    model = AutoModelForCTC.from_pretrained(config.out, local_files_only=True, dtype=torch.float32)
    lexicon = Lexicon.load(Path(config.out) / WORDS)
    model = model.to(config.device).eval()
    return SpeechModel(config.out, "ctc", model, network.processor(), sounds.RATE, config.device, lexicon, None)


def heard(model: SpeechModel, clip: sounds.Clip, weight: float | None = None) -> tuple[Word, ...]:
    """The words in a clip, as it is cut, by the app's own ears; `weight` of the word list, None for the app's own."""
    from bigmodel.transcribe import TranscribeConfig
    from bigmodel.transcribe.cut import Piece
    from bigmodel.transcribe.hear import hear_ctc

    config = TranscribeConfig() if weight is None else TranscribeConfig(word_list=weight)
    return hear_ctc(config, Piece(clip.wave, 0, 0, len(clip.samples), silent=False, forced=False), model)


def said(found: Sequence[Word]) -> str:
    """The words as a line."""
    return " ".join(word.text for word in found)


def calibrate(clips: Sequence[sounds.Clip], found: Sequence[tuple[Word, ...]], seed: int) -> Calibrated:
    """Slope and offset from the model's confidence (as log odds) to the chance that a word is right (Platt 1999).

    Fitted on every other held-out speaker; the expected calibration error (Guo et al. 2017) is of the rest.
    """
    from sklearn.linear_model import LogisticRegression

    from bigmodel.transcribe.spell import chance, log_odds

    order = sorted({clip.speaker for clip in clips})
    fitted = {speaker for number, speaker in enumerate(order) if number % 2 == seed % 2 or len(order) == 1}
    confidence, correct, mine = [], [], []
    for clip, words_ in zip(clips, found, strict=True):
        flags = right(clip.text.split(), [word.text for word in words_])
        confidence += [word.confidence for word in words_]
        correct += flags
        mine += [clip.speaker in fitted] * len(flags)
    odds = np.array([log_odds(value) for value in confidence])
    truth, own = np.array(correct, dtype=bool), np.array(mine, dtype=bool)
    if len(set(truth[own].tolist())) < 2:  # all right, or all wrong: nothing to learn from
        return Calibrated(1.0, 0.0, 0, float("nan"), float("nan"), ())
    line = LogisticRegression(C=1e6).fit(odds[own, None], truth[own])
    slope, offset = float(line.coef_[0, 0]), float(line.intercept_[0])
    told = np.array([chance(value, slope, offset) for value in confidence])
    raw = np.array(confidence)
    return Calibrated(
        round(slope, 4),
        round(offset, 4),
        int((~own).sum()),
        calibration_error(raw[~own], truth[~own]),
        calibration_error(told[~own], truth[~own]),
        _table(told[~own], truth[~own]),
    )


def calibration_error(told: NDArray[Any], truth: NDArray[Any]) -> float:
    """Expected calibration error over ten equal bins: mean distance of confidence and share right."""
    if not len(told):
        return float("nan")
    rows = _table(told, truth)
    return round(sum(n * abs(mean - share) for mean, share, n in rows) / len(told), 4)


def _table(told: NDArray[Any], truth: NDArray[Any]) -> tuple[tuple[float, float, int], ...]:
    """For each bin that has words: their mean confidence, the share that is right, how many."""
    bins = np.minimum((told * BINS).astype(int), BINS - 1)
    rows = []
    for number in range(BINS):
        inside = bins == number
        if inside.any():
            mean, share = float(told[inside].mean()), float(truth[inside].mean())
            rows.append((round(mean, 3), round(share, 3), int(inside.sum())))
    return tuple(rows)


def transcripts(config: SpeechEnConfig, model: Any, extractor: Any, clips: list[sounds.Clip]) -> list[str]:
    """Greedy text of clips, several at once: the quick look of a training at itself."""
    import torch

    inputs = extractor([clip.wave for clip in clips], sampling_rate=sounds.RATE, return_tensors="pt")
    model.eval()
    with torch.inference_mode():
        mask = inputs["attention_mask"].to(config.device)
        logits = model(input_features=inputs["input_features"].to(config.device), attention_mask=mask).logits
        lengths = model._get_subsampling_output_length(mask.sum(-1)).tolist()
    best = logits.argmax(-1).tolist()
    return [network.greedy(ids[: int(n)]) for ids, n in zip(best, lengths, strict=True)]


def look(
    config: SpeechEnConfig, model: Any, extractor: Any, clips: list[sounds.Clip], step: int, seconds: float
) -> Iterator[Event]:
    """Error rates by ear of an even part of the held-out clips."""
    some = _some(clips)
    heard: list[str] = []
    for batch in sounds.batched(some):
        heard += transcripts(config, model, extractor, batch)
        yield Listened(len(heard), len(some))
    yield Checked(step, score(some, heard), seconds)


def _some(clips: list[sounds.Clip], each: int = 90) -> list[sounds.Clip]:
    """An even part of every corpus."""
    out: list[sounds.Clip] = []
    for corpus in sorted({clip.corpus for clip in clips}):
        own = [clip for clip in clips if clip.corpus == corpus]
        out += own[:: max(1, len(own) // each)]
    return out


def write_example(config: SpeechEnConfig) -> None:
    """`example.flac` beside the model, where the data holds the clips for it."""
    import soundfile

    if all((Path(config.data) / "audio" / f"{name}.opus").is_file() for name in EXAMPLE_CLIPS):
        wave = sounds.example(config.data, EXAMPLE_CLIPS)
        soundfile.write(Path(config.out) / "example.flac", wave, sounds.RATE, subtype="PCM_16")


def _few(
    clips: list[sounds.Clip], by_ear: list[str], listed: list[str], picked: list[int], each: int = 5
) -> Iterator[Sample]:
    """The first few of each corpus in a random order."""
    counts: dict[str, int] = {}
    for i in picked:
        counts[clips[i].corpus] = counts.get(clips[i].corpus, 0) + 1
        if counts[clips[i].corpus] <= each:
            yield Sample(clips[i].corpus, clips[i].speaker, clips[i].text, by_ear[i], listed[i])
