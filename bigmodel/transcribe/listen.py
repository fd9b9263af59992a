"""In which order: short phrases go through the model together, as each call costs what seconds of sound do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bigmodel.audio import RATE
from bigmodel.transcribe.cut import Piece, Tape, next_piece
from bigmodel.transcribe.hear import Ear, settled

if TYPE_CHECKING:
    from bigmodel.checkpoints import SpeechModel
    from bigmodel.transcribe import TranscribeConfig
    from bigmodel.transcribe.spell import Word


def listen(config: TranscribeConfig, tape: Tape, model: SpeechModel) -> Iterator[tuple[Piece, tuple[Word, ...], int]]:
    """Every piece of the tape in its order, its words, and the sample at which the next one begins."""
    ear, at, overlap = Ear(config, model), 0, False
    # Half a chunk, and the phrase that fills it: the first words are hardly later, and no step is much longer.
    enough = config.chunk_seconds * RATE / 2 if ear.several else 0
    while pieces := _cut(config, tape, at, overlap, enough):
        spoken = [piece for piece in pieces if not piece.silent]
        found = iter(ear.hear(spoken) if spoken else ())
        for piece in pieces:
            words, at = settled(() if piece.silent else next(found), piece)
            yield piece, words, at
        overlap = pieces[-1].forced


def _cut(config: TranscribeConfig, tape: Tape, at: int, overlap: bool, enough: float) -> list[Piece]:
    """The next pieces, until they are `enough` samples. Silence ends them, and so does a cut through speech: where that
    piece ends is not known before it is heard."""
    pieces: list[Piece] = []
    while (piece := next_piece(config, tape, at, overlap)) is not None:
        pieces.append(piece)
        if piece.silent or piece.forced or sum(len(piece.samples) for piece in pieces) >= enough:
            break
        at, overlap = piece.last, False
    return pieces
