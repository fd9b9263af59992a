"""A form for one row, built from the columns that a network reads: fields, and a pad to draw on where they are dots."""

from __future__ import annotations

from typing import Any

import gradio as gr

# Fields are made anew only for another `key`; `turn` says that the cells are to be taken over. Who types is answered
# at most every 120 ms, and the last stroke always is.
_SCRIPT = """
const box = element.querySelector('.rowform'), grid = box.querySelector('.rowform-grid');
const more = box.querySelector('details'), pad = box.querySelector('.rowform-pad');
const canvas = pad.querySelector('canvas'), wipe = pad.querySelector('button');
let built = null, turned = null, cells = [], fields = [], waiting = null, drawing = false;
const value = () => props.value || {key: '', columns: [], cells: [], image: null, words: {}};
function send(after = 120) {
    clearTimeout(waiting);
    waiting = setTimeout(() => trigger('select'), after);
}
function made(tag, text, name) {
    const one = document.createElement(tag);
    if (text) one.textContent = text;
    if (name) one.className = name;
    return one;
}
function set(k, text) {
    cells[k] = text;
    fields[k].forEach(one => { if (one.value !== text && document.activeElement !== one) one.value = text; });
    paint();
    send();
}
function choices(column) {
    const menu = made('select');
    const said = {'': value().words.gap, '…': value().words.other};
    menu.append(...column.options.map(option => new Option(said[option] || option, option)));
    return [menu];
}
function numbers(column) {
    const box = made('input'), range = made('input');
    box.type = 'number';
    box.step = 'any';
    range.type = 'range';
    Object.assign(range, {min: column.low, max: column.high, step: column.step, tabIndex: -1, ariaHidden: 'true'});
    return [box, range];
}
function typed(column) {
    const area = made(column.kind === 'text' ? 'textarea' : 'input');
    if (column.kind === 'text') area.rows = 3;
    return [area];
}
function field(column, k) {
    const label = made('label', '', column.kind === 'text' ? 'wide' : ''), name = made('span', column.name);
    const ways = {number: numbers, category: choices};
    fields[k] = (ways[column.kind] || typed)(column);
    name.title = column.name;
    label.append(name, ...fields[k]);
    if (column.hint) label.append(made('small', column.hint));
    for (const one of fields[k]) one.oninput = () => set(k, one.value);
    return label;
}
function paint() {
    const {image} = value();
    if (!image) return;
    const pixels = new ImageData(image.width, image.height), room = (image.high - image.low) || 1;
    cells.forEach((cell, k) => {
        const grey = 255 * (Number(cell) - image.low) / room;
        pixels.data.set([grey, grey, grey, 255], 4 * k);
    });
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext('2d').putImageData(pixels, 0, 0);
}
// A soft brush: full strength where the hand is, the less the farther.
function ink(event) {
    const {image} = value(), frame = canvas.getBoundingClientRect();
    const x = (event.clientX - frame.left) / frame.width * image.width - 0.5;
    const y = (event.clientY - frame.top) / frame.height * image.height - 0.5;
    for (let k = 0; k < cells.length; k++) {
        const far = Math.hypot(k % image.width - x, Math.floor(k / image.width) - y);
        const strength = Math.max(0, 1.6 - far) * (image.high - image.low);
        const now = Math.min(image.high, Math.max(Number(cells[k]), image.low + strength));
        if (now !== Number(cells[k])) cells[k] = String(Math.round(100 * now) / 100);
    }
    fields.forEach((same, k) => same.forEach(one => { one.value = cells[k]; }));
    paint();
    send();
}
canvas.onpointerdown = event => { drawing = true; canvas.setPointerCapture(event.pointerId); ink(event); };
canvas.onpointermove = event => { if (drawing) ink(event); };
canvas.onpointerup = canvas.onpointercancel = () => { drawing = false; };
wipe.onclick = () => { cells.forEach((_, k) => { cells[k] = String(value().image.low); }); take(); send(); };
// A category that is too rare to be in the menu is added to it.
function fill(one, text) {
    if (one.options && !Array.from(one.options).some(option => option.value === text)) one.add(new Option(text, text));
    one.value = text;
}
function take() {
    fields.forEach((same, k) => same.forEach(one => fill(one, cells[k] ?? '')));
    paint();
}
function show() {
    const {key, turn, columns, image, words} = value();
    box.hidden = !columns.length;
    more.querySelector('summary').textContent = words.numbers || '';
    more.querySelector('summary').hidden = !image;
    wipe.textContent = words.wipe || '';
    canvas.setAttribute('aria-label', words.pad || '');
    pad.hidden = !image;
    if (key !== built) {
        built = key;
        fields = [];
        more.open = !image;
        grid.replaceChildren(...columns.map(field));
    }
    if (turn !== turned) {
        turned = turn;
        cells = value().cells.map(String);
        take();
    }
}
watch('value', show);
show();
box.ask = () => { if (fields.length) send(0); };
box.read = () => cells.map(String);
"""

