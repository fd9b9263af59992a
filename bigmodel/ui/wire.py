"""How charts travel to the page: their lists as text in short blocks.

Gradio's page copies and compares all that a component holds, number by number, for every message, whomever the message
is for. Curves of 128 settings are some twenty thousand numbers: they kept the browser busy for a second, and a Stop was
not heard. Text is copied at once, however long it is. The blocks are short, so that of a curve which grows only the
last one is sent; the page makes numbers of them when it draws.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

BLOCK = 16
"""Items of a list that travel together."""


def folded(value: Any) -> Any:
    """A component's value, or an update of it, as it travels: figures with their lists as text, others as they are."""
    if isinstance(value, dict) and "__type__" in value and "value" in value:
        return {**value, "value": folded(value["value"])}
    if isinstance(value, dict) and isinstance(value.get("data"), list) and "layout" in value:
        return {**value, "data": [_trace(trace) for trace in value["data"]]}
    return value


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Rows of the same names as a list per name, in text: what stays the same from one message to the next is not
    sent again."""
    names = list(rows[0]) if rows else []
    return {name: _text([row[name] for row in rows]) for name in names}


def _trace(trace: Mapping[str, Any]) -> dict[str, Any]:
    """A trace as {"rest", "lists"}: text in which {"list": number} stands for each list, and the blocks of the lists.
    `wholly` in `ui/chart.py` undoes it."""
    lists: list[list[str]] = []

    def fold(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: fold(inner) for name, inner in part.items()}
        if not isinstance(part, list):
            return part
        lists.append([_text(part[k : k + BLOCK])[1:-1] for k in range(0, len(part), BLOCK)])
        return {"list": len(lists) - 1}

    rest = _text(fold(trace))
    return {"rest": rest, "lists": lists}


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
