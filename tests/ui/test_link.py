"""A link and the settings it opens."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import fields
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
import pytest

import app
from bigmodel.compare import CompareConfig
from bigmodel.config import Limits, limits_of
from bigmodel.datasets import DATASETS, DatasetConfig
from bigmodel.errors import ConfigError
from bigmodel.train import TrainConfig
from bigmodel.ui.data import TABLE, DataForm
from bigmodel.ui.link import LONGEST, connect, link_button, wished, written_query
from bigmodel.ui.widgets import Form, Page
from bigmodel.ui.words import say, word


class Tab:
    """A tab with every setting of a config that has words, and with data."""

    def __init__(self, config: type, tab: str) -> None:
        with gr.Blocks(analytics_enabled=False) as blocks:
            self.page = Page()
            with gr.Tabs(), self.page.tab(tab):
                start = gr.Button()
                self.data = DataForm(self.page, f"{tab}-data")
                self.form = Form(self.page, config)
                for field in fields(config):
                    if limits_of(config, field.name) != Limits():
                        self.form.field(field.name)
                link_button(self.page, tab).connect(start, self.data, self.form)
            connect(blocks.load(lambda: None), self.page)
        self.tab = tab
        self.handlers = {fn.fn.__name__: fn.fn for fn in blocks.fns.values()}

    @property
    def values(self) -> list[Any]:
        return [widget.value for widget in (*self.data.inputs, *self.form.inputs)]

    def query(self, values: list[Any]) -> str:
        return written_query(self.tab, self.page.linked[self.tab], tuple(values))

    def opened(self, query: str) -> list[Any]:
        """The values of the widgets on a page opened by this query."""
        updates, problems = wished(self.page, query)
        assert problems == []
        return [update.get("value", value) for update, value in zip(updates[1:], self.values, strict=True)]


TABS = {"train": Tab(TrainConfig, "train"), "compare": Tab(CompareConfig, "compare")}


def samples(limits: Limits, default: Any, chance: random.Random) -> Iterator[Any]:
    """Allowed values of a field: its ends, and some between."""
    if limits.options and isinstance(default, tuple):
        yield from ((), limits.options[:1], limits.options)
    elif limits.options:
        yield from limits.options
    elif isinstance(default, bool):
        yield from (True, False)
    elif isinstance(default, tuple) and not limits.most:
        yield from (("0.1", "0.2"), ("relu",))
    elif isinstance(default, tuple):
        kind = type(default[0])
        for count in {max(1, limits.fewest), limits.most}:
            yield tuple(kind(chance.uniform(limits.low, limits.high)) for _ in range(count))
    else:
        yield from (type(default)(end) for end in (limits.low, limits.high))
        for _ in range(5):
            low = max(limits.low, 1e-9)
            between = math.exp(chance.uniform(math.log(low), math.log(limits.high)))
            yield type(default)(max(limits.low, between))


@pytest.mark.parametrize("name", sorted(TABS))
def test_every_setting_comes_back_through_a_link(name: str) -> None:
    """Each field of both parts, at its ends and between, is the same to the last digit on the page the link opens."""
    tab, chance = TABS[name], random.Random(1)
    for form in (tab.form, tab.data.form):
        for field in form.widgets.keys() - {"points"}:
            limits, default = limits_of(form.config, field), getattr(form.config(), field)
            for value in samples(limits, default, chance):
                config = form.config(**{field: value})
                shown = {w: u["value"] for w, u in zip(form.inputs, form.show(config), strict=True)}
                widgets = (*tab.data.inputs, *tab.form.inputs)
                values = [shown.get(widget, widget.value) for widget in widgets]
                opened = dict(zip(widgets, tab.opened(tab.query(values)), strict=True))
                read = form.read([opened[widget] for widget in form.inputs])
                assert getattr(read, field) == value, field
                assert {**vars(read), "points": ""} == {**vars(config), "points": ""}, field


def test_all_settings_at_once_come_back() -> None:
    """A page on which everything was changed has a link under two kilobytes, and it opens the same page."""
    tab = TABS["train"]
    chance = random.Random(2)
    config = TrainConfig(
        **{
            name: list(samples(limits_of(TrainConfig, name), getattr(TrainConfig(), name), chance))[-1]
            for name in tab.form.widgets
        }
    )
    made = DatasetConfig(rows=4000, noise=0.35, test_share=0.3, valid_share=0.15, seed=7)
    own = len(tab.data.inputs) - len(tab.data.form.inputs)
    data = ["spirals", *tab.values[1:own], *(u["value"] for u in tab.data.form.show(made))]
    values = [*data, *(u["value"] for u in tab.form.show(config))]
    query = tab.query(values)
    assert len(query) < 2000
    opened = tab.opened(query)
    source = tab.data.read(opened[: len(data)])
    assert (source.config.dataset, source.config.rows, source.config.seed) == ("spirals", 4000, 7)
    assert tab.form.read(opened[len(data) :]) == config


def test_defaults_are_not_written() -> None:
    """The link to the untouched page names its tab and nothing else; one change is one setting."""
    tab = TABS["train"]
    assert tab.query(tab.values) == "tab=train"
    place = len(tab.data.inputs) + list(tab.form.widgets).index("learning_rate")
    values = ["moons", *tab.values[1:]]
    values[place] = 0.01
    assert tab.query(values) == "tab=train&dataset=moons&learning_rate=0.01"


def test_each_tab_takes_its_own_settings() -> None:
    """A link to Compare opens Compare and leaves Train as it was; one without a tab means Train."""
    page = app.demo
    ours = next(fn for fn in page.fns.values() if fn.name == "fill")
    names = [part.elem_id for part in ours.outputs]
    updates = ours.fn("?tab=compare&rates=0.01,0.5&dataset=xor", "en")
    told = {name: update["value"] for name, update in zip(names, updates, strict=True) if "value" in update}
    assert told == {"compare-rates": "0.01, 0.5", "compare-data-dataset": "xor"}
    assert updates[0]["selected"] == "compare"
    updates = ours.fn("?epochs=33", "en")
    told = {name: update["value"] for name, update in zip(names, updates, strict=True) if "value" in update}
    assert told == {"train-epochs": 33}
    assert "selected" not in updates[0]
    assert ours.fn("?tab=generate", "en")[0]["selected"] == "generate"  # no settings of its own, and yet it opens


@pytest.mark.parametrize(
    "query",
    ["", "?", "?lang=zh", "?tab=nowhere", "?utm_source=mail&x=1", "%", "&&==", "?tab=train&" + "epochs=3&" * 5000],
)
def test_what_is_no_setting_changes_nothing(query: str) -> None:
    """Any other query leaves the page as it is, and nothing is told."""
    updates, problems = wished(TABS["train"].page, query)
    assert problems == []
    assert all("value" not in update for update in updates)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("learning_rate=1000", "learning_rate"),
        ("learning_rate=nan", "learning_rate"),
        ("learning_rate=fast", "learning_rate"),
        ("epochs=2.5", "epochs"),
        ("epochs=1e999", "epochs"),
        ("widths=64,0", "widths"),
        ("widths=" + "9," * 20, "widths"),
        ("optimizer=magic", "optimizer"),
        ("dataset=/etc/passwd", "dataset"),
        ("data_noise=7", "noise"),
    ],
)
def test_bad_values_are_told_and_ignored(query: str, field: str) -> None:
    """A value out of its limits is one problem by the field's label; the good ones beside it are taken."""
    updates, problems = wished(TABS["train"].page, f"?tab=train&{query}&dropout=0.5")
    assert [problem.values["field"] for problem in problems] == [field]
    label = say(str(problems[0].values["label"]))
    assert label in word(problems[0])
    assert [update["value"] for update in updates if "value" in update] == [0.5]


