"""The step functions: a piece of sound through the model, and what it said as words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bigmodel.audio import RATE
from bigmodel.transcribe.cut import FRAME, Piece, levels
from bigmodel.transcribe.search import Search
from bigmodel.transcribe.spell import Word, alphabet, calibrated, letters, spread, words

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from bigmodel.audio import Wave
    from bigmodel.checkpoints import SpeechModel
    from bigmodel.transcribe import TranscribeConfig
    from bigmodel.transcribe.parakeet import Parakeet

LEAST = RATE // 2  # shorter pieces are made so long with silence: convolutions need something to stand on


class Ear:
    """A model as it is listened through. `several`: it can hear several pieces in one forward, each as if alone."""

    def __init__(self, config: TranscribeConfig, model: SpeechModel) -> None:
        self._config, self._model = config, model
        self._parakeet = _parakeet(model)
        self.several = self._parakeet is not None

    def hear(self, pieces: Sequence[Piece]) -> list[tuple[Word, ...]]:
        """The words in all samples of each of the pieces, none of them silent."""
        if self._model.kind != "ctc":
            return [hear_seq2seq(self._config, piece, self._model) for piece in pieces]
        waves = [_padded(piece.samples) for piece in pieces]
        heard = emissions(waves, self._model, self._parakeet)
        return [spelt(self._config, piece, rows, self._model) for piece, rows in zip(pieces, heard, strict=True)]


def _parakeet(model: SpeechModel) -> Parakeet | None:
    """The quick forward for the architecture that has one; others go through their own."""
    from bigmodel.transcribe import parakeet

    return parakeet.Parakeet(model) if parakeet.is_plain_parakeet(model.model) else None


def settled(found: tuple[Word, ...], piece: Piece) -> tuple[tuple[Word, ...], int]:
    """The words that are the piece's own, and the sample at which the next one begins: a forced cut moves to a gap
    between words."""
    last = _gap(found, piece) if piece.forced else piece.last
    first, end = piece.first / RATE, last / RATE
    # Two overlapping pieces may hear a word at the seam a little apart: its middle decides, and the seam bounds it.
    own = (word for word in found if first <= (word.start + word.end) / 2 < end)
    return tuple(replace(word, start=max(first, word.start), end=min(end, word.end)) for word in own), last


def hear_ctc(config: TranscribeConfig, piece: Piece, model: SpeechModel) -> tuple[Word, ...]:
    """What a CTC model hears in all samples of one piece."""
    return Ear(config, model).hear([piece])[0]


def emissions(waves: Sequence[Wave], model: SpeechModel, parakeet: Parakeet | None) -> list[NDArray[np.float32]]:
    """Samples (n,) at 16 kHz → log probabilities (frames, tokens), for each of the waves."""
    import torch

    with torch.inference_mode():
        logits = parakeet(waves) if parakeet else [_logits(wave, model) for wave in waves]
        return [rows.float().log_softmax(-1).cpu().numpy() for rows in logits]


def _logits(wave: Wave, model: SpeechModel) -> Tensor:
    """Logits (frames, tokens) by the model's own forward. One wave at a time: some models hear a batch's padding."""
    inputs = model.processor(wave, sampling_rate=model.sample_rate, return_tensors="pt").to(model.device)
    logits: Tensor = model.model(**inputs).logits[0]
    return logits


def spelt(config: TranscribeConfig, piece: Piece, frames: NDArray[np.float32], model: SpeechModel) -> tuple[Word, ...]:
    """Words from the log probabilities of a piece: letter by letter, or, with a word list, likely words."""
    book = alphabet(model.processor.tokenizer, model.model.config.vocab_size)
    if config.word_list and model.words is not None:
        text = Search(book.texts, book.blank, model.words, config.word_list).best(frames)
        ids, probabilities = aligned(frames, text, book.blank)
    else:
        ids, probabilities = frames.argmax(1).tolist(), np.exp(frames.max(1)).tolist()
    begin = piece.start / RATE
    step = frame_seconds(model, len(ids), max(LEAST, len(piece.samples)))
    found = words(letters(ids, probabilities, book), begin, step, begin + len(piece.samples) / RATE)
    return found if model.calibration is None else calibrated(found, *model.calibration)


def aligned(frames: NDArray[np.float32], text: tuple[int, ...], blank: int) -> tuple[list[int], list[float]]:
    """The likeliest way through the frames to say `text`: the token of every frame and its probability."""
    import torch
    from torchaudio.functional import forced_align

    if not text:
        return [blank] * len(frames), np.exp(frames[:, blank]).tolist()
    with torch.inference_mode():
        targets = torch.tensor([text], dtype=torch.int32)
        ids, scores = forced_align(torch.from_numpy(frames).unsqueeze(0), targets, blank=blank)
    return ids[0].tolist(), scores[0].exp().tolist()


def frame_seconds(model: SpeechModel, frames: int, samples: int) -> float:
    """How long one frame of the model's output lasts: as its configuration says, else by division."""
    ratio = getattr(model.model.config, "inputs_to_logits_ratio", None)
    factor = getattr(getattr(model.model.config, "encoder_config", None), "subsampling_factor", None)
    if ratio is None and factor is not None:
        ratio = factor * model.processor.feature_extractor.hop_length
    return (ratio or samples / max(1, frames)) / RATE


