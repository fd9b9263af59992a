"""What can go wrong, in one tree.

    BigModelError            a sentence for people: what came, what is allowed, what to do
    ├── ConfigError          settings out of bounds; one error lists every problem
    ├── DataError            a table or data set that cannot be used
    ├── AudioError           a recording that cannot be read
    ├── ModelError           a checkpoint that cannot be loaded, a hub that cannot be reached
    └── RunError             a run that cannot start: the queue is full, the machine is too small

An error carries a key and values, not a sentence: the sentence stands once per language in `ui/locales/*.json` under
`error.<key>`, and the border (page or command line) words it. `str(error)` is the English sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

_ENGLISH = Path(__file__).parent / "ui" / "locales" / "en.json"


@lru_cache(maxsize=1)
def _english() -> dict[str, str]:
    sentences: dict[str, str] = json.loads(_ENGLISH.read_text(encoding="utf-8"))
    return sentences


def told(values: Mapping[str, object], strings: Mapping[str, str]) -> dict[str, object]:
    """Values as a sentence says them: an option of a menu (`<field>.<option>`) goes by its name there."""
    return {name: strings.get(f"{name}.{value}", value) for name, value in values.items()}


class BigModelError(Exception):
    """One clear sentence for the person at the page: `key` finds it, `values` fill it."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key, values)
        self.key = key
        self.values = values

    def __str__(self) -> str:
        return _english().get(f"error.{self.key}", self.key).format_map(told(self.values, _english()))


class ConfigError(BigModelError):
    """Settings out of bounds. `problems` holds one error per setting, so that all are told at once."""

    def __init__(self, problems: tuple[BigModelError, ...]) -> None:
        super().__init__("config")
        self.problems = problems

    def __str__(self) -> str:
        return " ".join(str(problem) for problem in self.problems)


class DataError(BigModelError):
    """A table or data set that cannot be used."""


class AudioError(BigModelError):
    """A recording that cannot be read."""


class ModelError(BigModelError):
    """A checkpoint that cannot be loaded, or a hub that cannot be reached."""


class RunError(BigModelError):
    """A run that cannot start or go on."""
