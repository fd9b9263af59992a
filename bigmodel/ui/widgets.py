"""Widgets that know their words and their limits.

A `Page` remembers which words each component shows, so that one event can say them all in another language.
A `Form` draws the fields of a config: default, limits and options come from the config, label and explanation from the
words.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any

import gradio as gr

from bigmodel.config import Limits, feature, limits_of
from bigmodel.errors import BigModelError, ConfigError
from bigmodel.ui.words import dictionary, say

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""How every event of the page is wired: without a spinner over what it fills, and no part of the HTTP API."""


class Page:
    """The words on the page. `language` and `visitor` are hidden inputs that every handler can take."""

    def __init__(self, language: str = "en") -> None:
        self.start_language = language
        self.language = gr.Textbox(language, visible="hidden", elem_id="language")
        self.visitor = gr.Textbox("", visible="hidden", elem_id="visitor")
        self.link = gr.Textbox("", visible="hidden", elem_id="link")
        self._said: list[tuple[Any, Callable[[str], dict[str, Any]]]] = []
        self.tabs: Any = None
        self.here: Any = None  # the tab that is being built
        self.named: list[str] = []  # the tabs that a link can open
        # What a link can fill, by tab: see link.py.
        self.linked: dict[str, tuple[Any, ...]] = {}

    def says(self, component: Any, properties: Callable[[str], dict[str, Any]]) -> Any:
        """Let `component` have the properties that a function of the language gives, now and after every switch."""
        for name, value in properties(self.start_language).items():
            setattr(component, name, value)
        self._said.append((component, properties))
        return component

    def words(self, component: Any, **keys: str) -> Any:
        """Let `component` show the string of each key in the named property."""
        return self.says(component, lambda language: {name: say(key, language) for name, key in keys.items()})

    def choices(self, component: Any, prefix: str, options: tuple[str, ...]) -> None:
        """Let the options of a menu be said: `<prefix>.<option>`."""
        self.says(component, lambda language: {"choices": named(prefix, options, language)})

    @property
    def worded(self) -> list[Any]:
        """All components that carry words: the outputs of a switch of language."""
        return list({id(component): component for component, _ in self._said}.values())

    def switch(self, language: str) -> list[Any]:
        """The updates for `worded`, in its order."""
        updates: dict[int, dict[str, Any]] = {id(component): {} for component in self.worded}
        for component, properties in self._said:
            updates[id(component)] |= properties(language)
        return [gr.update(**updates[id(component)]) for component in self.worded]

    def tab(self, name: str) -> Any:
        """A tab that says `<name>.tab`; to be used in `with`."""
        self.here = tab = gr.Tab(id=name, elem_id=f"tab-{name}")
        self.tabs = tab.parent
        self.named.append(name)
        return self.words(tab, label=f"{name}.tab")

    def button(self, key: str, **kwargs: Any) -> gr.Button:
        """A button that says `key`."""
        button: gr.Button = self.words(gr.Button("", **kwargs), value=key)
        return button

    def markdown(self, key: str, **kwargs: Any) -> gr.Markdown:
        """A text of the dictionary."""
        markdown: gr.Markdown = self.words(gr.Markdown("", **kwargs), value=key)
        return markdown


def named(prefix: str, options: tuple[str, ...], language: str) -> list[tuple[str, str]]:
    """(what people read, what the config takes) for each option; an option without a string reads as it is."""
    strings = dictionary(language)
    return [(strings.get(f"{prefix}.{option}", option), option) for option in options]


@dataclass(frozen=True)
class _Field:
    name: str
    kind: Any
    limits: Limits
    default: Any


