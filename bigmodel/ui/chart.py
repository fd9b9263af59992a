"""The live chart: one HTML component whose plot is updated, never rebuilt, so that zoom, hover and legend survive.

`gr.Plot` makes a new chart for every update (about 100 ms of the browser, and the zoom is gone). Here the template is
constant, the figure travels in `value`, plain or with its lists as text (`ui/wire.py`), of which Gradio sends only what
is new, and the script hands it to `Plotly.react`. Frames that come faster than the screen draws are merged; a chart
that takes long to draw rests twice as long before its next frame, so that the page answers meanwhile, and the last
frame is always drawn. plotly's own script is served from the installed package: no CDN.

A figure's `layout.meta` may carry a `caption`, a `note` (a line under the chart) and a `switch`: a list of looks of the
same data, {"label", "title", "layout": {axis: changes}, "hidden": [numbers of traces]} each. The page shows a button
per look and changes it by itself, also after the run: the data is there. With `clicks`, a click on a point triggers
`select` with {"trace": its number, "place": [numbers of the point within it]}, and with "own" where the point (in
`customdata`) or its trace (in `meta`) carries a number of its own: numbers only. With `keys` as well, which says how,
the cells of a matrix (the first trace) are reached by the arrow keys and chosen by Enter; `cell` words one.

The bar over a chart saves it as it stands, as PNG or as SVG, on the page's own background.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import plotly
import plotly.graph_objects as go

PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

# Colours follow the page's theme at drawing time: a figure carries none of its own for text and grid.
_SCRIPT = """
const box = element.querySelector('.chart-plot');
const root = (window.gradio_config && window.gradio_config.root) || '';
const library = window.bigmodelPlotly ||= new Promise((ready, failed) => {
    if (window.Plotly) return ready(window.Plotly);
    const script = document.createElement('script');
    script.src = root + '/gradio_api/file=' + %(path)s;
    script.onload = () => ready(window.Plotly);
    script.onerror = failed;
    document.head.appendChild(script);
});
let look = 0;
function titled({caption = '', note = '', switch: looks = []}) {
    element.querySelector('.chart-caption').textContent = caption;
    element.querySelector('.chart-note').textContent = note;
    const group = element.querySelector('.chart-switch');
    look = Math.min(look, Math.max(0, looks.length - 1));
    if (group.dataset.said !== JSON.stringify(looks.map(({label, title}) => [label, title]))) {
        group.dataset.said = JSON.stringify(looks.map(({label, title}) => [label, title]));
        group.replaceChildren(...looks.map(({label, title}, place) => {
            const button = document.createElement('button');
            button.type = 'button';
            button.textContent = label;
            button.title = title || '';
            button.onclick = () => { look = place; schedule(); };
            return button;
        }));
    }
    [...group.children].forEach((button, place) => button.setAttribute('aria-pressed', String(place === look)));
    return looks[look] || {};
}
function looking(data, layout) {
    const chosen = titled(layout.meta || {});
    for (const place of chosen.hidden || []) data[place].visible = false;
    for (const [axis, changes] of Object.entries(chosen.layout || {})) {
        // Another kind of axis has another range: the zoom of one is nothing to the other.
        layout[axis] = Object.assign({}, layout[axis], changes, {uirevision: 'look ' + look});
        if (layout[axis].range === null) delete layout[axis].range;
    }
}
function themed(layout) {
    const style = getComputedStyle(element);
    const text = style.getPropertyValue('--body-text-color').trim() || style.color;
    const grid = 'rgba(138, 138, 138, 0.25)';
    const out = Object.assign({}, layout, {
        paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', autosize: true,
        uirevision: layout.uirevision || 'keep',
        font: Object.assign({family: style.fontFamily, size: 13}, layout.font, {color: text}),
    });
    delete out.width;
    for (const name of Object.keys(out)) if (/^[xy]axis/.test(name)) {
        out[name] = Object.assign({gridcolor: grid, linecolor: grid, zerolinecolor: grid}, out[name]);
    }
    return out;
}
function named() {
    // Gradio gives the inside of a component an id of its own.
    let place = box.closest('[id]');
    while (place && /^html-/.test(place.id)) place = place.parentElement.closest('[id]');
    return place ? place.id : 'bigmodel-lab';
}
function saved(plot, format) {
    const page = getComputedStyle(document.body).getPropertyValue('--body-background-fill').trim() || '#ffffff';
    const layout = Object.assign({}, plot.layout, {paper_bgcolor: page, plot_bgcolor: page, autosize: false});
    window.Plotly.downloadImage({data: plot.data, layout}, {
        format, scale: format === 'png' ? 2 : 1, filename: named(),
        width: Math.max(600, plot.offsetWidth), height: Math.max(320, plot.offsetHeight),
    });
}
const picture = (format, icon) => (
    {name: format, title: format.toUpperCase(), icon, click: plot => saved(plot, format)});
