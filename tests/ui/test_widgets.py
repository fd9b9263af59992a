"""Widgets: their words, their limits, and what comes back from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
import pytest

from bigmodel.compare import CompareConfig
from bigmodel.config import bounded, check, limits_of
from bigmodel.datasets import DatasetConfig
from bigmodel.errors import ConfigError
from bigmodel.generate import GenerateConfig
from bigmodel.train import TrainConfig
from bigmodel.transcribe import TranscribeConfig
from bigmodel.ui.widgets import Form, Page
from bigmodel.ui.words import LANGUAGES, dictionary, say, word

CONFIGS = (TrainConfig, CompareConfig, GenerateConfig, TranscribeConfig, DatasetConfig)
# What has no widget of a form: the data set has a menu of its own and a square to draw on, the rivals are as many as
# the page has room for.
ELSEWHERE = {"dataset", "points", "candidates"}


def form(config: type) -> Form:
    """A form with a widget for every field that has words."""
    with gr.Blocks(analytics_enabled=False):
        made = Form(Page(), config)
        for field in fields(config):
            if field.name not in ELSEWHERE:
                made.field(field.name)
    return made


def defaults(made: Form) -> list[Any]:
    """What the untouched page sends."""
    return [widget.value for widget in made.inputs]


def refused(made: Form, **changed: Any) -> ConfigError:
    """The error of a form in which some fields were changed."""
    values = [changed.get(name, widget.value) for name, widget in made.widgets.items()]
    with pytest.raises(ConfigError) as caught:
        made.read(values)
    return caught.value


@pytest.mark.parametrize("config", CONFIGS)
def test_untouched_form_is_the_default_config(config: type) -> None:
    """The values of a fresh form make the config of all defaults."""
    made = form(config)
    assert made.read(defaults(made)) == config()


@pytest.mark.parametrize("config", CONFIGS)
def test_widgets_have_the_limits_of_their_fields(config: type) -> None:
    """A menu has the field's options, a slider its ends; every widget has an explanation and can be used."""
    made = form(config)
    for name, widget in made.widgets.items():
        limits = limits_of(config, name)
        if isinstance(widget, gr.Dropdown):
            assert tuple(value for _, value in widget.choices) == limits.options, name
        elif isinstance(widget, gr.Slider):
            assert (widget.minimum, widget.maximum) == (limits.low, limits.high), name
        else:
            assert isinstance(widget, (gr.Number, gr.Textbox, gr.Checkbox)), name
        assert widget.interactive is True, name
        assert widget.label == say(f"{made.job}.{name}.label"), name
        assert widget.info == say(f"{made.job}.{name}.info"), name


@pytest.mark.parametrize("config", CONFIGS)
def test_numbers_beyond_the_limits_are_refused(config: type) -> None:
    """Every number just outside of its field's limits is told by its label, whatever the widget lets through."""
    made = form(config)
    for name, widget in made.widgets.items():
        limits = limits_of(config, name)
        if isinstance(widget, (gr.Number, gr.Slider)):
            for beyond in (limits.low - 1, limits.high + 1, math.nan, math.inf, -math.inf):
                assert widget.label in word(refused(made, **{name: beyond})), (name, beyond)


@pytest.mark.parametrize("text", ["0.1,0.2", "0.1， 0.2", "0.1、0.2,", " 1e-1 ,0.2"])
def test_lists_take_chinese_commas(text: str) -> None:
    """A list may have commas of either keyboard, spaces, and one comma too many."""
    made = form(CompareConfig)
    values = [text if name == "rates" else widget.value for name, widget in made.widgets.items()]
    assert made.read(values).rates == (0.1, 0.2)


def test_half_epochs_are_refused_not_rounded() -> None:
    """2.5 epochs is one sentence that asks for a whole number; 3.0 is three."""
    made = form(TrainConfig)
    epochs = made.widgets["epochs"]
    assert epochs.preprocess(2.5) == 2.5
    assert "whole number" in word(refused(made, epochs=epochs.preprocess(2.5)))
    assert "whole number" in word(refused(made, batch=2.5))
    values = [3.0 if name == "epochs" else widget.value for name, widget in made.widgets.items()]
    assert made.read(values).epochs == 3


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("empty", [None, ""])
def test_emptied_number_is_one_sentence(language: str, empty: Any) -> None:
    """An emptied number field says that it is empty and shows an example; no None, no traceback."""
    error = refused(form(TrainConfig), learning_rate=empty)
    label = say("train.learning_rate.label", language)
    assert word(error, language) == say("error.config.empty", language, field=label, example=0.001)


