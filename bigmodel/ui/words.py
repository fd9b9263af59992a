"""Every word a person reads, from one dictionary per language. No gradio here: the command line uses it too."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from bigmodel.errors import BigModelError, ConfigError, told

LANGUAGES = ("en", "zh")


@lru_cache(maxsize=len(LANGUAGES))
def dictionary(language: str) -> dict[str, str]:
    """All strings of one language, by key."""
    path = Path(__file__).parent / "locales" / f"{language}.json"
    strings: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return strings


def say(key: str, language: str = "en", **values: object) -> str:
    """The string of `key` in `language`, its {placeholders} filled from `values`."""
    return dictionary(language)[key].format_map({name: _rounding(value) for name, value in values.items()})


def figure(value: float, form: str) -> str:
    """A number with so many decimals, halves rounded up as in school and in JavaScript: 0.9625 is 96.3% everywhere,
    where Python alone makes 96.2% of it."""
    return format(value * (1 + 1e-12), form)


class _Rounded(float):
    def __format__(self, form: str) -> str:
        return figure(float(self), form) if form.endswith(("f", "%")) else super().__format__(form)


def _rounding(value: object) -> object:
    return _Rounded(value) if isinstance(value, float) else value


def word(error: BigModelError, language: str = "en") -> str:
    """The sentence of an error. A config error says all its problems; a field goes by its label on the page."""
    if isinstance(error, ConfigError):
        return " ".join(word(problem, language) for problem in error.problems)
    values, strings = told(error.values, dictionary(language)), dictionary(language)
    label = strings.get(str(values.get("label")))
    if label:
        values["field"] = label
    return say(f"error.{error.key}", language, **values)


def prefer(header: str | None) -> str:
    """The language for a browser's Accept-Language header: the first of its wishes that we speak, else English."""
    wishes: list[tuple[float, str]] = []
    for part in (header or "").split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((-float(weight or 1), tag.split("-")[0].lower()))
        except ValueError:
            continue
    return next((tag for _, tag in sorted(wishes, key=lambda wish: wish[0]) if tag in LANGUAGES), "en")


def chart_words(language: str) -> dict[str, str]:
    """The words of the charts, without their prefix."""
    return {k.removeprefix("chart."): v for k, v in dictionary(language).items() if k.startswith("chart.")}