const config = ({Icons}) => ({responsive: true, displaylogo: false,
    modeBarButtonsToRemove: ['toImage', 'select2d', 'lasso2d', 'autoScale2d'],
    modeBarButtonsToAdd: [picture('png', Icons.camera), picture('svg', Icons.disk)]});
function listen({meta}) {
    if (!meta || !meta.clicks || box.dataset.heard) return;
    box.dataset.heard = 'yes';
    box.on('plotly_click', ({points: [point]}) => {
        const place = [point.pointNumber ?? point.pointIndex].flat().map(Number);
        const own = [point.customdata ?? point.data.meta].flat(2)[0];
        const named = own === undefined ? {} : {own: Number(own)};
        trigger('select', {trace: Number(point.curveNumber), place, ...named});
    });
}
// ---- the keyboard: a frame that goes from cell to cell of a matrix ----
const mark = element.querySelector('.chart-mark'), spoken = element.querySelector('.chart-spoken');
let cell = [0, 0];
const matrix = () => props.value?.layout?.meta?.keys && box.data?.length ? box.data[0].customdata : null;
function point() {
    const counts = matrix(), {xaxis, yaxis} = box._fullLayout || {};
    mark.hidden = !(counts && xaxis && document.activeElement === box);
    if (mark.hidden) return;
    cell = cell.map(place => Math.max(0, Math.min(place, counts.length - 1)));
    const [row, column] = cell, {layout} = props.value;
    const edge = (axis, place) => axis._offset + axis.l2p(place);
    const ends = (axis, place) => [edge(axis, place - 0.5), edge(axis, place + 0.5)].sort((a, b) => a - b);
    const [left, right] = ends(xaxis, column), [top, bottom] = ends(yaxis, row);
    Object.assign(mark.style, {left: left + 'px', top: top + 'px'});
    Object.assign(mark.style, {width: right - left + 'px', height: bottom - top + 'px'});
    const said = {truth: layout.yaxis.ticktext[row], guess: layout.xaxis.ticktext[column], count: counts[row][column]};
    spoken.textContent = layout.meta.cell.replace(/{(\\w+)}/g, (whole, name) => said[name] ?? whole);
}
function reachable(meta) {
    if (meta?.keys) box.tabIndex = 0; else box.removeAttribute('tabindex');
    box.setAttribute('role', meta?.keys ? 'group' : 'img');
    if (meta?.keys) box.setAttribute('aria-label', meta.caption + '. ' + meta.keys);
}
box.onkeydown = event => {
    const ways = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}, way = ways[event.key];
    const takes = event.key === 'Enter' || event.key === ' ';
    if (!matrix() || event.target !== box || !(way || takes)) return;
    event.preventDefault();
    if (way) cell = cell.map((place, axis) => place + way[axis]);
    point();
    if (takes) trigger('select', {trace: 0, place: cell});
};
box.onfocus = box.onblur = point;
// Lists come as blocks of text (ui/wire.py).
const listed = blocks => JSON.parse('[' + blocks.join(',') + ']');
const wholly = ({rest, lists}) => JSON.parse(rest, (_, part) => part?.list >= 0 ? listed(lists[part.list]) : part);
let asked = false, rested = 0;
async function draw() {
    asked = false;
    const Plotly = await library, begun = performance.now();
    const figure = props.value;
    if (!figure || !figure.layout) return;
    box.setAttribute('aria-label', figure.summary || '');
    // A copy: Plotly keeps and changes what it is given, and Gradio's next difference must meet the value it sent.
    const layout = structuredClone(figure.layout);
    const data = figure.data.map(trace => trace.lists ? wholly(trace) : structuredClone(trace));
    looking(data, layout);
    if (!box._context) {
        // The page has a base, so plotly would write the page's whole address into clips and gradients; they break when
        // the address changes, as it does with the settings.
        await Plotly.newPlot(box, [], {}, config(Plotly));
        box._context._baseUrl = '';
    }
    await Plotly.react(box, data, themed(layout));
    listen(layout);
    reachable(layout.meta);
    point();
    box.dataset.drawn = String(Number(box.dataset.drawn || 0) + 1);
    box.dataset.frame = figure.frame ?? '';
    rested = performance.now() + REST * (performance.now() - begun);
}
// How long a chart rests after a frame, in times of what the frame took.
const REST = 2;
function schedule() {
    if (asked) return;
    asked = true;
    const left = rested - performance.now();
    if (left > 0) setTimeout(requestAnimationFrame, left, draw); else requestAnimationFrame(draw);
}
watch('value', schedule);
new MutationObserver(schedule).observe(document.body, {attributes: true, attributeFilter: ['class']});
// What is not displayed (another tab, a closed section) has no size to fit.
const shown = () => window.Plotly && box.data && box.offsetWidth;
new ResizeObserver(() => { if (shown()) window.Plotly.Plots.resize(box); }).observe(box);
schedule();
"""


_TEMPLATE = """<figure class="chart"><figcaption class="chart-head"><span class="chart-caption"></span>
<span class="chart-switch" role="group"></span></figcaption><div class="chart-frame"><div class="chart-plot" role="img">
</div><span class="chart-mark" hidden></span></div><span class="chart-spoken" role="status"></span>
<p class="chart-note"></p></figure>"""

_STYLE = """
.chart { margin: 0; }
.chart-plot { height: %dpx; width: 100%%; }
.chart-frame { position: relative; }
.chart-mark { position: absolute; pointer-events: none; border: 3px solid var(--body-text-color); border-radius: 3px; }
.chart-mark { box-shadow: 0 0 0 2px var(--block-background-fill); }
.chart-mark[hidden] { display: none; }
.chart-spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%%); }
"""

HEAD_STYLE = """
.chart-head { display: flex; align-items: center; justify-content: space-between; gap: 8px; min-height: 30px; }
.chart-head:not(:has(.chart-caption:not(:empty), .chart-switch:not(:empty))) { display: none; }
.chart-caption { font-weight: 600; }
@media (max-width: 760px) { .chart-head { flex-wrap: wrap; } }
.chart-switch { display: inline-flex; flex: none; border: 1px solid var(--border-color-primary); border-radius: 8px; }
.chart-switch:empty { display: none; }
.chart-switch button { all: unset; padding: 2px 10px; font-size: .85rem; cursor: pointer; border-radius: 7px; }
.chart-switch button { color: var(--body-text-color-subdued); }
.chart-switch button:focus-visible { outline: 2px solid var(--color-accent); }
.chart-switch button[aria-pressed=true] { background: var(--color-accent); color: white; }
.chart-note { margin: 8px 0 0; color: var(--body-text-color-subdued); font-size: .9rem; }
.chart-note:empty { display: none; }
"""
"""The head and the line under a chart: also for what is drawn otherwise (`train/units.py`)."""


def chart(*, height: int = 340, **kwargs: Any) -> gr.HTML:
    """A place for a plotly figure. Its value is what `frame` makes of one, or None."""
    # No subclass: Gradio writes a stub file beside the source of every subclass of a component.
    return gr.HTML(
        None,
        html_template=_TEMPLATE,
        css_template=_STYLE % height + HEAD_STYLE,
        js_on_load=_SCRIPT % {"path": json.dumps(quote(PLOTLY_JS.as_posix(), safe="/:"))},
        **kwargs,
    )


def frame(figure: go.Figure) -> dict[str, Any]:
    """A figure as plain JSON: NaN and infinities become null, which plotly draws as gaps."""
    value: dict[str, Any] = json.loads(figure.to_json(engine="json"))
    return value


def serve_plotly() -> None:
    """Let the server hand out plotly's script, and nothing else of the disk."""
    gr.set_static_paths([PLOTLY_JS])
