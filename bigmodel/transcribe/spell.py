"""From letters with frames to words with times and confidence."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

HOLD = 0.5  # seconds between two letters of one word, at most


@dataclass(frozen=True)
class Word:
    """A word as it was heard: seconds in the recording, start < end, and the model's confidence, 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Letter:
    """A token of the path: its text (a space starts a new word), its first and last frame, its best probability."""

    text: str
    first: int
    last: int
    probability: float


@dataclass(frozen=True)
class Alphabet:
    """What each token id says, "" for what says nothing, and which id is the blank."""

    texts: tuple[str, ...]
    blank: int


def alphabet(tokenizer: Any, size: int) -> Alphabet:
    """Read it off a CTC tokenizer: letters with a delimiter (wav2vec2's "|") or word pieces (with "▁" for a space)."""
    delimiter = getattr(tokenizer, "word_delimiter_token", None)
    special = set(tokenizer.all_special_ids)
    texts = []
    for number in range(size):
        token = tokenizer.convert_ids_to_tokens(number) if number < len(tokenizer) else None
        if token is not None and token == delimiter:
            texts.append(" ")
        else:
            texts.append("" if token is None or number in special else token.replace("▁", " "))
    return Alphabet(tuple(texts), int(tokenizer.pad_token_id or 0))


def letters(ids: Sequence[int], probabilities: Sequence[float], book: Alphabet) -> Iterator[Letter]:
    """The CTC rule (Graves et al. 2006): repeats fall together, blanks vanish."""
    before, first = book.blank, 0
    for frame, number in enumerate([*ids, -1]):
        if number == before:
            continue
        if before != book.blank and book.texts[before]:
            yield Letter(book.texts[before], first, frame - 1, max(probabilities[first:frame]))
        before, first = number, frame


def words(path: Iterable[Letter], begin: float, step: float, end: float) -> tuple[Word, ...]:
    """Words between `begin` and `end` seconds; a frame lasts `step` seconds. A Chinese character is a word."""
    groups: list[list[Letter]] = [[]]
    for letter in path:
        text, before = letter.text, groups[-1][-1] if groups[-1] else None
        if text.startswith(" ") or (before and (_alone(text) or _alone(before.text) or _apart(before, letter, step))):
            groups.append([])
        if text.strip():
            groups[-1].append(letter)
        if text.endswith(" ") and len(text) > 1:
            groups.append([])
    out: list[Word] = []
    for group in filter(None, groups):
        stop = min(end, begin + (group[-1].last + 1) * step)
        start = max(out[-1].end if out else begin, min(begin + group[0].first * step, stop - step / 2))
        if start >= stop:
            continue
        sure = math.exp(sum(math.log(max(letter.probability, 1e-9)) for letter in group) / len(group))
        out.append(
            Word("".join(letter.text for letter in group).strip(), round(start, 3), round(stop, 3), round(sure, 4))
        )
    return tuple(out)


def calibrated(found: Iterable[Word], slope: float, offset: float) -> tuple[Word, ...]:
    """The words with the chance that each is right in place of the model's own confidence."""
    return tuple(replace(word, confidence=round(chance(word.confidence, slope, offset), 4)) for word in found)


def chance(confidence: float, slope: float, offset: float) -> float:
    """The share of words of this confidence that were right, by a line through the log odds (Platt 1999)."""
    return 1 / (1 + math.exp(-slope * log_odds(confidence) - offset))


def log_odds(confidence: float) -> float:
    """log(p / (1 - p)), kept finite."""
    p = min(max(confidence, 1e-4), 1 - 1e-4)
    return math.log(p / (1 - p))


def _apart(before: Letter, letter: Letter, step: float) -> bool:
    """Whether so much time lies between two letters that no word holds both, space or not."""
    return (letter.first - before.last) * step > HOLD


def spread(texts: Sequence[str], sure: Sequence[float], begin: float, end: float) -> tuple[Word, ...]:
    """Words without times of their own, laid out between `begin` and `end` by their number of letters: an estimate."""
    total = sum(len(text) + 1 for text in texts)
    out, at = [], begin
    for text, confidence in zip(texts, sure, strict=True):
        stop = at + (end - begin) * (len(text) + 1) / total
        out.append(Word(text, round(at, 3), round(stop, 3), round(confidence, 4)))
        at = stop
    return tuple(word for word in out if word.start < word.end)


def joined(parts: Iterable[Word]) -> str:
    """The words as a line of text: a space between words, none between Chinese characters."""
    line = ""
    for part in parts:
        close = not line or (_alone(line[-1]) and _alone(part.text[0]))
        line += part.text if close else f" {part.text}"
    return line


def _alone(text: str) -> bool:
    """Whether it is written without spaces: Chinese characters, kana."""
    letter = text.strip()[:1]
    return bool(letter) and unicodedata.name(letter, "").startswith(("CJK", "HIRAGANA", "KATAKANA"))
