"""The status line and the buttons of a tab, in every state of a run and in both languages."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from bigmodel.errors import RunError
from bigmodel.runs import Snapshot
from bigmodel.ui.live import Controls, shown
from bigmodel.ui.widgets import status_bar
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import snapshot

STATES = [
    (None, "live.idle", {}),
    (snapshot(state="waiting", place=3), "live.waiting", {"place": 3}),
    (snapshot("event", state="waiting", place=1), "live.waiting", {"place": 1}),
    (snapshot(state="waiting"), "live.loading", {}),
    (snapshot(state="running"), "live.loading", {}),
    (snapshot(state="stopped"), "live.stopped", {}),
    (snapshot(state="paused"), "live.paused", {}),
    (snapshot(state="failed", error=RunError("unexpected")), "error.unexpected", {}),
    (snapshot("event", state="failed", error=RunError("unexpected")), "error.unexpected", {}),
]


def parts(run: Snapshot | None, language: str, said: str = "at 5") -> list[Any]:
    """The updates of status line, start, stop and pause."""
    with gr.Blocks(analytics_enabled=False):
        controls = Controls(status_bar(), gr.Button(), gr.Button(), gr.Button())
    return shown(controls, run, language, lambda s, _: (said, 0.5))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("run", "key", "values"), STATES)
def test_every_state_has_its_words(run: Snapshot | None, key: str, values: dict[str, Any], language: str) -> None:
    """Idle, waiting with its place, loading, stopped, paused and failed are told in both languages."""
    assert parts(run, language)[0]["text"] == say(key, language, **values)


@pytest.mark.parametrize("language", LANGUAGES)
def test_status_of_a_tab_is_told_with_its_state(language: str) -> None:
    """While it runs the tab's own line stands alone; a stopped or paused run says so before it."""
    assert parts(snapshot("event"), language)[0] == {"state": "running", "text": "at 5", "progress": 0.5}
    for state in ("stopped", "paused"):
        line = parts(snapshot("event", state=state), language)[0]
        assert (line["state"], line["text"]) == (state, f"{say(f'live.{state}', language)} · at 5")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_tab_with_nothing_to_say_is_loading_until_it_is_stopped(language: str) -> None:
    """Before the first event that counts the line says loading; once stopped it does not go on loading."""
    assert parts(snapshot("event"), language, "")[0]["text"] == say("live.loading", language)
    assert parts(snapshot("event", state="stopped"), language, "")[0]["text"] == say("live.stopped", language)


@pytest.mark.parametrize("state", ["waiting", "running", "paused", "done", "stopped", "failed"])
def test_buttons_fit_the_state(state: str) -> None:
    """Start is free when nothing runs, Stop and Pause when something does; a paused run offers to go on."""
    _, start, stop, pause = parts(snapshot("event", state=state), "en")
    busy = state in ("waiting", "running", "paused")
    assert (start["interactive"], stop["interactive"], pause["interactive"]) == (not busy, busy, busy)
    assert pause["value"] == say("live.resume" if state == "paused" else "live.pause")