_STYLE = """
.rowform-grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 10px 14px; }
.rowform-grid { max-height: 540px; overflow: auto; padding: 2px; }
.rowform label { display: flex; flex-direction: column; gap: 3px; min-width: 0; }
.rowform label.wide { grid-column: 1 / -1; }
.rowform label > span { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.rowform :is(input, select, textarea) { width: 100%; min-width: 0; box-sizing: border-box; font: inherit; }
.rowform :is(input:not([type=range]), select, textarea) { color: var(--body-text-color); padding: 6px 8px; }
.rowform :is(input:not([type=range]), select, textarea) { background: var(--input-background-fill); }
.rowform :is(input:not([type=range]), select, textarea) { border: 1px solid var(--border-color-primary); }
.rowform :is(input:not([type=range]), select, textarea) { border-radius: 8px; }
.rowform input[type=range] { accent-color: var(--color-accent); height: 20px; margin: 0; }
.rowform small { color: var(--body-text-color-subdued); font-size: .8rem; line-height: 1.3; }
.rowform summary { cursor: pointer; margin: 8px 0; }
.rowform-pad { display: flex; align-items: end; gap: 12px; flex-wrap: wrap; }
.rowform-pad[hidden] { display: none; }
.rowform-pad canvas { width: min(240px, 100%); image-rendering: pixelated; border-radius: 10px; touch-action: none; }
.rowform-pad canvas { border: 1px solid var(--border-color-primary); cursor: crosshair; background: #000; }
.rowform-pad button { padding: 4px 12px; border-radius: 8px; cursor: pointer; color: var(--body-text-color); }
.rowform-pad button { font-size: .9rem; font-weight: 400; }
.rowform-pad button { border: 1px solid var(--border-color-primary); background: var(--block-background-fill); }
.rowform :focus-visible { outline: 2px solid var(--color-accent); outline-offset: 1px; }
"""


def row_form(**kwargs: Any) -> gr.HTML:
    """The form. Its event `select` says that a cell has changed; its element's `ask()` sends one without a change, and
    `read()` gives the cells as texts, one for each column.

    Value: {"key": what the fields are for, "turn": changes when `cells` are to be taken over, "columns": [{"name",
    "kind": number, category, date or text, "hint", "low", "high", "step" of a number, "options" of a category}],
    "cells": [text, …], "image": None or {"width", "height", "low", "high"}, "words": {"gap", "other",
    "numbers", "wipe", "pad"}}.
    """
    return gr.HTML(
        None,
        html_template='<div class="rowform" hidden><div class="rowform-pad" hidden><canvas role="img"></canvas>'
        '<button type="button"></button></div><details open><summary hidden></summary>'
        '<div class="rowform-grid"></div></details></div>',
        css_template=_STYLE,
        js_on_load=_SCRIPT,
        padding=False,
        **kwargs,
    )
