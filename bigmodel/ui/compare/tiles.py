"""Small decision boundaries side by side: one script draws them on canvases from bytes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from bigmodel.ui.chart import HEAD_STYLE

# The bytes are those of `compare/tiles.py`, packed: a class in the upper half of each, how sure in the lower.
_SCRIPT = """
const box = element.querySelector('.tiles'), grid = box.querySelector('.tile-grid');
let seen = false, asked = false, pixels = null, packed = null;
async function unpacked(text) {
    if (text === packed) return pixels;
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
    pixels = new Uint8Array(await new Response(stream).arrayBuffer());
    packed = text;
    return pixels;
}
function rows(columns) {
    const lists = Object.entries(columns).map(([name, text]) => [name, JSON.parse(text)]);
    return (lists[0]?.[1] || []).map((_, k) => Object.fromEntries(lists.map(([name, list]) => [name, list[k]])));
}
function paint(canvas, bytes, side, colours) {
    const picture = new ImageData(side, side);
    bytes.forEach((byte, at) => {
        const [red, green, blue] = colours[(byte >> 4) % colours.length];
        picture.data.set([red, green, blue, 20 + 13 * (byte & 15)], 4 * at);
    });
    if (canvas.width !== side) canvas.width = canvas.height = side;
    canvas.getContext('2d').putImageData(picture, 0, 0);
}
function made() {
    const [cell, picture, name, kind, note, out] = ['div', 'canvas', 'b', 'small', 'small', 'button'].map(
        tag => document.createElement(tag));
    const tell = out => trigger('select', {trial: Number(cell.dataset.trial), out});
    cell.tabIndex = 0;
    cell.setAttribute('role', 'button');
    cell.onclick = () => tell(false);
    cell.onkeydown = event => {
        if (event.target !== cell || !['Enter', ' '].includes(event.key)) return;
        event.preventDefault();
        tell(false);
    };
    out.type = 'button';
    out.textContent = '×';
    out.onclick = event => { event.stopPropagation(); tell(true); };
    cell.append(picture, name, kind, note, out);
    return cell;
}
async function draw() {
    asked = false;
    const value = props.value;
    box.hidden = !value;
    if (!value || !seen) return;
    const {side, colours} = value, bytes = await unpacked(value.pixels), tiles = rows(value.tiles);
    box.querySelector('.chart-caption').textContent = value.caption;
    box.querySelector('.chart-note').textContent = value.note;
    while (grid.children.length > tiles.length) grid.lastChild.remove();
    while (grid.children.length < tiles.length) grid.append(made());
    tiles.forEach(({trial, title, name, kind, note, colour, state}, k) => {
        const cell = grid.children[k], [canvas, own, sort, line, out] = cell.children;
        cell.dataset.trial = String(trial);
        cell.className = state;
        cell.setAttribute('aria-pressed', String(trial === value.chosen));
        cell.title = [title, note].join(': ');
        own.textContent = name;
        own.style.setProperty('--own', colour);
        sort.textContent = kind;
        line.textContent = note;
        out.hidden = !(value.leave && state !== 'gone');
        out.title = value.leave;
        out.setAttribute('aria-label', value.leave + ' ' + title);
        paint(canvas, bytes.subarray(k * side ** 2, (k + 1) * side ** 2), side, colours);
    });
    box.dataset.drawn = String(Number(box.dataset.drawn || 0) + 1);
}
function schedule() { if (!asked) { asked = true; requestAnimationFrame(draw); } }
watch('value', schedule);
// Of several changes at once (a quick scroll) the last one counts.
new IntersectionObserver(entries => { seen = entries.at(-1).isIntersecting; if (seen) schedule(); }).observe(element);
"""


def tile_wall(**kwargs: Any) -> gr.HTML:
    """Value: {"caption", "note", "side", "colours": [[r, g, b], …] of the classes, "pixels": base64, "leave": what the
    button of a tile says, or "" for no buttons, "tiles": "trial", "title", "name", "kind", "note", "colour" and "state"
    of all of them (`wire.columns`), "chosen": the trial whose tile is pressed or None}, the state "runs", "best" or
    "gone". A press is a `select` event with the number of the `trial`, and `out`: whether it was the button."""
    return gr.HTML(
        None,
        html_template="""<figure class="tiles" hidden><figcaption class="chart-head"><span class="chart-caption"></span>
</figcaption><div class="tile-grid"></div><p class="chart-note"></p></figure>""",
        css_template=HEAD_STYLE
        + """
.tiles { margin: 0; min-height: 1px; }
.tile-grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: 8px; margin-top: 8px; }
.tile-grid > div { position: relative; border-radius: 8px; overflow: hidden; padding-bottom: 3px; }
.tile-grid > div { border: 1px solid var(--border-color-primary); background: var(--background-fill-primary); }
.tile-grid > .best { border-color: var(--color-accent); box-shadow: 0 0 0 1px var(--color-accent); }
.tile-grid > .gone { opacity: .55; filter: grayscale(1); border-style: dashed; }
.tile-grid > div { cursor: pointer; }
.tile-grid > [aria-pressed=true] { border-color: var(--color-accent); box-shadow: 0 0 0 3px var(--color-accent); }
.tile-grid > div:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
.tile-grid canvas { width: 100%; aspect-ratio: 1; display: block; }
.tile-grid :is(b, small) { display: block; padding: 0 6px; line-height: 1.35; overflow: hidden; }
.tile-grid :is(b, small) { text-overflow: ellipsis; white-space: nowrap; }
.tile-grid b { font-size: .85rem; font-variant-numeric: tabular-nums; }
.tile-grid b::before { content: ''; display: inline-block; width: 9px; height: 9px; border-radius: 5px; }
.tile-grid b::before { background: var(--own); margin-right: 5px; }
.tile-grid small { font-size: .75rem; color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.tile-grid button { all: unset; position: absolute; top: 3px; right: 3px; width: 20px; line-height: 20px; }
.tile-grid button { text-align: center; border-radius: 10px; cursor: pointer; opacity: .8; }
.tile-grid button { color: var(--body-text-color); background: var(--background-fill-primary); }
.tile-grid button[hidden] { display: none; }
@media (max-width: 760px) {
    .tile-grid { grid-template-columns: repeat(auto-fill, minmax(70px, 1fr)); gap: 5px; }
    .tile-grid :is(b, small) { padding: 0 3px; font-size: .75rem; }
    .tile-grid b::before { width: 6px; height: 6px; margin-right: 3px; }
}
.tile-grid button:focus-visible { outline: 2px solid var(--color-accent); }
""",
        js_on_load=_SCRIPT,
        **kwargs,
    )