class Form:
    """The widgets of one config class, made in any order and place, read back in one go."""

    def __init__(self, page: Page, config: type, prefix: str = "") -> None:
        self.page = page
        self.config = config
        self.job = feature(config)
        self.prefix = prefix or self.job
        hints = typing.get_type_hints(config)
        self._fields = {
            f.name: _Field(
                f.name,
                hints[f.name],
                limits_of(config, f.name),
                f.default if f.default is not MISSING else None,
            )
            for f in fields(config)
        }
        self.widgets: dict[str, Any] = {}

    @property
    def inputs(self) -> list[Any]:
        """The widgets, in the order `read` takes their values."""
        return list(self.widgets.values())

    def field(self, name: str, **kwargs: Any) -> Any:
        """The fitting widget for a field: menu, checkbox, slider for a plain range, number for a wide or log one,
        text for a list."""
        f = self._fields[name]
        widget = self._widget(f, kwargs)
        # What only ever is an output would come back read-only from a switch of language.
        widget.interactive = True
        self.page.words(widget, label=f"{self.job}.{name}.label", info=f"{self.job}.{name}.info")
        self.widgets[name] = widget
        return widget

    def section(self, title: str, names: tuple[str, ...]) -> None:
        """Several fields under a title that is closed at first."""
        with self.page.words(gr.Accordion(open=False), label=title):
            for name in names:
                self.field(name)

    def _widget(self, f: _Field, kwargs: dict[str, Any]) -> Any:
        kwargs = {"elem_id": f"{self.prefix}-{f.name}", **kwargs}
        if f.limits.options:
            many = isinstance(f.default, tuple)
            value = list(f.default) if many else f.default
            menu = gr.Dropdown(list(f.limits.options), value=value, multiselect=many, **kwargs)
            self.page.choices(menu, f.name.removesuffix("s") if many else f.name, f.limits.options)
            return menu
        if f.kind is bool:
            return gr.Checkbox(f.default, **kwargs)
        if isinstance(f.default, (tuple, str)):
            return gr.Textbox(self._shown(f.default), max_lines=1, **kwargs)
        whole = f.kind is int
        span = f.limits.high - f.limits.low
        if f.limits.log or span > 2000:
            # No `precision`: it would round 2.5 in silence. No limits: the config words them in the page's language.
            return gr.Number(f.default, **kwargs)
        step = f.limits.step or (1 if whole else 0.01)
        return gr.Slider(f.limits.low, f.limits.high, value=f.default, step=step, **kwargs)

    def read(self, values: typing.Sequence[Any], **others: Any) -> Any:
        """The config of the widgets' values; `others` are fields that have no widget. Raises ConfigError."""
        known: dict[str, Any] = dict(others)
        problems: list[BigModelError] = []
        for name, value in zip(self.widgets, values, strict=True):
            try:
                known[name] = self._parse(self._fields[name], value)
            except (KeyError, TypeError, ValueError, OverflowError):
                problems.append(self._unreadable(self._fields[name], value))
        try:
            # What cannot be read keeps its default here, so that the rest is checked in the same go.
            config = self.config(**known)
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(tuple(problems))
        return config

    def _parse(self, f: _Field, value: Any) -> Any:
        if isinstance(f.default, tuple):
            kind = typing.get_args(f.kind)[0]
            make = getattr(kind, "read", kind)
            if kind is str and not isinstance(value, str):
                return tuple(value or ())
            # A Chinese keyboard writes Chinese commas.
            return tuple(
                make(part.strip())
                for part in str(value).replace("，", ",").replace("、", ",").split(",")
                if part.strip()
            )
        if f.kind is bool and not isinstance(value, bool):
            return {"yes": True, "no": False}[value]
        if f.kind in (int, float) and not isinstance(value, bool):
            number = float(value)
            # A half in a whole field stays one: the config says what is wrong with it.
            return int(number) if f.kind is int and number == int(number) else number
        return value

    def _unreadable(self, f: _Field, value: Any) -> BigModelError:
        said = {
            "field": f.name,
            "label": f"{self.job}.{f.name}.label",
            "value": f"{value:.60}…" if isinstance(value, str) and len(value) > 60 else value,
            "example": self._shown(f.default),
        }
        if value is None or value == "":
            return BigModelError("config.empty", **said)
        return BigModelError("config.list" if isinstance(f.default, tuple) else "config.number", **said)

    def show(self, config: Any) -> list[Any]:
        """Updates that put the values of `config` into the widgets, in the order of `inputs`."""
        return [gr.update(value=self._chosen(self._fields[name], getattr(config, name))) for name in self.widgets]

    def told(self, values: typing.Sequence[Any]) -> dict[str, str]:
        """The settings that differ from their defaults, as a link writes them. Raises ConfigError."""
        config = self.read(values)
        known = ((name, getattr(config, name)) for name in self.widgets)
        return {name: written(value) for name, value in known if value != self._fields[name].default}

    def taken(self, wishes: typing.Mapping[str, str]) -> tuple[list[Any], list[BigModelError]]:
        """Updates that fill in what a link wishes, in the order of `inputs`, and what is wrong with the rest of it."""
        updates: list[Any] = []
        problems: list[BigModelError] = []
        for name in self.widgets:
            wish = wishes.get(name)
            updates.append(gr.skip())
            if wish is None:
                continue
            try:
                value = self._parse(self._fields[name], wish)
                self.config(**{name: value})
                updates[-1] = gr.update(value=self._chosen(self._fields[name], value))
            except ConfigError as error:
                problems += error.problems
            except (KeyError, TypeError, ValueError, OverflowError):
                problems.append(self._unreadable(self._fields[name], wish[:40]))
        return updates, problems

    def _chosen(self, f: _Field, value: Any) -> Any:
        """A value as its widget takes it: a menu of several wants a list."""
        return list(value) if f.limits.options and isinstance(value, tuple) else self._shown(value)

    @staticmethod
    def _shown(value: Any) -> Any:
        return ", ".join(map(written, value)) if isinstance(value, tuple) else value


