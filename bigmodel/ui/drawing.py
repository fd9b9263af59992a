"""A square to draw points on: one HTML component whose value is the drawing (see `datasets.drawn`).

Mouse, touch and pen spray points of the chosen class; the keyboard moves a cross and sets them. Whatever was there can
be undone, also what a link or an earlier run put in its place. All squares of a page show one drawing; the browser
keeps it until its tab is closed, so that a reload does not lose it. `release` comes after every change made by hand.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from bigmodel.datasets.drawn import CLASSES, MOST_POINTS, STEPS, examples
from bigmodel.plots import PALETTE
from bigmodel.ui.widgets import Page
from bigmodel.ui.words import dictionary

LINKED = 6000
"""Digits of a drawing that a link still takes along."""

_SCRIPT = """
const {names, colours, examples, most, steps, untouched} = %(constants)s;
const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const canvas = element.querySelector('canvas'), ink = canvas.getContext('2d');
const tools = element.querySelector('.drawing-tools'), starts = element.querySelector('.drawing-starts');
const width = element.querySelector('.drawing-width input'), count = element.querySelector('.drawing-count');
const [undo, clear] = element.querySelectorAll('.drawing-acts button');
const group = 'drawing-' + Math.random().toString(36).slice(2), erases = names.length;
let points = [], text = null, past = [], chosen = 0, words = {}, cross = null, stroke = null;

function write() {
    return points.map(([kind, x, y]) => {
        const packed = kind << 22 | x << 11 | y;
        return [18, 12, 6, 0].map(shift => digits[packed >> shift & 63]).join('');
    }).join('');
}
function read(drawing) {
    const found = [];
    for (let k = 0; k + 3 < drawing.length; k += 4) {
        let packed = 0;
        for (const digit of drawing.slice(k, k + 4)) packed = packed << 6 | Math.max(0, digits.indexOf(digit));
        found.push([packed >> 22, packed >> 11 & steps, packed & steps]);
    }
    return found;
}
function remember() {
    try { sessionStorage.setItem('bigmodel.drawing', text); } catch (forbidden) {}
    window.dispatchEvent(new CustomEvent('bigmodel.drawing', {detail: text}));
}
function keep(before) { if (before !== null && before !== past[past.length - 1]) past = [...past.slice(-99), before]; }
function commit(drawing) {
    points = read(drawing);
    text = drawing;
    props.value = drawing;
    remember();
    show();
    trigger('release', {});
}
function change(drawing) {
    if (drawing === text) return show();
    keep(text);
    commit(drawing);
}

// ---- the square ----
function show() {
    const side = canvas.clientWidth, sharp = window.devicePixelRatio || 1;
    if (side) {
        const dots = Math.round(side * sharp);
        if (canvas.width !== dots || canvas.height !== dots) canvas.width = canvas.height = dots;
        ink.setTransform(sharp, 0, 0, sharp, 0, 0);
        ink.clearRect(0, 0, side, side);
        const style = getComputedStyle(element), inks = ['--border-color-primary', '--body-text-color-subdued'];
        lines(side, ...inks.map(name => style.getPropertyValue(name)));
        ink.lineWidth = 0.7;
        ink.strokeStyle = '#ffffff';
        for (const [kind, x, y] of points) {
            ink.fillStyle = colours[kind];
            ink.beginPath();
            ink.arc(x / steps * side, (1 - y / steps) * side, 3.5, 0, 7);
            ink.fill();
            ink.stroke();
        }
        if (cross) mark(side, style.color);
    }
    tell();
}
function lines(side, faint, grey) {
    ink.lineWidth = 1;
    ink.strokeStyle = faint;
    ink.strokeRect(side / 2, -1, side, side + 2);
    ink.strokeRect(-1, side / 2, side + 2, side);
    ink.fillStyle = grey;
    ink.font = '13px ' + getComputedStyle(element).fontFamily;
    ink.textAlign = 'right';
    ink.fillText('x1', side - 6, side / 2 - 6);
    ink.fillText('x2', side / 2 - 6, 16);
}
function mark(side, colour) {
    const x = cross[0] / steps * side, y = (1 - cross[1] / steps) * side;
    ink.strokeStyle = colour;
    ink.lineWidth = 1.5;
    ink.beginPath();
    for (const [dx, dy] of [[9, 0], [0, 9]]) { ink.moveTo(x - dx, y - dy); ink.lineTo(x + dx, y + dy); }
    if (chosen === erases) ink.moveTo(x + rubber() / steps * side, y), ink.arc(x, y, rubber() / steps * side, 0, 7);
    ink.stroke();
}
function tell() {
    const numbers = names.map((name, kind) => points.filter(point => point[0] === kind).length);
    const drawn = names.flatMap((name, kind) => numbers[kind] ? [name + ' ' + numbers[kind]] : []).join(' · ');
    const said = points.length >= most ? words.full : points.length ? words.count : words.empty;
    count.textContent = (said || '').replace('{points}', points.length).replace('{most}', most.toLocaleString())
        .replace('{classes}', drawn);
    undo.disabled = !past.length;
    clear.disabled = !points.length;
    // A third class comes after the second, so that the colours are those of the network's picture.
    for (const input of tools.querySelectorAll('input')) {
        const kind = Number(input.value);
        input.disabled = kind > 1 && kind < erases && !numbers[kind - 1] && !numbers[kind];
    }
}