def hear_seq2seq(config: TranscribeConfig, piece: Piece, model: SpeechModel) -> tuple[Word, ...]:
    """Whisper and its like. Words have the model's own token times where it has heads for that; otherwise they are laid
    out over the part of the piece that can be heard, by their length: an estimate."""
    own = piece.samples[piece.first - piece.start : piece.last - piece.start]
    out = write(config, _padded(own), model)
    tokenizer = model.processor.tokenizer
    special = set(tokenizer.all_special_ids)
    scores, tokens = out["scores"], out["tokens"]
    kept = [i for i, token in enumerate(tokens) if token not in special and token < len(tokenizer)]
    groups = _word_groups(tokenizer, tokens, kept)
    texts = [tokenizer.decode([tokens[i] for i in group]).strip() for group in groups]
    sure = [float(np.exp(np.mean([scores[i] for i in group]))) for group in groups]
    named = [n for n, text in enumerate(texts) if text]
    begin, end = _audible(own, piece.first / RATE, config.silence_db)
    if out["times"] is None:
        return spread([texts[n] for n in named], [sure[n] for n in named], begin, end)
    return _timed(groups, texts, sure, named, out["times"], piece.first / RATE, piece.last / RATE)


def write(config: TranscribeConfig, samples: Wave, model: SpeechModel) -> dict[str, Any]:
    """Samples (n,) → new tokens, their log probabilities, and their end times in seconds or None."""
    import torch

    whisper = model.model.config.model_type == "whisper"
    settings = model.model.generation_config
    options: dict[str, Any] = {"return_dict_in_generate": True, "output_scores": True}
    if whisper and getattr(settings, "is_multilingual", False):
        options |= {"task": "transcribe", "language": None if config.language == "auto" else config.language}
    if whisper and getattr(settings, "alignment_heads", None):
        options["return_token_timestamps"] = True
    with torch.inference_mode():
        inputs = model.processor(
            samples, sampling_rate=model.sample_rate, return_tensors="pt", return_attention_mask=True
        ).to(model.device)
        out = model.model.generate(**inputs, **options)
        tokens = out.sequences[0].tolist()[-len(out.scores) :]
        scores = [float(s[0].float().log_softmax(-1)[t]) for s, t in zip(out.scores, tokens, strict=False)]
    times = getattr(out, "token_timestamps", None)
    return {"tokens": tokens, "scores": scores, "times": None if times is None else times[0].tolist()[-len(tokens) :]}


def _word_groups(tokenizer: Any, tokens: list[int], kept: list[int]) -> list[list[int]]:
    """Positions of the tokens of each word: a token whose text begins with a space begins a word."""
    groups: list[list[int]] = []
    for i in kept:
        text = tokenizer.decode([tokens[i]])
        if not groups or text.startswith(" "):
            groups.append([])
        groups[-1].append(i)
    return groups


def _timed(
    groups: list[list[int]],
    texts: list[str],
    sure: list[float],
    named: list[int],
    times: list[float],
    begin: float,
    end: float,
) -> tuple[Word, ...]:
    """Words between the times of their tokens, kept in order and inside the piece."""
    out: list[Word] = []
    for n in named:
        start = max(out[-1].end if out else begin, begin + times[groups[n][0]])
        stop = min(end, max(start + 0.02, begin + times[min(groups[n][-1] + 1, len(times) - 1)]))
        if start < stop:
            out.append(Word(texts[n], round(start, 3), round(stop, 3), round(sure[n], 4)))
    return tuple(out)


def _audible(samples: Wave, begin: float, silence_db: float) -> tuple[float, float]:
    """From the first to the last moment above silence, in seconds of the recording."""
    level = levels(samples)
    loud = np.flatnonzero(level > max(silence_db, level.max() - 30))
    return begin + int(loud[0]) * FRAME / RATE, begin + min(len(samples), int(loud[-1] + 1) * FRAME) / RATE


def _gap(found: tuple[Word, ...], piece: Piece) -> int:
    """The middle of the gap between two words that is nearest to the planned cut; the plan itself if there is none."""
    middles = [(a.end + b.start) / 2 for a, b in pairwise(found)]
    inside = [m for m in middles if piece.first / RATE + 0.5 < m < (piece.start + len(piece.samples)) / RATE - 0.1]
    if not inside:
        return piece.last
    return round(min(inside, key=lambda m: abs(m - piece.last / RATE)) * RATE)


def _padded(samples: Wave) -> Wave:
    return np.pad(samples, (0, max(0, LEAST - len(samples))))
