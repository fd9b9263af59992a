"""The ranking: a line per entry, the best first, who diverged last."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from bigmodel.compare import Rank
from bigmodel.ui.compare.choose import chooses, on_tile
from bigmodel.ui.compare.ranking import ranking
from bigmodel.ui.compare.seen import Seen, part, rate
from bigmodel.ui.words import say

if TYPE_CHECKING:
    from bigmodel.ui.compare import Track
    from bigmodel.ui.live import Live
    from bigmodel.ui.widgets import Page

COLUMNS = ("place", "rate", "valid_loss", "valid_accuracy", "train_loss", "remark")
MOST_ROWS = 200
"""Lines on the page: the best; all of them are in what can be taken away."""


def build(page: Page, live: Live, track: Track) -> list[Any]:
    """The table; a press on a line chooses its entry."""
    table = ranking(elem_id="compare-table")
    chooses(page, live, table, on_tile)
    return [table]


def view(seen: Seen | None, language: str) -> list[Any]:
    """The ranking as it stands."""
    rows = [line(row, seen, language) for row in seen.ranking.ranking[:MOST_ROWS]] if seen else []
    heads = headers(seen.varied if seen else (), language, knob(seen))
    # Whole as text: every line of it is another after every round.
    return [{"heads": heads, "rows": json.dumps(rows, ensure_ascii=False)}]


def knob(seen: Seen | None) -> str:
    """The second knob of a race."""
    return seen.plan.knob if seen and seen.plan else "none"


def headers(varied: tuple[str, ...], language: str, knob: str = "none") -> list[str]:
    """The first line of the table; beside the rate stands what else differs, the second knob by its name."""
    names = (*COLUMNS[:2], *varied, *COLUMNS[2:])
    return [say(f"knob.{knob}" if name == "value" else f"compare.column.{name}", language) for name in names]


def line(row: Rank, seen: Seen, language: str) -> dict[str, Any]:
    """One line for the table: its entry, how that stands, and what is written."""
    gone = row.diverged_at is not None or row.left
    equal = seen.answer is not None and row.trial in seen.answer.equals
    state = "gone" if gone else "best" if row.best else "equal" if equal else "ran"
    chosen = row.trial == seen.chosen
    return {"trial": row.trial, "state": state, "chosen": chosen, "cells": cells(row, seen, language)}


def cells(row: Rank, seen: Seen, language: str) -> list[str]:
    """One line of the table."""
    numbers = (row.valid_loss, row.valid_accuracy, row.train_loss)
    shown = [f"{value:.4f}" if math.isfinite(value) else "–" for value in numbers]
    kind = [part(row.entry, name, language) for name in seen.varied]
    return [str(row.place), rate(row.learning_rate), *kind, *shown, remark(row, seen, language)]


def remark(row: Rank, seen: Seen, language: str) -> str:
    """Why it does not run, or what it is to the best; and whether it is chosen."""
    found, join = seen.answer, say("compare.remark.between", language).join
    told = [say("compare.remark.chosen", language)] if row.trial == seen.chosen else []
    if row.diverged_at is not None:
        return join([*told, say("compare.remark.diverged", language, step=row.diverged_at)])
    if row.left:
        return join([*told, say("compare.remark.left", language, epoch=seen.trials[row.trial].number)])
    told += [say("compare.remark.best", language)] if row.best else []
    if found and not row.best and row.trial in found.equals:
        told.append(say("compare.remark.equal", language))
    if found and len(found.equals) > 1 and row.trial == found.cheapest:
        told.append(say("compare.remark.cheapest", language))
    return join(told)