def test_hostile_link_is_told_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markup in a link comes to the notice escaped and cut, in both languages."""
    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", told.append)
    hostile = "<img src=x onerror=alert(1)>" * 20
    for language in ("en", "zh"):
        TABS["train"].handlers["fill"](f"?tab=train&epochs={hostile}&dataset={hostile}", language)
    assert len(told) == 2
    assert all("<" not in sentence and len(sentence) < 700 for sentence in told)


def test_bad_form_has_no_link() -> None:
    """The button tells what is wrong; the start, which tells it itself, leaves the address alone."""
    tab = TABS["train"]
    values = tab.values
    values[-1] = None
    with pytest.raises(ConfigError):
        tab.query(values)
    with pytest.raises(gr.Error):
        tab.handlers["copy"]("en", *values)
    assert "query" not in tab.handlers["address"](*values)


def test_a_drawing_comes_along_unless_it_is_too_long() -> None:
    """A drawn set's link opens with its points; one of 2,000 points leaves them out and the line says so; other data
    never carries a drawing, and what is no drawing is told."""
    tab = TABS["train"]
    place = tab.data.inputs.index(tab.data.drawing)
    values = ["drawn", *tab.values[1:]]
    for text in ("AAAA" * 1500, values[place]):
        values[place] = text
        line = tab.handlers["copy"]("en", *values)
        assert tab.opened(line["query"])[place] == text
        assert say("link.drawing") not in line["copied"]
    values[place] = "AAAA" * 2000
    line = tab.handlers["copy"]("en", *values)
    assert say("link.drawing") in line["copied"]
    assert "data_points" not in line["query"]
    assert tab.query(["moons", *values[1:]]) == "tab=train&dataset=moons"
    updates, problems = wished(tab.page, "?dataset=drawn&data_points=<b>")
    assert [problem.key for problem in problems] == ["drawn.malformed"]
    assert [update["value"] for update in updates if "value" in update] == ["drawn"]


def test_link_to_a_table_says_what_it_lacks() -> None:
    """A table is no part of a link: its target is, and the line says that the file must be chosen again."""
    tab = TABS["train"]
    values = [TABLE, None, "größe & art", *tab.values[3:]]
    line = tab.handlers["copy"]("en", *values)
    assert say("link.table") in line["copied"]
    assert parse_qs(line["query"])["data_target"] == ["größe & art"]
    assert tab.opened(line["query"])[:3] == [TABLE, None, "größe & art"]
    assert len(f"?{line['query']}") < LONGEST
    assert DATASETS[0] not in line["query"]
