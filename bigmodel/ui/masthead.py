"""The header: the name, the language button, and what happens when a page opens, switches language or closes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from bigmodel.ui import link
from bigmodel.ui.live import Live
from bigmodel.ui.widgets import QUIET, Page
from bigmodel.ui.words import LANGUAGES, prefer

# sessionStorage lives as long as the browser tab: a reload is the same visitor, another window is another one. After
# the dot stands the browser, from localStorage: by it a person finds the kept runs of closed tabs (see store.py).
# Within another site's frame a browser may forbid storage: then a reload is a new visitor, and the page works.
_HELLO = """
() => {
    const drawn = Array.from(crypto.getRandomValues(new Uint8Array(32)), b => b.toString(16).padStart(2, '0')).join('');
    let visitor = drawn.slice(0, 32) + '.' + drawn.slice(32);
    let language = new URLSearchParams(location.search).get('lang');
    try {
        const browser = localStorage.getItem('bigmodel.browser') || visitor.split('.')[1];
        localStorage.setItem('bigmodel.browser', browser);
        visitor = sessionStorage.getItem('bigmodel.visitor') || visitor.split('.')[0] + '.' + browser;
        sessionStorage.setItem('bigmodel.visitor', visitor);
        language = language || localStorage.getItem('bigmodel.language');
    } catch (forbidden) {}
    return [visitor, language || ''];
}
"""
_REMEMBER = """
(language) => {
    document.documentElement.lang = language;
    document.documentElement.dataset.ready = 'yes';
    try {
        const known = localStorage.getItem('bigmodel.language');
        if (language !== 'en' || known) localStorage.setItem('bigmodel.language', language);
    } catch (forbidden) {}
}
"""


def build(page: Page) -> gr.Button:
    """The name, and the button for the language, which it returns."""
    with gr.Row(elem_classes="masthead"):
        page.markdown("app.heading")
        switcher = page.button("app.language", size="sm", elem_id="switch-language")
    return switcher


def connect(blocks: gr.Blocks, switcher: gr.Button, page: Page, live: Live) -> None:
    """A page opens in its browser's language and follows what runs; the button switches every word."""
    quiet: dict[str, Any] = {**QUIET, "queue": False}

    def hello(visitor: str, wish: str, request: gr.Request) -> list[Any]:
        language = wish if wish in LANGUAGES else prefer(request.headers.get("accept-language"))
        live.arrive(visitor, request)
        return [visitor, language, *page.switch(language)]

    def switch(language: str) -> list[Any]:
        language = LANGUAGES[(LANGUAGES.index(language) + 1) % len(LANGUAGES)] if language in LANGUAGES else "en"
        return [language, *page.switch(language)]

    opened = blocks.load(
        hello, [page.visitor, page.language], [page.visitor, page.language, *page.worded], js=_HELLO, **quiet
    )
    pressed = switcher.click(switch, [page.language], [page.language, *page.worded], **quiet)
    link.connect(opened, page)
    for event in (opened, pressed):
        event.then(None, [page.language], None, js=_REMEMBER)
        live.attach(event)
    blocks.unload(live.depart)
    _spare(blocks, page)


def _spare(blocks: gr.Blocks, page: Page) -> None:
    """Let one hidden input be told how far an event is, not all of its outputs.

    We show progress ourselves. For every message of a run the page would copy all that the outputs of any event so far
    hold, and all that lies in them: the words of the whole page were a tenth of a second of the browser a message.
    """
    for event in blocks.fns.values():
        if event.show_progress == "hidden":
            event.show_progress_on = [page.link]