def written(value: Any) -> str:
    """A setting as text, digit by digit: what is read back is the same value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


_STATUS = """
const dot = element.querySelector('.status-dot'), text = element.querySelector('.status-text');
const bar = element.querySelector('.status-bar i');
function show() {
    const v = props.value || {};
    element.querySelector('.status').dataset.state = v.state || 'idle';
    text.textContent = v.text || '';
    bar.style.width = (100 * (v.progress || 0)) + '%';
}
watch('value', show);
show();
"""


def status_bar(**kwargs: Any) -> gr.HTML:
    """The line that says how a run stands. Value: {"state", "text", "progress" 0..1}; text is never read as HTML."""
    return gr.HTML(
        None,
        html_template='<div class="status" data-state="idle" role="status"><span class="status-dot"></span>'
        '<span class="status-text"></span><span class="status-bar"><i></i></span></div>',
        css_template="""
.status { display: flex; align-items: center; gap: 10px; flex-wrap: wrap; min-height: 28px; }
.status { font-variant-numeric: tabular-nums; }
.status-dot { width: 10px; height: 10px; border-radius: 50%; background: var(--neutral-400); flex: none; }
.status-text { flex: 1 1 60%; }
.status-bar { flex: 1 1 100%; height: 4px; border-radius: 2px; overflow: hidden; }
.status-bar { background: var(--border-color-primary); }
.status-bar i { display: block; height: 100%; width: 0; background: var(--color-accent); }
.status[data-state=running] .status-dot { background: #16a34a; }
.status[data-state=paused] .status-dot, .status[data-state=waiting] .status-dot { background: #d97706; }
.status[data-state=failed] .status-dot { background: #dc2626; }
.status[data-state=failed] .status-text { color: var(--error-text-color); font-weight: 600; }
.status[data-state=done] .status-dot { background: var(--color-accent); }
""",
        js_on_load=_STATUS,
        elem_classes="status-box",
        **kwargs,
    )


_CARDS = """
const box = element.querySelector('.cards'), note = element.querySelector('.cards-note');
function show() {
    const v = props.value || {};
    note.textContent = v.note || '';
    box.replaceChildren(...(v.cards || []).map(([label, value, more]) => {
        const card = document.createElement('div');
        const big = document.createElement('b'), small = document.createElement('span');
        big.textContent = value;
        small.textContent = label;
        card.append(big, small);
        if (more) card.append(document.createElement('small'));
        if (more) card.lastChild.textContent = more;
        return card;
    }));
}
watch('value', show);
show();
"""


def number_cards(**kwargs: Any) -> gr.HTML:
    """Large numbers with their names, and a line of explanation.

    Value: {"cards": [(name, number), or (name, number, a small line under it), …], "note"}.
    """
    return gr.HTML(
        None,
        html_template='<div class="cards"></div><p class="cards-note"></p>',
        css_template="""
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(108px, 1fr)); gap: 10px; }
.cards > div { background: var(--block-background-fill); border: 1px solid var(--border-color-primary); }
.cards > div { border-radius: 12px; padding: 12px 14px; display: flex; flex-direction: column; }
.cards b { font-size: clamp(1.1rem, 4.2vw, 1.6rem); line-height: 1.25; font-variant-numeric: tabular-nums; }
.cards span { color: var(--body-text-color-subdued); }
.cards small { color: var(--body-text-color-subdued); font-size: .8rem; line-height: 1.3; margin-top: 2px; }
.cards-note { color: var(--body-text-color-subdued); margin: 8px 0 0; }
""",
        js_on_load=_CARDS,
        **kwargs,
    )
