"""A file of rows that was dropped: predicted slice by slice, in numbers and as a table; and files for the browser."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Generator, Iterator
from typing import Any

import gradio as gr

from bigmodel.datasets import Reading
from bigmodel.errors import ModelError
from bigmodel.predict import Predictions, listed, measured, predicting, summary
from bigmodel.ui.models import opening_line
from bigmodel.ui.train.using import Use, named
from bigmodel.ui.words import say

MOST_SENT = 24 * 2**20
"""Bytes that are handed to a browser at once."""

MOST_ROWS = 50
"""Predicted rows that are listed."""

MOST_COLUMNS = 12
"""Columns of a listed row."""


Read = tuple[Any, Predictions, bool]
"""The rows of a file, what the network says of them, and whether the file has more."""


def predicted(use: Use, file: str) -> Generator[Any, None, Read]:
    from bigmodel.datasets.table import reading_rows

    rows, more = yield from reading_rows(file)
    found = yield from predicting(use.model, rows)
    return rows, found, more


def skipping(steps: Generator[Any, None, Read]) -> Generator[Any, None, Read]:
    """The same, with nothing new for the page between two slices of work."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            read: Read = end.value
            return read
        yield gr.skip()


def note(text: str) -> dict[str, Any]:
    """A line where numbers stand otherwise."""
    return {"note": text, "cards": []}


def dropped(use: Use, file: str, language: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """The numbers and the table of a file; before them, how far it is."""
    yield note(say("train.use.stage.rows", language, done=0, of=0)), None
    steps = predicted(use, file)
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            rows, found, more = end.value
            break
        yield note(_stage(event, language)), None
    yield _numbers(use, rows, found, more, language), _table(use, rows, found, language)


def _stage(event: Any, language: str) -> str:
    """How far it is; while an encoder that a network names comes or opens, that."""
    if isinstance(event, Reading):
        return say(f"train.use.stage.{event.stage}", language, done=event.done, of=event.of)
    return opening_line(event, language)[0]


def _numbers(use: Use, rows: Any, found: Predictions, more: bool, language: str) -> dict[str, Any]:
    """A file in numbers."""
    whole, against = summary(found), measured(use.model, rows, found)
    cards: list[tuple[str, ...]] = [(say("train.use.rows", language), str(whole.rows))]
    if against is not None:
        interval = say("train.scores.interval", language, low=against.low, high=against.high)
        cards.append((say("train.scores.accuracy", language), f"{against.accuracy:.3f}", interval))
    order = sorted(range(len(whole.counts)), key=lambda k: -whole.counts[k])[:4]
    cards += [(say("train.use.taken", language, name=found.classes[k]), str(whole.counts[k])) for k in order]
    notes = [say("train.use.shortened", language, rows=whole.rows)] if more else []
    if against is not None:
        notes.append(say("train.use.against", language, target=against.target, known=against.known))
    doubts = (("filled", whole.filled), ("unknown", whole.unknown))
    notes += [say(f"train.use.{name}.rows", language, rows=count) for name, count in doubts if count]
    return {"cards": cards, "note": " ".join(notes)}


def _table(use: Use, rows: Any, found: Predictions, language: str) -> dict[str, Any]:
    """The first rows with their predictions: the value of the listing."""
    columns = [str(name) for name in rows.columns][:MOST_COLUMNS]
    heads = [say(f"train.use.head.{name}", language) for name in ("row", "prediction", "probability", "filled")]
    lines = []
    cells = rows.iloc[:MOST_ROWS, : len(columns)].itertuples(index=False, name=None)
    for row, own in zip(listed(found), cells, strict=False):
        lines.append(
            [
                str(row.number),
                row.prediction,
                f"{row.probability:.3f}",
                ", ".join((*row.filled, *row.unknown))[:80],
                *(str(cell)[:80] for cell in own),
            ]
        )
    more = say("train.use.first", language, count=len(lines), of=len(rows)) if len(lines) < len(rows) else ""
    if len(columns) < len(rows.columns):
        more += " " + say("train.mistakes.columns", language, count=len(columns), of=len(rows.columns))
    caption = say("train.use.predictions", language, network=named(use.model, language))
    return {"caption": caption, "note": more.strip(), "heads": [*heads, *columns], "rows": lines, "pictures": None}


def name_of(use: Use) -> str:
    """A file name for a network."""
    raw = f"{use.model.recipe['dataset']}-{use.model.stack.shape.architecture}"
    return (re.sub(r"[^\w-]+", "-", raw)[:60] or "network") + ".zip"


def parcel(name: str, content: bytes) -> dict[str, Any]:
    """A file as the page takes it. Pressed twice is two presses: the page acts on what has changed."""
    if len(content) > MOST_SENT:
        raise ModelError("saved.browser", size=len(content) / 2**20, most=MOST_SENT / 2**20)
    return {
        "name": name,
        "content": base64.b64encode(content).decode(),
        "pressed": time.time_ns() // 1_000_000,
    }
