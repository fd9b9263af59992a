"""What a training of the recogniser tells as it goes."""

from __future__ import annotations

from dataclasses import dataclass

from bigmodel.recipes.speech_en.scores import Score


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
    """Error rates on speakers never heard, by corpus: by ear alone, and with the word list (() in mid-training)."""

    step: int
    scores: tuple[Score, ...]
    seconds: float
    listed: tuple[Score, ...] = ()


@dataclass(frozen=True)
class Calibrated:
    """What the model's confidence is worth: chance right = sigmoid(slope * log odds + offset).

    `words` were judged, of speakers that the fit has not seen; `before` and `after` are the expected calibration error
    of the model's own confidence and of the calibrated one; `table` holds (mean confidence, share right, words) a bin.
    """

    slope: float
    offset: float
    words: int
    before: float
    after: float
    table: tuple[tuple[float, float, int], ...]


@dataclass(frozen=True)
class Sample:
    """One held-out clip, unselected: what was said, what was heard letter by letter, and with the word list."""

    corpus: str
    speaker: str
    said: str
    heard: str
    listed: str


@dataclass(frozen=True)
class Saved:
    """The model is in `folder`, ready for from_pretrained."""

    folder: str
    parameters: int
    bytes: int
    step: int


Event = Reading | Step | Listened | Checked | Calibrated | Sample | Saved
