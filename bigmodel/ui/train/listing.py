"""The rows behind a cell of the confusion matrix: a table, or pictures. One HTML component, filled by a script."""

from __future__ import annotations

from typing import Any

import gradio as gr

_SCRIPT = """
const box = element.querySelector('.listing'), table = box.querySelector('table');
const grid = box.querySelector('.listing-pictures');
function cell(tag, text) {
    const made = document.createElement(tag);
    made.textContent = text;
    return made;
}
function line(tag, cells) {
    const made = document.createElement('tr');
    made.append(...cells.map(text => cell(tag, text)));
    return made;
}
function picture(bytes, width, height) {
    const canvas = document.createElement('canvas'), pixels = new ImageData(width, height);
    canvas.width = width;
    canvas.height = height;
    for (let k = 0; k < width * height; k++) pixels.data.set([bytes[k], bytes[k], bytes[k], 255], 4 * k);
    canvas.getContext('2d').putImageData(pixels, 0, 0);
    return canvas;
}
function show() {
    const {caption = '', note = '', heads = [], rows = [], pictures = null} = props.value || {};
    box.hidden = !caption;
    box.querySelector('.chart-caption').textContent = caption;
    box.querySelector('.chart-note').textContent = note;
    table.replaceChildren();
    grid.replaceChildren();
    box.querySelector('.listing-table').hidden = Boolean(pictures);
    if (!pictures) {
        if (rows.length) table.append(line('th', heads), ...rows.map(row => line('td', row)));
        return;
    }
    const {width, height} = pictures, size = width * height;
    const bytes = Uint8Array.from(atob(pictures.bytes), letter => letter.charCodeAt(0));
    grid.append(...rows.map(([truth, guess, share], k) => {
        const made = document.createElement('figure');
        made.append(picture(bytes.subarray(k * size, (k + 1) * size), width, height));
        made.append(cell('figcaption', (truth === guess ? truth : truth + ' → ' + guess) + ' · ' + share));
        made.title = heads[0] + ' ' + truth + ', ' + heads[1] + ' ' + guess + ', ' + heads[2] + ' ' + share;
        return made;
    }));
}
watch('value', show);
show();
"""


def listing(**kwargs: Any) -> gr.HTML:
    """Rows with a caption; empty without one.

    Value: {"caption", "note", "heads": [true class, predicted class, probability, columns …], "rows": [[text, …], …],
    "pictures": None or {"width", "height", "bytes": base64 of width · height grey dots per row}}.
    """
    return gr.HTML(
        None,
        html_template="""<div class="listing" hidden><div class="chart-head"><span class="chart-caption"></span></div>
<div class="listing-table"><table></table></div><div class="listing-pictures"></div><p class="chart-note"></p></div>""",
        css_template="""
.chart-caption { font-weight: 600; }
.listing-table { overflow: auto; max-height: 420px; margin-top: 6px; }
.listing :is(table, tr) { border: none !important; }
.listing table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
.listing th { position: sticky; top: 0; background: var(--background-fill-primary); font-weight: 600; }
.listing th, .listing td { text-align: left; padding: 4px 10px; white-space: nowrap; max-width: 320px; }
.listing th, .listing td { overflow: hidden; text-overflow: ellipsis; }
.listing td, .listing th { border: none; border-top: 1px solid var(--border-color-primary); }
.listing-pictures { display: flex; flex-wrap: wrap; gap: 10px; margin-top: 6px; }
.listing figure { margin: 0; width: 84px; }
.listing canvas { width: 84px; height: auto; image-rendering: pixelated; border-radius: 6px; display: block; }
.listing figcaption { font-size: .8rem; font-variant-numeric: tabular-nums; margin-top: 2px; }
.chart-note { margin: 4px 0 0; color: var(--body-text-color-subdued); font-size: .9rem; }
""",
        js_on_load=_SCRIPT,
        **kwargs,
    )