@pytest.mark.parametrize("value", ["fast", "<img src=x onerror=alert(1)>", [1], {}, "1,2"])
def test_text_in_a_number_is_one_sentence(value: Any) -> None:
    """What is no number is told as such, with the field's label."""
    sentence = word(refused(form(TrainConfig), learning_rate=value))
    assert sentence.startswith("Learning rate is")
    assert "it takes a number" in sentence


@pytest.mark.parametrize("value", ["a, b", "64; 64", "12.5", None])
def test_text_in_a_list_is_one_sentence(value: Any) -> None:
    """A list that cannot be read shows what one looks like."""
    assert "64, 64" in word(refused(form(TrainConfig), widths=value))


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """An empty field, a word, an option that is none and a number out of range are four sentences of one error."""
    error = refused(form(TrainConfig), epochs=None, learning_rate="x", optimizer="magic", dropout=2)
    assert len(error.problems) == 4
    for language in LANGUAGES:
        sentence = word(error, language)
        for name in ("epochs", "learning_rate", "optimizer", "dropout"):
            assert say(f"train.{name}.label", language) in sentence


def test_hostile_values_make_an_error_and_nothing_else() -> None:
    """Values of wrong types in every field are ConfigErrors with a sentence in both languages."""
    for config in CONFIGS:
        made = form(config)
        for value in (None, "", "${alert(1)}", [], {}, [["x"]], True, 1e400, "9" * 400):
            with pytest.raises(ConfigError) as caught:
                made.read([value] * len(made.inputs))
            assert all(word(caught.value, language) for language in LANGUAGES)


def test_a_form_shows_a_config() -> None:
    """`show` puts every value of a config into its widget, lists as text, so that reading gives it back."""
    made = form(TrainConfig)
    config = TrainConfig(widths=(5, 1024), learning_rate=0.25, epochs=3, optimizer="sgd")
    assert made.read([update["value"] for update in made.show(config)]) == config


def test_a_wide_or_logarithmic_field_is_a_number() -> None:
    """A slider is for a plain range only: on a logarithmic one the small values would be out of reach."""

    @dataclass(frozen=True, kw_only=True)
    class TrainLike:
        learning_rate: float = bounded(0.1, 1e-6, 1.0, log=True)
        epochs: int = bounded(5, 1, 100_000)
        dropout: float = bounded(0.5, 0.0, 1.0)

        def __post_init__(self) -> None:
            check(self)

    TrainLike.__module__ = "bigmodel.train"
    TrainLike.__annotations__ = {"learning_rate": float, "epochs": int, "dropout": float}
    kinds = [type(widget) for widget in form(TrainLike).inputs]
    assert kinds == [gr.Number, gr.Number, gr.Slider]


def test_switch_covers_every_worded_component_in_order() -> None:
    """A switch of language has one update per component, in the order of the outputs, with all of its words."""
    with gr.Blocks(analytics_enabled=False):
        page = Page()
        button = page.button("live.stop")
        menu = page.words(gr.Dropdown(["relu"]), label="train.activation.label")
        page.choices(menu, "normalisation", ("none", "batch"))
    assert page.worded == [button, menu]
    for language in LANGUAGES:
        first, second = page.switch(language)
        assert first["value"] == say("live.stop", language)
        assert second["label"] == say("train.activation.label", language)
        assert second["choices"] == [(say(f"normalisation.{o}", language), o) for o in ("none", "batch")]


def test_every_field_has_words_in_both_languages() -> None:
    """Each field of each config has a label and an explanation, which are not the same."""
    for config in CONFIGS:
        job = form(config).job
        for field in fields(config):
            for language in LANGUAGES:
                if field.name not in ELSEWHERE:
                    label, info = (dictionary(language)[f"{job}.{field.name}.{part}"] for part in ("label", "info"))
                    assert label != info
