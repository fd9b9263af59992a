"""What strangers can reach and send."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

import app
from bigmodel.ui.words import LANGUAGES

HOSTILE = "${alert(1)}{{value}}<img src=x onerror=alert(1)>"
# Where text of a visitor or a model may stand: the pages' scripts set these as text, never as HTML.
PLAIN = {"text", "prompt", "value"}


def test_no_endpoint_is_public(demo: Any, config: dict[str, Any]) -> None:
    """Every event is private, and the description of the interface is empty."""
    assert {event["api_visibility"] for event in config["dependencies"]} == {"private"}
    assert demo.get_api_info() == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_nobody_walks_past_the_queue(demo: Any) -> None:
    """The interface that skips the queue is closed, and the queue has an end."""
    assert demo.api_open is False
    assert 0 < demo._queue.max_size <= 200


def test_launch_is_safe_by_default() -> None:
    """This machine only, no tunnel, no history, no monitoring, bounded sessions and uploads, no tracebacks."""
    arguments = app.launch_arguments()
    assert set(arguments) <= set(inspect.signature(gr.Blocks.launch).parameters)
    off = ("share", "enable_monitoring", "run_history", "ssr_mode")
    assert [arguments[name] for name in off] == [False] * len(off)
    assert arguments["strict_cors"] is True
    assert 100 <= arguments["state_session_capacity"] <= 500
    assert arguments["max_file_size"]
    assert arguments["footer_links"] == []
    for name in ("allowed_paths", "show_error", "server_name", "mcp_server", "auth_dependency"):
        assert not arguments.get(name), name


def test_nothing_is_measured_or_kept(demo: Any, config: dict[str, Any]) -> None:
    """No analytics; uploads are deleted after an hour."""
    assert demo.analytics_enabled is False
    assert config["analytics_enabled"] is False
    assert demo.delete_cache == (3600, 3600)


def test_templates_take_no_values(demo: Any) -> None:
    """No HTML of the page has a placeholder, in which a visitor's or a model's text would be run as code."""
    pages = [part for part in demo.blocks.values() if isinstance(part, gr.HTML)]
    assert len(pages) > 10
    for page in pages:
        for template in (page.html_template, page.css_template, page.js_on_load):
            assert "${" not in template, page.elem_id
            assert "{{" not in template, page.elem_id


def test_scripts_set_text_never_html(demo: Any) -> None:
    """No script of the page parses a value as HTML or as code."""
    for page in (part for part in demo.blocks.values() if isinstance(part, gr.HTML)):
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert way not in page.js_on_load, page.elem_id


def test_nothing_shows_html_of_a_value(demo: Any) -> None:
    """No table takes HTML, no text is left unsanitised."""
    for part in demo.blocks.values():
        assert getattr(part, "sanitize_html", True) is True
        if isinstance(part, gr.Dataframe):
            kinds = part.datatype if isinstance(part.datatype, list) else [part.datatype]
            assert set(kinds) == {"str"}


def places(value: Any, at: str = "") -> Iterator[str]:
    """The innermost names under which hostile text stands."""
    if isinstance(value, str) and "onerror" in value:
        yield at
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, str(name))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from places(inner, at)


def starter(demo: Any, button: str) -> Any:
    """The event behind a start button."""
    number = next(part._id for part in demo.blocks.values() if part.elem_id == button)
    return next(fn for fn in demo.fns.values() if (number, "click") in fn.targets and fn.name == "begin")


async def pressed(event: Any, values: list[Any], session: str) -> list[list[Any]]:
    """All frames that follow a press with these values in place of the visitor's."""
    return [frame async for frame in event.fn(values[0], values[1], SimpleNamespace(session_hash=session), *values[2:])]


@pytest.mark.parametrize("language", [*LANGUAGES])
def test_hostile_prompt_and_model_stay_text(demo: Any, language: str) -> None:
    """Code and markup typed as a prompt and a model's name come back as plain text only, and end in one sentence."""
    event = starter(demo, "generate-start")
    defaults = [part.value for part in event.inputs]
    values = ["hostile visitor", language, HOSTILE, HOSTILE, *defaults[4:]]
    frames = asyncio.run(asyncio.wait_for(pressed(event, values, "hostile"), 20))
    status = frames[-1][0]
    assert status["state"] == "failed"
    assert HOSTILE in status["text"]
    assert set(places(frames)) == {"text", "prompt"}


@pytest.mark.parametrize("button", ["train-start", "compare-start"])
def test_hostile_settings_are_refused(demo: Any, button: str) -> None:
    """Code and markup in every setting is an error of words, and no run begins."""
    event = starter(demo, button)
    values = ["hostile settings", "en", *[HOSTILE] * (len(event.inputs) - 2)]
    with pytest.raises(gr.Error) as caught:
        asyncio.run(pressed(event, values, "hostile"))
    assert caught.value.print_exception is False
    assert "Traceback" not in caught.value.message
