"""An entry is pointed at: its tile, its point in a chart, its line in a table.

The choice is an event of the race: every panel shows it, a reload comes back to it, and Train takes its settings. To
point at the same entry again is to let it go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.compare import Chosen
from bigmodel.ui.compare.seen import Seen, see
from bigmodel.ui.widgets import QUIET

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.widgets import Page

Pointed = Callable[[Mapping[str, Any], Seen], Any]
"""Which entry an event of the page points at: its number, or None."""


def chooses(page: Page, live: Live, component: Any, pointed: Pointed) -> None:
    """A `select` of the component points at an entry of the visitor's race."""

    def press(visitor: str, event: gr.EventData, request: gr.Request) -> None:
        run = live.run("compare", visitor, request)
        seen = see(run.snapshot()) if run else None
        if run is None or seen is None:
            return
        trial = number(pointed(getattr(event, "_data", None) or {}, seen), seen)
        if trial is not None:
            run.tell(Chosen(None if trial == seen.chosen else trial))

    asked = component.select(press, [page.visitor], None, **QUIET, concurrency_limit=None)
    live.attach(asked, "compare")


def number(wish: Any, seen: Seen) -> int | None:
    """The number of an entry, from what a page sent; None when there is none of that number."""
    if isinstance(wish, bool) or not isinstance(wish, (int, float)) or wish != wish:
        return None
    return int(wish) if 0 <= wish < len(seen.trials) else None


def on_point(data: Mapping[str, Any], seen: Seen) -> Any:
    """A point of a chart carries the number of its entry."""
    return data.get("own")


def on_tile(data: Mapping[str, Any], seen: Seen) -> Any:
    """A line of a table, or a tile, but not its button, which takes the entry out."""
    return None if data.get("out") else data.get("trial")
