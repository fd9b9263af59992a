"""Points drawn by hand: one line of text ↔ places and classes.

A point is four digits of the alphabet that links use (A-Z a-z 0-9 - _): 24 bits, two of them the class, eleven each how
far right and how far up, from -1 to 1. So a drawing fits wherever a setting does: a config, a kept run, a link.
"""

from __future__ import annotations

import base64
import re

import numpy as np

from bigmodel.errors import BigModelError, DataError

CLASSES = ("A", "B", "C", "D")
STEPS = 2047
"""Places along each side, less one."""
MOST_POINTS = 2000
FEWEST_POINTS = 10
FEWEST_OF_CLASS = 3
"""One point of a class for each part."""
_EXAMPLE = 200
"""Points of an example."""


def problem(text: object) -> BigModelError | None:
    """Why a text can be no drawing at all."""
    if not isinstance(text, str) or len(text) % 4 or not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        return BigModelError("drawn.malformed")
    if len(text) // 4 > MOST_POINTS:
        return BigModelError("drawn.many", points=len(text) // 4, most=MOST_POINTS)
    return None


def read(text: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Places (points, 2), class numbers and the names of the classes that were drawn. DataError when that cannot be
    learned from."""
    found = problem(text)
    if found is not None:
        raise DataError(found.key, **found.values)
    raw = np.frombuffer(base64.urlsafe_b64decode(text), np.uint8).reshape(-1, 3).astype(np.int64)
    packed = raw[:, 0] << 16 | raw[:, 1] << 8 | raw[:, 2]
    kinds, y, counts = np.unique(packed >> 22, return_inverse=True, return_counts=True)
    names = tuple(CLASSES[k] for k in kinds)
    if len(packed) < FEWEST_POINTS:
        raise DataError("drawn.few", points=len(packed), least=FEWEST_POINTS)
    if len(names) < 2:
        raise DataError("drawn.one_class", points=len(packed), name=names[0])
    if counts.min() < FEWEST_OF_CLASS:
        thin = int(counts.argmin())
        raise DataError("drawn.thin", points=int(counts[thin]), name=names[thin], least=FEWEST_OF_CLASS)
    places = np.stack((packed >> 11 & STEPS, packed & STEPS), 1)
    return places / STEPS * 2 - 1, y, names


def write(x: np.ndarray, y: np.ndarray) -> str:
    """Places (points, 2) between -1 and 1, those beyond on the edge, and class numbers from 0 to 3, as text."""
    right, up = ((np.clip(x, -1, 1) + 1) / 2 * STEPS).round().astype(np.int64).T
    packed = y.astype(np.int64) << 22 | right << 11 | up
    raw = np.stack((packed >> 16, packed >> 8 & 255, packed & 255), 1).astype(np.uint8)
    return base64.urlsafe_b64encode(raw.tobytes()).decode("ascii")


def script(text: str) -> list[str]:
    """Lines of Python that make x and y of a drawing, for a script that knows numpy alone."""
    pieces = [text[start : start + 100] for start in range(0, len(text), 100)]
    return [
        "from base64 import urlsafe_b64decode",
        "",
        "# The drawing, four digits a point: two bits for the class, eleven each for x and y.",
        "drawing = (",
        *(f'    "{piece}"' for piece in pieces),
        ")",
        "raw = np.frombuffer(urlsafe_b64decode(drawing), np.uint8).reshape(-1, 3).astype(int)",
        "packed = raw[:, 0] << 16 | raw[:, 1] << 8 | raw[:, 2]",
        f"x = np.stack((packed >> 11 & {STEPS}, packed & {STEPS}), 1) / {STEPS} * 2 - 1",
        "y = np.unique(packed >> 22, return_inverse=True)[1]",
    ]


def examples() -> dict[str, str]:
    """Drawings to start from, by the names of the made sets that they look like; the first is the usual one."""
    rng = np.random.default_rng(0)
    y = np.arange(_EXAMPLE) % 2
    turn, sign = rng.uniform(0, np.pi, _EXAMPLE), 1 - 2 * y
    moons = np.stack((sign * np.cos(turn) - 0.5 * sign, sign * np.sin(turn) - 0.25 * sign), 1) * 0.55
    rings = np.stack((np.sin(2 * turn), np.cos(2 * turn)), 1) * np.where(y, 0.35, 0.8)[:, None]
    along = rng.uniform(0.08, 1, _EXAMPLE)
    angle = along * 3.2 * np.pi + y * np.pi
    spirals = 0.9 * along[:, None] * np.stack((np.sin(angle), np.cos(angle)), 1)
    square = rng.uniform(0.08, 0.92, (_EXAMPLE, 2)) * rng.choice((-1, 1), (_EXAMPLE, 2))
    three = np.arange(_EXAMPLE) % 3
    centres = np.array([(-0.5, -0.35), (0.5, -0.3), (0.0, 0.55)])[three]
    shaken = rng.standard_normal((_EXAMPLE, 2))
    return {
        "moons": write(moons + 0.06 * shaken, y),
        "circles": write(rings + 0.06 * shaken, y),
        "spirals": write(spirals + 0.02 * shaken, y),
        "xor": write(square, square.prod(1) < 0),
        "blobs": write(centres + 0.15 * shaken, three),
    }
