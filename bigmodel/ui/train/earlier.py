"""Earlier runs: what this browser has trained before, to be opened again or laid over the present curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.runs import Kept, Runs, Snapshot
from bigmodel.train import Epoch, TrainConfig
from bigmodel.ui.data import TABLE
from bigmodel.ui.live import owner_of
from bigmodel.ui.train.past import mark_words
from bigmodel.ui.widgets import QUIET, written
from bigmodel.ui.words import dictionary, say

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page

MOST_LAID = 6
"""Runs laid over at once: the chart has so many colours left."""

COLUMNS = ("time", "data", "settings", "epochs", "loss")

# Value: {"heads": [show, …, open], "hint", "rows": [{"id", "begun": seconds, "cells": [data, settings, epochs, loss],
# "running"}], "laid": [id, …]}. All text is set as text.
_SCRIPT = """
const table = element.querySelector('table'), hint = element.querySelector('.earlier-hint');
function cell(tag, content) {
    const made = document.createElement(tag);
    if (content instanceof Node) made.append(content); else made.textContent = content;
    return made;
}
function row(run, v) {
    const made = document.createElement('tr'), open = document.createElement('button');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.dataset.run = run.id;
    box.checked = (v.laid || []).includes(run.id);
    box.setAttribute('aria-label', v.heads[0]);
    box.addEventListener('change', () => trigger('select', {
        lay: Array.from(table.querySelectorAll('input:checked'), other => other.dataset.run)}));
    open.textContent = v.heads[v.heads.length - 1];
    open.disabled = run.running;
    open.addEventListener('click', () => trigger('select', {open: run.id}));
    const begun = new Date(1000 * run.begun);
    const today = begun.toDateString() === new Date().toDateString();
    const time = today ? begun.toLocaleTimeString(document.documentElement.lang || undefined)
        : begun.toLocaleString(document.documentElement.lang || undefined);
    made.append(cell('td', box), cell('td', time), ...run.cells.map(text => cell('td', text)), cell('td', open));
    return made;
}
function show() {
    const v = props.value || {rows: [], heads: []};
    hint.textContent = v.hint || '';
    const head = document.createElement('tr');
    head.append(...v.heads.slice(0, -1).map(text => cell('th', text)), cell('th', ''));
    table.replaceChildren(...(v.rows.length ? [head, ...v.rows.map(run => row(run, v))] : []));
}
watch('value', show);
show();
"""

_STYLE = """
.earlier { overflow-x: auto; }
.earlier table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.earlier th, .earlier td { text-align: left; padding: 5px 10px 5px 0; }
.earlier th, .earlier td { border-bottom: 1px solid var(--border-color-primary); }
.earlier th { color: var(--body-text-color-subdued); font-weight: 600; }
.earlier td:nth-child(4) { min-width: 12em; }
.earlier input { width: 18px; height: 18px; accent-color: var(--color-accent); }
.earlier button { padding: 3px 12px; border-radius: 8px; cursor: pointer; }
.earlier button { border: 1px solid var(--border-color-primary); }
.earlier button { background: var(--block-background-fill); color: var(--body-text-color); }
.earlier button:disabled { opacity: .4; cursor: default; }
.earlier-hint { color: var(--body-text-color-subdued); margin: 0 0 8px; }
"""


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """The list, closed at first; it is read anew when it opens and whenever a run begins or ends."""
    with page.words(gr.Accordion(open=False, elem_id="train-earlier"), label="earlier.title") as box:
        table = gr.HTML(
            None,
            html_template='<div class="earlier"><p class="earlier-hint"></p><table></table></div>',
            css_template=_STYLE,
            js_on_load=_SCRIPT,
            elem_id="train-earlier-runs",
        )
    state = gr.Textbox("", visible="hidden", elem_id="train-earlier-state")

    def look(visitor: str, language: str, request: gr.Request) -> dict[str, Any]:
        return listed(live.runs, owner_of(visitor, request), language)

    def choose(visitor: str, language: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        owner, nothing = owner_of(visitor, request), [gr.skip() for _ in desk.inputs]
        runs = {run.id: run for run in live.runs.kept(owner, "train")}
        wish = getattr(event, "_data", None) or {}
        if isinstance(wish.get("lay"), list):
            laid = [runs[name] for name in map(str, wish["lay"]) if name in runs][:MOST_LAID]
            live.runs.lay_over(owner, "train", [(run, title(run, language)) for run in laid])
            return [listed(live.runs, owner, language), *nothing]
        chosen = runs.get(str(wish.get("open")))
        if chosen is None:
            return [listed(live.runs, owner, language), *nothing]
        present = live.runs.get(owner, "train")
        if present is not None and not present.ended:
            raise gr.Error(say("error.earlier.busy", language), print_exception=False)
        live.runs.reopen(owner, chosen)
        return [listed(live.runs, owner, language), *filled(chosen, desk)]

    names = [page.visitor, page.language]
    for moved in (box.expand, state.change):
        moved(look, names, [table], **QUIET)
    live.attach(table.select(choose, names, [table, *desk.inputs], **QUIET), "train")
    return [state]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """What makes the list be read anew when it changes: where the run stands, and in which language."""
    return [f"{snapshot.state if snapshot else 'idle'} {language}"]


def digest(so_far: dict[str, Any], event: Any) -> dict[str, Any]:
    """What the list says of a run: its epochs, and the lowest validation loss."""
    if not isinstance(event, Epoch):
        return so_far
    best = so_far.get("loss")
    if math.isfinite(event.valid_loss) and (best is None or event.valid_loss < best):
        best = event.valid_loss
    return {"epochs": event.number, "of": event.of, "loss": best}


def listed(runs: Runs, owner: str, language: str) -> dict[str, Any]:
    """The value of the list."""
    kept = [run for run in runs.kept(owner, "train") if isinstance(run.recipe.get("config"), TrainConfig)]
    present = runs.get(owner, "train")
    return {
        "heads": [say(f"earlier.{name}", language) for name in ("show", *COLUMNS, "open")],
        "hint": say("earlier.hint" if kept else "earlier.none", language),
        "rows": [
            {"id": run.id, "begun": run.begun, "cells": cells(run, language), "running": run.state == "running"}
            for run in kept
        ],
        "laid": [other.id for other in present.others] if present else [],
    }


def cells(run: Kept, language: str) -> list[str]:
    """A line of the list, without its time."""
    loss, done, of = (run.digest.get(name) for name in ("loss", "epochs", "of"))
    epochs = "–" if done is None else f"{done} / {of}"
    if run.state != "done":
        epochs += " · " + say(f"earlier.state.{run.state}", language)
    return [data_name(run, language), settings(run, language), epochs, "–" if loss is None else f"{loss:.4f}"]


def data_name(run: Kept, language: str) -> str:
    """The data set as the menu says it; a table by its target."""
    source = run.recipe.get("source")
    name = TABLE if getattr(source, "file", "") else source.config.dataset if source else "?"
    target = getattr(source, "target", "") if name == TABLE else ""
    return dictionary(language).get(f"dataset.{name}", name) + (f" ({target})" if target else "")


def settings(run: Kept, language: str) -> str:
    """What was set otherwise than the page does by itself."""
    config, source = run.recipe["config"], run.recipe.get("source")
    told = changed(config, "train", language, ("epochs", "changes"))
    told += [mark_words(change.field, change.value, language) for change in config.changes[:3]]
    if (origin := run.recipe.get("origin")) is not None:
        told.insert(0, say("earlier.fork", language, number=origin.epoch))
    told += changed(source.config, "datasets", language, ("dataset", "points")) if source else []
    return ", ".join(told) or say("earlier.defaults", language)


def changed(config: Any, feature: str, language: str, but: tuple[str, ...]) -> list[str]:
    """The fields of a config that differ from their defaults, each with its label."""
    words, usual = dictionary(language), type(config)()
    return [
        f"{words.get(f'{feature}.{f.name}.label', f.name)} {shown(getattr(config, f.name), f.name, language)}"
        for f in fields(config)
        if getattr(config, f.name) != getattr(usual, f.name) and f.name not in but
    ]


def shown(value: Any, field: str, language: str) -> str:
    """A setting as the form shows it."""
    if isinstance(value, str):
        return dictionary(language).get(f"{field}.{value}", value)
    return "-".join(map(written, value)) or "0" if isinstance(value, tuple) else written(value)


def title(run: Kept, language: str, most: int = 44) -> str:
    """A short name for the legend."""
    name = f"{data_name(run, language)}: {settings(run, language)}"
    return name if len(name) <= most else name[: most - 1] + "…"


def filled(run: Kept, desk: Desk) -> Sequence[Any]:
    """Updates that put a run's settings into the forms; its table, if it had one, must be chosen again."""
    source, config = run.recipe.get("source"), run.recipe["config"]
    if source is None:
        return [*(gr.skip() for _ in desk.data.inputs), *desk.form.show(config)]
    return [*desk.data.show(source), *desk.form.show(config)]
