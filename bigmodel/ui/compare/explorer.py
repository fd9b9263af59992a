"""Parallel coordinates over a table: a line per entry, an axis per knob; dragging along an axis filters both.

One HTML component: the filter lives in the page, so that it works at once, also after the run, and asks nobody.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

_SCRIPT = """
const box = element.querySelector('.explorer'), svg = box.querySelector('svg'), body = box.querySelector('tbody');
const head = box.querySelector('thead tr'), count = box.querySelector('.explorer-count');
const clear = box.querySelector('.explorer-clear');
const NS = 'http://www.w3.org/2000/svg', TOP = 34, BOTTOM = 18, HEIGHT = 260;
const brushes = new Map();  // label of an axis → [low, high], 0 at the bottom
let lines = [], rows = [], order = [], drawn = '';
function made(tag, attributes, text) {
    const node = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
}
const y = place => HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM);
function passes(k) {
    return (props.value.axes || []).every(axis => {
        const brush = brushes.get(axis.label);
        const place = axis.places[k];
        return !brush || (place !== null && place >= brush[0] && place <= brush[1]);
    });
}
function filter() {
    const value = props.value || {}, total = lines.length;
    let kept = 0;
    lines.forEach((line, k) => {
        const inside = passes(k);
        kept += inside;
        line.classList.toggle('out', !inside);
        line.classList.toggle('chosen', k === value.chosen);
        rows[k].classList.toggle('chosen', k === value.chosen);
        rows[k].hidden = !inside;
    });
    count.textContent = total ? (value.count || '').replace('%1', kept).replace('%2', total) : '';
    clear.hidden = !brushes.size;
    clear.textContent = value.clear || '';
    svg.querySelectorAll('.brush').forEach(mark => {
        const brush = brushes.get(mark.dataset.axis);
        mark.setAttribute('y', brush ? y(brush[1]) : 0);
        mark.setAttribute('height', brush ? Math.max(2, y(brush[0]) - y(brush[1])) : 0);
    });
}
function grasp(zone, label) {
    let from = null;
    const at = event => {
        const area = svg.getBoundingClientRect();
        const place = (HEIGHT - BOTTOM - (event.clientY - area.top)) / (HEIGHT - TOP - BOTTOM);
        return Math.min(1.02, Math.max(-0.02, place));
    };
    zone.onpointerdown = event => {
        from = at(event);
        zone.setPointerCapture(event.pointerId);
        event.preventDefault();
    };
    zone.onpointermove = event => {
        if (from === null) return;
        const to = at(event);
        if (Math.abs(to - from) > 0.015) brushes.set(label, [Math.min(from, to), Math.max(from, to)]);
        filter();
    };
    zone.onpointerup = event => {
        if (from !== null && Math.abs(at(event) - from) <= 0.015) brushes.delete(label);
        from = null;
        filter();
    };
}
function draw() {
    const value = props.value || {}, axes = value.axes || [], marks = value.marks || [];
    const width = box.clientWidth || 600, gap = (width - 110) / Math.max(1, axes.length - 1);
    const x = k => 46 + k * gap;
    svg.setAttribute('viewBox', '0 0 ' + width + ' ' + HEIGHT);
    svg.setAttribute('height', axes.length ? HEIGHT : 0);
    for (const label of [...brushes.keys()]) if (!axes.some(axis => axis.label === label)) brushes.delete(label);
    const nodes = [];
    lines = marks.map((mark, k) => {
        const dots = axes.map((axis, j) => axis.places[k] === null ? null : x(j) + ',' + y(axis.places[k]));
        const known = dots.filter(dot => dot !== null);
        return made('polyline', {points: known.join(' '), class: 'line ' + mark, stroke: value.colours[k]});
    });
    // The best on top.
    nodes.push(...lines.map((line, k) => [marks[k] === 'best' ? 2 : marks[k] === 'equal' ? 1 : 0, line])
        .sort((a, b) => a[0] - b[0]).map(pair => pair[1]));
    axes.forEach((axis, j) => {
        nodes.push(made('line', {x1: x(j), x2: x(j), y1: y(1), y2: y(0), class: 'axis'}));
        const anchor = j === 0 && gap < 90 ? 'start' : j === axes.length - 1 && gap < 90 ? 'end' : 'middle';
        const shift = anchor === 'start' ? -40 : anchor === 'end' ? 60 : 0;
        const low = gap < 90 && j % 2 === 1;
        nodes.push(made('text', {x: x(j) + shift, y: low ? 26 : 13, 'text-anchor': anchor, class: 'name'}, axis.label));
        for (const [place, text] of axis.ticks) {
            nodes.push(made('text', {x: x(j) + 5, y: y(place) + 4, class: 'tick'}, text));
        }
        const mark = made('rect', {x: x(j) - 8, width: 16, y: 0, height: 0, class: 'brush'});
        mark.dataset.axis = axis.label;
        const zone = made('rect', {x: x(j) - 16, width: 32, y: TOP - 8, height: HEIGHT - TOP, class: 'zone'});
        zone.append(made('title', {}, value.hint || ''));
        grasp(zone, axis.label);
        nodes.push(mark, zone);
    });
    svg.replaceChildren(...nodes);
    table(axes, marks);
    filter();
}
function table(axes, marks) {
    head.replaceChildren(...axes.map(axis => {
        const cell = document.createElement('th');
        cell.textContent = axis.label;
        return cell;
    }));
    const last = axes.length - 1;
    rows = marks.map((mark, k) => {
        const row = document.createElement('tr');
        row.className = mark;
        row.onclick = () => trigger('select', {trial: k});
        row.append(...axes.map(axis => {
            const cell = document.createElement('td');
            cell.textContent = axis.shown[k];
            return cell;
        }));
        return row;
    });
    order = marks.map((_, k) => k);
    const place = k => axes[last].places[k] ?? 2;
    if (last >= 0) order.sort((a, b) => place(a) - place(b));
    body.replaceChildren(...order.map(k => rows[k]));
}
let asked = false;
function schedule() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
        asked = false;
        const now = JSON.stringify(props.value || {}) + box.clientWidth;
        if (now !== drawn) { drawn = now; draw(); }
    });
}
clear.onclick = () => { brushes.clear(); filter(); };
watch('value', schedule);
new ResizeObserver(schedule).observe(box);
schedule();
"""

_STYLE = """
.explorer { min-width: 0; }
.explorer-head { display: flex; gap: 10px; align-items: center; min-height: 28px; flex-wrap: wrap; }
.explorer-caption { font-weight: 600; flex: 1 1 auto; }
.explorer-count, .explorer-note { color: var(--body-text-color-subdued); font-size: .9rem; }
.explorer-note { margin: 2px 0 6px; }
.explorer-clear { all: unset; cursor: pointer; color: var(--link-text-color); font-size: .9rem; }
.explorer-clear[hidden] { display: none; }
.explorer svg { display: block; width: 100%; touch-action: pan-y; }
.explorer .line { fill: none; stroke-width: 1.6; opacity: .75; }
.explorer .line.equal { stroke-width: 2.4; opacity: 1; }
.explorer .line.best { stroke-width: 4; opacity: 1; }
.explorer .line.chosen { stroke-width: 4; opacity: 1; stroke: var(--color-accent) !important; }
.explorer .line.broken { stroke-dasharray: 3 4; opacity: .5; }
.explorer .line.out { stroke: var(--body-text-color-subdued) !important; opacity: .1; }
.explorer .axis { stroke: var(--body-text-color-subdued); stroke-width: 1.5; }
.explorer .name { fill: var(--body-text-color); font-size: 12px; font-weight: 600; }
.explorer .tick { fill: var(--body-text-color); font-size: 12px; paint-order: stroke; pointer-events: none; }
.explorer .tick { stroke: var(--body-background-fill); stroke-width: 3px; }
.explorer .zone { fill: transparent; cursor: ns-resize; touch-action: none; }
.explorer .brush { fill: var(--color-accent); opacity: .35; }
.explorer-table { max-height: 300px; overflow: auto; border-top: 1px solid var(--border-color-primary); }
.explorer-table:not(:has(td)) { display: none; }
.explorer table { width: 100%; border-collapse: collapse; margin: 0; }
.explorer :is(table, thead, tbody, tr) { border: 0 !important; }
.explorer table { font-variant-numeric: tabular-nums; }
.explorer th { position: sticky; top: 0; background: var(--body-background-fill); text-align: left; }
.explorer :is(th, td) { padding: 4px 8px; border: 0; border-bottom: 1px solid var(--border-color-primary); }
.explorer tr.best td { font-weight: 700; color: var(--color-accent); }
.explorer tr.equal td { font-weight: 600; }
.explorer tbody tr { cursor: pointer; }
.explorer tr.chosen td { background: color-mix(in srgb, var(--color-accent) 16%, transparent); }
.explorer tr.broken td { color: var(--body-text-color-subdued); }
.explorer tr[hidden] { display: none; }
@media (max-width: 760px) { .explorer table { font-size: .85rem; } .explorer :is(th, td) { padding: 4px 3px; } }
"""


def explorer(**kwargs: Any) -> gr.HTML:
    """Lines, axes and table. Value: {"axes": [{"label", "places": [0..1 or None], "shown": [text], "ticks": [[place,
    text]]}], "marks": ["best", "equal", "broken" or "ran"], "chosen": a number or None, "colours": […], "count",
    "clear", "hint"}.

    The last axis is what the table is sorted by, the lowest first. `count` has %1 for those that pass and %2 for all. A
    press on a line of the table is a `select` event with the number of its `trial`.
    """
    return gr.HTML(
        None,
        html_template='<div class="explorer"><div class="explorer-head"><span class="explorer-count"></span>'
        '<button type="button" class="explorer-clear" hidden></button></div><svg role="img"></svg>'
        '<div class="explorer-table"><table><thead><tr></tr></thead><tbody></tbody></table></div></div>',
        css_template=_STYLE,
        js_on_load=_SCRIPT,
        **kwargs,
    )