// ---- spraying ----
const gauss = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
const spread = () => Number(width.value) / 100 * steps;
const rubber = () => Math.max(0.025 * steps, 1.5 * spread());
const within = place => Math.min(steps, Math.max(0, Math.round(place)));
function dab([x, y], exact = false) {
    if (chosen === erases) {
        points = points.filter(point => Math.hypot(point[1] - x, point[2] - y) > rubber());
    } else if (points.length < most) {
        const wide = exact ? 0 : spread();
        points.push([chosen, within(x + wide * gauss()), within(y + wide * gauss())]);
    }
}
function place(event) {
    const frame = canvas.getBoundingClientRect();
    const x = (event.clientX - frame.left) / frame.width, y = 1 - (event.clientY - frame.top) / frame.height;
    return [x * steps, y * steps];
}
canvas.onpointerdown = event => {
    if (event.button || stroke) return;
    event.preventDefault();
    canvas.focus({preventScroll: true});
    canvas.setPointerCapture(event.pointerId);
    cross = null;
    stroke = {id: event.pointerId, at: place(event), left: 0};
    dab(stroke.at, true);
    // A can goes on spraying where it is held.
    stroke.timer = setInterval(() => { dab(stroke.at); show(); }, 50);
    show();
};
canvas.onpointermove = event => {
    if (!stroke || event.pointerId !== stroke.id) return;
    for (const step of event.getCoalescedEvents ? event.getCoalescedEvents() : [event]) {
        const from = stroke.at, to = place(step), way = Math.hypot(to[0] - from[0], to[1] - from[1]);
        const every = 0.02 * steps;
        let gone = every - stroke.left;
        for (; gone <= way; gone += every) dab(from.map((at, axis) => at + (to[axis] - at) * gone / way));
        stroke.left = way - (gone - every);
        stroke.at = to;
    }
    show();
};
canvas.onpointerup = canvas.onpointercancel = event => {
    if (!stroke || event.pointerId !== stroke.id) return;
    clearInterval(stroke.timer);
    stroke = null;
    change(write());
};

// ---- the keyboard ----
canvas.onkeydown = event => {
    const ways = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}, way = ways[event.key];
    const sets = event.key === ' ' || event.key === 'Enter';
    if (event.ctrlKey || event.metaKey || event.altKey || !(way || sets)) return;
    event.preventDefault();
    cross = cross || [steps / 2, steps / 2];
    if (way) cross = cross.map((at, axis) => within(at + way[axis] * steps * (event.shiftKey ? 0.1 : 0.02)));
    if (sets) { dab(cross); return change(write()); }
    show();
};
canvas.onblur = () => { cross = null; show(); };
element.querySelector('.drawing').onkeydown = event => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== 'z' || event.shiftKey) return;
    event.preventDefault();
    undo.click();
};
undo.onclick = () => { if (past.length) commit(past.pop()); };
clear.onclick = () => change('');

