"""What a race will take, told before it is started: networks, weights, memory, or why it cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from bigmodel.errors import BigModelError
from bigmodel.ui.data import DataForm, Source, load
from bigmodel.ui.heavy import alone
from bigmodel.ui.widgets import QUIET, Form, Page
from bigmodel.ui.words import say, word

LARGE = 5_000_000
"""Bytes of an own table above which it is not read before the start."""


@dataclass(frozen=True)
class Cost:
    """The line, and the widgets that it is about."""

    page: Page
    data: DataForm
    form: Form
    line: gr.HTML

    def watch(self) -> None:
        """Follow a person's hand on the widgets; what the page itself fills in is told at the start."""
        sized = lru_cache(maxsize=4)(load)

        def told(language: str, *values: Any) -> Any:
            count = len(self.data.inputs)
            try:
                source, config = self.data.read(values[:count]), self.form.read(values[count:])
                if source.read_slowly or (source.file and Path(source.file).stat().st_size > LARGE):
                    return None
                return foretold(source, config, language, sized)
            except BigModelError as error:
                return {"text": word(error, language), "wrong": True}

        widgets = [*self.data.inputs, *self.form.inputs]
        names = ("release", "upload", "input", "select")
        touched = [getattr(widget, name) for widget in widgets for name in [_first(widget, names)] if name]
        inputs = [self.page.language, *widgets]
        gr.on(touched, told, inputs, [self.line], trigger_mode="always_last", **QUIET)


def _first(widget: Any, names: tuple[str, ...]) -> str:
    return next((name for name in names if hasattr(widget, name)), "")


def foretold(source: Source, config: Any, language: str, read: Any = load) -> dict[str, Any]:
    """The line for a choice. Raises what the start would raise."""
    from bigmodel.compare.entries import entries, plan

    found = entries(config)
    with alone():
        ahead = plan(config, read(source), found, range(config.seeds))
    said = {
        "entries": ahead.entries,
        "seeds": ahead.seeds,
        "members": ahead.members,
        "stacks": ahead.stacks,
        "parameters": ahead.parameters,
        "megabytes": max(1, round(ahead.megabytes)),
        "most": ahead.most,
    }
    return {"text": say("compare.plan", language, **said), "wrong": False}


_SCRIPT = """
const line = element.querySelector('.cost');
function show() {
    const v = props.value || {};
    line.textContent = v.text || '';
    line.classList.toggle('wrong', Boolean(v.wrong));
}
watch('value', show);
show();
"""


def cost_line(page: Page, data: DataForm, form: Form) -> Cost:
    """The line; `watch` it once all widgets are there."""
    line = gr.HTML(
        None,
        html_template='<p class="cost" role="status"></p>',
        css_template="""
.cost { margin: 0; color: var(--body-text-color-subdued); font-size: .9rem; }
.cost:empty { display: none; }
.cost.wrong { color: #b91c1c; }
:is(.dark) .cost.wrong { color: #fca5a5; }
""",
        js_on_load=_SCRIPT,
        elem_id="compare-cost",
        padding=False,
    )
    return Cost(page, data, form, line)
