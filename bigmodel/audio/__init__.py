"""Audio: any recording as mono float32 at 16 kHz, block by block (`read.py`), and as a picture (`pictures.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bigmodel.audio.pictures import Picture, picture
from bigmodel.audio.read import LONGEST, RATE, SHORTEST, Header, blocks, look, resampled, whole

if TYPE_CHECKING:
    from bigmodel.audio.read import Sound, Wave

__all__ = [
    "LONGEST",
    "RATE",
    "SHORTEST",
    "Header",
    "Picture",
    "Sound",
    "Wave",
    "blocks",
    "look",
    "picture",
    "resampled",
    "whole",
]
