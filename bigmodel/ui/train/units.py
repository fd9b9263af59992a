"""What each hidden unit sees: many small pictures, drawn by one script on canvases from bytes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from bigmodel.ui.chart import HEAD_STYLE

# Above zero in the blue of the charts, below in their orange, the stronger the larger: as on the chart of the plane.
_SCRIPT = """
const box = element.querySelector('.units'), tabs = box.querySelector('.chart-switch');
const grid = box.querySelector('.unit-grid');
let chosen = 0, seen = false, asked = false;
function press(place) { chosen = place; schedule(); }
function named(layers) {
    chosen = Math.max(0, Math.min(chosen, layers.length - 1));
    if (tabs.dataset.said !== layers.map(layer => layer.name).join('|')) {
        tabs.dataset.said = layers.map(layer => layer.name).join('|');
        tabs.replaceChildren(...layers.map((layer, place) => {
            const button = document.createElement('button');
            button.type = 'button';
            button.textContent = layer.name;
            button.onclick = () => press(place);
            return button;
        }));
    }
    [...tabs.children].forEach((button, place) => button.setAttribute('aria-pressed', String(place === chosen)));
}
function paint(canvas, bytes, side) {
    const pixels = new ImageData(side, side);
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
        // The first row of bytes is the lowest of the picture.
        const value = bytes[(side - 1 - y) * side + x] - 128, at = 4 * (y * side + x);
        pixels.data.set(value < 0 ? [213, 94, 0] : [0, 131, 201], at);
        pixels.data[at + 3] = Math.min(255, 2 * Math.abs(value));
    }
    canvas.width = canvas.height = side;
    canvas.getContext('2d').putImageData(pixels, 0, 0);
}
function draw() {
    asked = false;
    const value = props.value;
    if (!value || !seen) return;
    named(value.layers);
    const {side} = value, waiting = {maps: '', note: '', silent: []};
    const {maps, note, silent} = value.layers[chosen] || waiting;
    const bytes = Uint8Array.from(atob(maps), letter => letter.charCodeAt(0));
    const count = maps ? bytes.length / side ** 2 : 16;
    box.querySelector('.chart-caption').textContent = value.caption;
    box.querySelector('.chart-note').textContent = [note, value.note].filter(Boolean).join(' ');
    while (grid.children.length > count) grid.lastChild.remove();
    while (grid.children.length < count) {
        const cell = document.createElement('div'), label = document.createElement('span');
        cell.append(document.createElement('canvas'), label);
        grid.append(cell);
    }
    [...grid.children].forEach((cell, k) => {
        const dead = silent.includes(k);
        cell.classList.toggle('waiting', !maps);
        if (!maps) { cell.lastChild.textContent = ''; return; }
        paint(cell.firstChild, bytes.subarray(k * side ** 2, (k + 1) * side ** 2), side);
        cell.lastChild.textContent = dead ? value.silent : String(k + 1);
        cell.classList.toggle('silent', dead);
    });
    box.dataset.drawn = String(Number(box.dataset.drawn || 0) + 1);
}
function schedule() { if (!asked) { asked = true; requestAnimationFrame(draw); } }
watch('value', schedule);
// Of several changes at once (a quick scroll) the last one counts.
new IntersectionObserver(entries => { seen = entries.at(-1).isIntersecting; if (seen) schedule(); }).observe(element);
"""


def unit_maps(**kwargs: Any) -> gr.HTML:
    """Small multiples, a layer at a time.

    Value: {"caption", "note", "silent": the word under a silent unit, "side", "layers": [{"name", "note", "maps":
    base64 of side² bytes per unit (128 is 0), "silent": numbers of units}, …]}.
    """
    return gr.HTML(
        None,
        html_template="""<figure class="units"><figcaption class="chart-head"><span class="chart-caption"></span>
<span class="chart-switch" role="group"></span></figcaption><div class="unit-grid"></div>
<p class="chart-note"></p></figure>""",
        css_template=HEAD_STYLE
        + """
.units { margin: 0; }
.unit-grid { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; max-width: 440px; }
.unit-grid { margin-top: 8px; }
.unit-grid > div { position: relative; aspect-ratio: 1; border-radius: 8px; overflow: hidden; }
.unit-grid > div { border: 1px solid var(--border-color-primary); background: var(--background-fill-primary); }
.unit-grid canvas { width: 100%; height: 100%; display: block; }
.unit-grid span { position: absolute; left: 5px; bottom: 2px; font-size: .75rem; }
.unit-grid span { color: var(--body-text-color); border-radius: 4px; padding: 0 3px; line-height: 1.3; }
.unit-grid span { background: color-mix(in srgb, var(--background-fill-primary) 70%, transparent); }
.unit-grid span:empty { display: none; }
.unit-grid .silent, .unit-grid .waiting { opacity: .55; border-style: dashed; }
.unit-grid .waiting canvas { visibility: hidden; }
""",
        js_on_load=_SCRIPT,
        **kwargs,
    )