// ---- words ----
function tool(kind, name, colour) {
    const label = document.createElement('label'), input = document.createElement('input');
    const chip = document.createElement('i'), said = document.createElement('span');
    input.type = 'radio';
    input.name = group;
    input.value = kind;
    input.checked = kind === chosen;
    input.onchange = () => { chosen = kind; show(); };
    if (colour) chip.style.background = colour;
    chip.hidden = !colour;
    said.textContent = name;
    label.append(input, chip, said);
    return label;
}
function worded() {
    try { words = JSON.parse(props.label || '{}'); } catch (none) { words = {}; }
    const kinds = names.map((name, kind) => tool(kind, name, colours[kind]));
    for (const label of kinds.slice(2)) label.title = words.later || '';
    tools.replaceChildren(...kinds, tool(erases, words.erase || '', ''));
    tools.setAttribute('aria-label', words.classes || '');
    canvas.setAttribute('aria-label', words.canvas || '');
    width.previousElementSibling.textContent = words.width || '';
    undo.textContent = words.undo || '';
    clear.textContent = words.clear || '';
    element.querySelector('.drawing-hint').textContent = words.hint || '';
    starts.replaceChildren(document.createTextNode((words.starts || '') + ' '), ...Object.keys(examples).map(name => {
        const button = document.createElement('button');
        button.type = 'button';
        button.textContent = words[name] || name;
        button.onclick = () => change(examples[name]);
        return button;
    }));
    show();
}
function take(drawing) {
    if (stroke || drawing === text) return;
    keep(text);
    text = drawing;
    points = read(text);
    if (props.value !== text) props.value = text;
    remember();
    show();
}
// Right after a square has appeared Gradio fills in once more what it began with.
const born = Date.now();
function filled() {
    const value = typeof props.value === 'string' ? props.value : '';
    if (value !== untouched || text === untouched || Date.now() - born > 3000) return take(value);
    setTimeout(() => { props.value = text; }, 100);
}
watch('value', filled);
watch('label', worded);
// The other tab's square shows the same drawing.
window.addEventListener('bigmodel.drawing', event => take(event.detail));
new MutationObserver(show).observe(document.body, {attributes: true, attributeFilter: ['class']});
new ResizeObserver(show).observe(canvas);
worded();
let kept = null;
try { kept = sessionStorage.getItem('bigmodel.drawing'); } catch (forbidden) {}
text = typeof props.value === 'string' ? props.value : '';
points = read(text);
// What a link or a run has put here stays; the usual example gives way to what was drawn in this browser tab before.
if (kept && kept !== text && text === untouched) commit(kept); else show();
"""

_TEMPLATE = """<div class="drawing"><div class="drawing-tools" role="radiogroup"></div>
<canvas tabindex="0" role="img"></canvas><p class="drawing-count" role="status"></p>
<div class="drawing-acts"><button type="button"></button><button type="button"></button>
<label class="drawing-width"><span></span><input type="range" min="0" max="15" step="1" value="5"></label></div>
<div class="drawing-starts"></div><p class="drawing-hint"></p></div>"""

_STYLE = """
.drawing { display: grid; gap: 8px; max-width: 420px; }
.drawing canvas { width: 100%; aspect-ratio: 1; display: block; cursor: crosshair; touch-action: none;
    border: 1px solid var(--border-color-primary); border-radius: 10px; background: var(--block-background-fill); }
.drawing-tools, .drawing-acts, .drawing-starts { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.drawing-tools label { display: inline-flex; align-items: center; gap: 6px; padding: 5px 11px; cursor: pointer;
    border: 1px solid var(--border-color-primary); border-radius: 999px; background: var(--block-background-fill); }
.drawing-tools label:has(:checked) { border-color: var(--color-accent); box-shadow: 0 0 0 1px var(--color-accent); }
.drawing-tools label:has(:focus-visible) { outline: 2px solid var(--color-accent); outline-offset: 2px; }
.drawing-tools label:has(:disabled) { opacity: .45; cursor: default; }
.drawing-tools input { position: absolute; opacity: 0; width: 0; height: 0; }
.drawing-tools i { width: 13px; height: 13px; border-radius: 50%; border: 1px solid #ffffff; }
.drawing-tools i[hidden] { display: none; }
.drawing button { padding: 4px 12px; border-radius: 8px; cursor: pointer; font-size: .9rem; }
.drawing button { border: 1px solid var(--border-color-primary); color: var(--body-text-color); }
.drawing button { background: var(--block-background-fill); }
.drawing button:disabled { opacity: .45; cursor: default; }
.drawing-width { display: inline-flex; align-items: center; gap: 8px; flex: 1 1 160px; font-size: .9rem; }
.drawing-width input { flex: 1; min-width: 60px; accent-color: var(--color-accent); }
.drawing-starts { font-size: .9rem; color: var(--body-text-color-subdued); }
.drawing-count, .drawing-hint { margin: 0; font-size: .9rem; color: var(--body-text-color-subdued); }
.drawing-count { font-variant-numeric: tabular-nums; color: var(--body-text-color); }
"""

_WORDS = ("canvas", "classes", "clear", "count", "empty", "erase", "full", "hint", "later", "starts", "undo", "width")


def drawing(page: Page, **kwargs: Any) -> gr.HTML:
    """The square with its tools, an example already drawn. Its words travel in its label, which is nowhere shown."""
    known = examples()
    untouched = next(iter(known.values()))
    constants = {
        "names": CLASSES,
        "colours": PALETTE[: len(CLASSES)],
        "examples": known,
        "most": MOST_POINTS,
        "steps": STEPS,
        "untouched": untouched,
    }
    square = gr.HTML(
        untouched,
        html_template=_TEMPLATE,
        css_template=_STYLE,
        js_on_load=_SCRIPT % {"constants": json.dumps(constants)},
        padding=False,
        **kwargs,
    )

    def words(language: str) -> dict[str, str]:
        strings = dictionary(language)
        said = {name: strings[f"datasets.drawing.{name}"] for name in _WORDS}
        said |= {name: strings[f"dataset.{name}"] for name in known}
        return {"label": json.dumps(said, ensure_ascii=False)}

    component: gr.HTML = page.says(square, words)
    return component
