"""The two dictionaries say the same things, and everything the code asks for."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from bigmodel.errors import BigModelError, ConfigError, DataError
from bigmodel.ui.words import LANGUAGES, dictionary, figure, prefer, say, word

PACKAGE = Path(__file__).parents[2] / "bigmodel"
ERRORS = ("BigModelError", "ConfigError", "DataError", "AudioError", "ModelError", "RunError")


def placeholders(text: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(text) if name}


def test_same_keys() -> None:
    """Both languages have the same keys."""
    assert set(dictionary("en")) == set(dictionary("zh"))


@pytest.mark.parametrize("key", sorted(dictionary("en")))
def test_same_placeholders(key: str) -> None:
    """A string takes the same values in both languages, and neither is empty."""
    english, chinese = dictionary("en")[key], dictionary("zh")[key]
    assert placeholders(english) == placeholders(chinese)
    assert english.strip()
    assert chinese.strip()


def test_chinese_is_chinese() -> None:
    """Every Chinese sentence of some length has Chinese characters; prompts for an English model stay English."""
    strings = {k: re.sub(r"{.*?}", "", v) for k, v in dictionary("zh").items() if not k.startswith("generate.example.")}
    plain = [k for k, v in strings.items() if len(v) > 24 and not re.search(r"[\u4e00-\u9fff]", v)]
    assert plain == []


def test_every_error_has_a_sentence() -> None:
    """Each key that the code raises is in the dictionary."""
    missing = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ERRORS and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and f"error.{first.value}" not in dictionary("en"):
                    missing.append((path.name, first.value))
    assert missing == [] or missing == [("errors.py", "config")]


def test_every_key_that_is_said_exists() -> None:
    """Each literal key given to say(), button(), markdown() or words() is in the dictionary."""
    missing = []
    for path in [*PACKAGE.rglob("*.py"), PACKAGE.parent / "app.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).split(".")[-1]
            keys = node.args[:1] if name in ("say", "button", "markdown") else []
            keys += [k.value for k in node.keywords if k.arg] if name == "words" else []
            missing += [
                (path.name, k.value)
                for k in keys
                if isinstance(k, ast.Constant) and isinstance(k.value, str) and k.value not in dictionary("en")
            ]
    assert missing == []


def test_errors_are_worded_in_both_languages() -> None:
    """An error's values stand in its sentence, a config error tells every problem, and a field goes by its label."""
    problems = (
        BigModelError("config.range", field="epochs", label="train.epochs.label", value=0, low=1.0, high=9.0),
        BigModelError("config.range", field="batch", label="train.batch.label", value=-1, low=1.0, high=9.0),
    )
    error = ConfigError(problems)
    for language in LANGUAGES:
        sentence = word(error, language)
        assert say("train.epochs.label", language) in sentence
        assert say("train.batch.label", language) in sentence
    assert "epochs is 0; it must be between 1 and 9." in str(error)
    assert str(DataError("unexpected")) == say("error.unexpected")


def test_an_option_in_an_error_goes_by_its_name() -> None:
    """What a person chose from a menu is said as the menu says it, in the language of the page and in English."""
    for language in LANGUAGES:
        sentence = word(BigModelError("train.no_layers", architecture="gru"), language)
        assert say("architecture.gru", language) in sentence
    assert say("architecture.gru") in str(BigModelError("train.no_layers", architecture="gru"))
    assert "architecture." not in str(BigModelError("train.no_layers", architecture="gru"))


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-TW", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("fr-FR,zh;q=0.5,en;q=0.3", "zh"),
        ("de;q=x,*", "en"),
    ],
)
def test_language_of_the_browser(header: str | None, language: str) -> None:
    """The browser's first wish that we speak wins; else English."""
    assert prefer(header) == language


def test_halves_are_rounded_up_as_the_page_does() -> None:
    """154 of 160 is 96.25 %: Python alone says 96.2%, a browser 96.3, and a visitor sees both."""
    assert say("train.time.numbers", train=0.5, valid=0.25, accuracy=154 / 160).endswith("accuracy 96.3%")
    assert figure(0.8125, ".3f") == "0.813"
    assert figure(0.8124, ".3f") == "0.812"
