"""A link that reopens the same settings: `?tab=train&dataset=moons&learning_rate=0.01`, only what is no default.

Forms write themselves into a query and take it back (`told` and `taken` of `Form` and `DataForm`); here is the button
that makes the link, and the load of a page that was opened by one. What a link asks for goes through the same limits as
what is typed: a value out of bounds is told in one sentence, and the default stands.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

import gradio as gr

from bigmodel.datasets import DRAWN
from bigmodel.errors import BigModelError, ConfigError
from bigmodel.ui.data import TABLE
from bigmodel.ui.widgets import QUIET, Page
from bigmodel.ui.words import say, word

LONGEST = 8000
"""Characters of a query that are looked at, and `MOST` settings in it."""
MOST = 100


class Part(Protocol):
    """A form that a link can fill: some of the page's inputs, and how a link says them."""

    @property
    def inputs(self) -> list[Any]: ...
    def told(self, values: Any) -> dict[str, str]: ...
    def taken(self, wishes: Mapping[str, str]) -> tuple[list[Any], list[BigModelError]]: ...


# The address keeps what is no setting (the language, Gradio's theme). Without leave to use the clipboard the link
# stands there to be copied by hand.
_SCRIPT = """
const words = element.querySelector('.link-words'), address = element.querySelector('.link-address');
async function show() {
    const v = props.value;
    if (!v || v.query === undefined) return;
    const link = new URL(location.href), kept = new URLSearchParams();
    for (const name of ['lang', '__theme'])
        if (link.searchParams.has(name)) kept.set(name, link.searchParams.get(name));
    link.hash = '';
    link.search = [v.query, kept.toString()].filter(Boolean).join('&');
    try { history.replaceState(history.state, '', link); } catch (forbidden) {}
    element.querySelector('.link').hidden = !v.copied;
    if (!v.copied) return;
    let copied = true;
    try { await navigator.clipboard.writeText(link.href); } catch (forbidden) { copied = false; }
    words.textContent = copied ? v.copied : v.by_hand;
    address.textContent = link.href;
}
watch('value', show);
"""


@dataclass(frozen=True)
class Share:
    """The link button of a tab, and the line under it."""

    page: Page
    tab: str
    button: gr.Button
    line: gr.HTML

    def connect(self, start: gr.Button, *parts: Part) -> None:
        """Make the link from the present values of `parts`: at a press of the button, and of `start` in silence."""
        self.page.linked[self.tab] = parts

        def copy(language: str, *values: Any) -> dict[str, Any]:
            try:
                query = written_query(self.tab, parts, values)
            except BigModelError as error:
                raise gr.Error(word(error, language), print_exception=False) from None
            lacks = behind(query)
            more = " " + say(lacks, language) if lacks else ""
            shown = {name: say(f"link.{name}", language) + more for name in ("copied", "by_hand")}
            # Pressed twice is two presses: the page acts on what has changed.
            return {"query": query, **shown, "pressed": time.time_ns() // 1_000_000}

        def address(*values: Any) -> dict[str, Any]:
            try:
                return {"query": written_query(self.tab, parts, values)}
            except ConfigError:
                # The start itself tells what is wrong.
                skipped: dict[str, Any] = gr.skip()
                return skipped

        inputs = [widget for part in parts for widget in part.inputs]
        self.button.click(copy, [self.page.language, *inputs], [self.line], **QUIET)
        start.click(address, inputs, [self.line], queue=False, **QUIET)


def link_button(page: Page, tab: str) -> Share:
    """The button that copies the link, and the line that says so."""
    button = page.button("link.copy", size="sm", elem_id=f"{tab}-link")
    line = gr.HTML(
        None,
        html_template='<p class="link" role="status" hidden><span class="link-words"></span> '
        '<code class="link-address"></code></p>',
        css_template="""
.link { margin: 0; color: var(--body-text-color-subdued); }
.link-address { user-select: all; overflow-wrap: anywhere; }
""",
        js_on_load=_SCRIPT,
        elem_id=f"{tab}-link-line",
        padding=False,
    )
    return Share(page, tab, button, line)


def written_query(tab: str, parts: tuple[Part, ...], values: tuple[Any, ...]) -> str:
    """The query of a link to these values of a tab's parts. Raises ConfigError."""
    found = {"tab": tab}
    for part in parts:
        count = len(part.inputs)
        found |= part.told(values[:count])
        values = values[count:]
    return urlencode(found, safe=",")


def behind(query: str) -> str:
    """What a link could not take along: the key of a sentence, or ""."""
    told = parsed(query)
    if told.get("dataset") == TABLE:
        return "link.table"
    return "link.drawing" if told.get("dataset") == DRAWN and "data_points" not in told else ""


def connect(opened: Any, page: Page) -> None:
    """After `opened`, the page's load: fill in what its link wishes, and say what it may not."""
    outputs = [page.tabs, *(widget for parts in page.linked.values() for part in parts for widget in part.inputs)]

    def fill(query: str, language: str) -> list[Any]:
        updates, problems = wished(page, query)
        if problems:
            told = say("link.ignored", language, problems=" ".join(word(problem, language) for problem in problems))
            # A link is written by anybody, and a notice takes HTML.
            gr.Warning(escape(told, quote=False))
        return updates

    opened.then(
        fill,
        [page.link, page.language],
        outputs,
        js="(link, language) => [location.search, language]",
        **QUIET,
    )


def wished(page: Page, query: str) -> tuple[list[Any], list[BigModelError]]:
    """What a page opened by this query shows: the tab, then all widgets that a link can fill. And what is wrong."""
    wishes = parsed(query)
    tab = wishes.get("tab", "train")
    updates: list[Any] = [gr.update(selected=tab) if wishes.get("tab") in page.named else gr.skip()]
    problems: list[BigModelError] = []
    for name, parts in page.linked.items():
        for part in parts:
            changed, wrong = part.taken(wishes if name == tab else {})
            updates += changed
            problems += wrong
    return updates, problems


def parsed(query: str) -> dict[str, str]:
    """The settings of a query; none when it is no query, or far too long to be one of ours."""
    if len(query) > LONGEST:
        return {}
    try:
        return dict(parse_qsl(query.removeprefix("?"), max_num_fields=MOST))
    except ValueError:
        return {}
