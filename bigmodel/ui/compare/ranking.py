"""The table of a ranking: a line is chosen by a press, a heading sorts; on a phone the remark goes under its line.

Gradio's own table is drawn anew at every round, and is wider than a phone.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

_SCRIPT = """
const box = element.querySelector('.ranking'), table = box.querySelector('table');
const head = table.querySelector('thead tr'), body = table.querySelector('tbody');
let sorted = {column: -1, down: false};
const number = text => text.trim() === '' ? NaN : Number(text);
function before([, a], [, b]) {
    const [x, y] = [a, b].map(row => number(row.cells[sorted.column] || ''));
    // What is no number stands last, whichever way.
    if (isNaN(x) !== isNaN(y)) return isNaN(x) - isNaN(y);
    const order = isNaN(x) ? a.cells[sorted.column].localeCompare(b.cells[sorted.column]) : x - y;
    return sorted.down ? -order : order;
}
function fitted(parent, count, make) {
    while (parent.children.length > count) parent.lastChild.remove();
    while (parent.children.length < count) parent.append(make(parent.children.length));
}
function heading(column) {
    const made = document.createElement('th'), button = document.createElement('button');
    made.setAttribute('role', 'columnheader');
    button.type = 'button';
    button.onclick = () => {
        sorted = {column, down: sorted.column === column && !sorted.down};
        draw();
    };
    made.append(button);
    return made;
}
function cell() {
    const made = document.createElement('td');
    made.setAttribute('role', 'cell');
    return made;
}
function line() {
    const made = document.createElement('tr');
    const tell = () => trigger('select', {trial: Number(made.dataset.trial)});
    made.tabIndex = 0;
    made.setAttribute('role', 'row');
    made.onclick = tell;
    made.onkeydown = event => {
        if (!['Enter', ' '].includes(event.key)) return;
        event.preventDefault();
        tell();
    };
    return made;
}
function write(node, text) { if (node.textContent !== text) node.textContent = text; }
function draw() {
    const {heads = [], rows = '[]'} = props.value || {}, lines = [...JSON.parse(rows).entries()];
    if (sorted.column >= heads.length) sorted.column = -1;
    if (sorted.column >= 0) lines.sort(before);
    box.hidden = !lines.length;
    box.style.setProperty('--columns', heads.length - 3);
    fitted(head, heads.length, heading);
    heads.forEach((text, column) => {
        const way = column !== sorted.column ? 'none' : sorted.down ? 'descending' : 'ascending';
        head.children[column].setAttribute('aria-sort', way);
        write(head.children[column].firstChild, text);
    });
    fitted(body, lines.length, line);
    lines.forEach(([, {trial, state, chosen, cells}], k) => {
        const row = body.children[k];
        row.dataset.trial = String(trial);
        row.className = state;
        row.setAttribute('aria-selected', String(chosen));
        fitted(row, cells.length, cell);
        cells.forEach((text, column) => write(row.children[column], text));
    });
}
let asked = false;
watch('value', () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
});
draw();
"""

_STYLE = """
.ranking { max-height: 520px; overflow: auto; border: 1px solid var(--border-color-primary); border-radius: 10px; }
.ranking[hidden] { display: none; }
.ranking table { width: 100%; border-collapse: collapse; margin: 0; font-variant-numeric: tabular-nums; }
.ranking :is(table, thead, tbody, tr) { border: 0 !important; }
.ranking thead { position: sticky; top: 0; z-index: 1; background: var(--block-background-fill); }
.ranking :is(th, td) { padding: 7px 10px; border: 0; border-bottom: 1px solid var(--border-color-primary); }
.ranking :is(th, td) { text-align: left; }
.ranking th button { all: unset; cursor: pointer; font-weight: 600; }
.ranking th button:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
.ranking [aria-sort=ascending] button::after { content: ' ↑'; }
.ranking [aria-sort=descending] button::after { content: ' ↓'; }
.ranking tbody tr { cursor: pointer; }
.ranking tbody tr:hover td { background: var(--background-fill-secondary); }
.ranking .best td { font-weight: 700; color: var(--color-accent); }
.ranking .equal td { font-weight: 600; }
.ranking .gone td { color: var(--body-text-color-subdued); }
.ranking td:last-child { font-weight: 400 !important; }
.ranking [aria-selected=true] td { background: color-mix(in srgb, var(--color-accent) 16%, transparent); }
@media (max-width: 760px) {
    .ranking { font-size: .85rem; }
    .ranking tr { display: grid; grid-template-columns: 3em repeat(var(--columns), minmax(0, 1fr)); padding: 0; }
    .ranking tbody tr { border-bottom: 1px solid var(--border-color-primary) !important; }
    .ranking tbody tr[aria-selected=true] { background: color-mix(in srgb, var(--color-accent) 16%, transparent); }
    .ranking tbody td { border: 0; }
    .ranking :is(th, td) { padding: 6px 0 6px 6px; }
    .ranking th { font-size: .7rem; hyphens: auto; overflow-wrap: anywhere; }
    .ranking :is(th, td):nth-last-child(2), .ranking th:last-child, .ranking td:last-child:empty { display: none; }
    .ranking td:last-child { grid-column: 2 / -1; padding-top: 0; }
}
"""


def ranking(**kwargs: Any) -> gr.HTML:
    """Value: {"heads": [text, …], "rows": JSON of [{"trial", "state": "best", "equal", "ran" or "gone", "chosen",
    "cells": [text, …]}, …]}.

    The first column is the place, the last one a remark; the one before the remark is left out on a phone. A press on
    a line is a `select` event with its `trial`.
    """
    return gr.HTML(
        None,
        html_template='<div class="ranking" hidden><table role="table"><thead><tr role="row"></tr></thead><tbody>'
        "</tbody></table></div>",
        css_template=_STYLE,
        js_on_load=_SCRIPT,
        padding=False,
        **kwargs,
    )
