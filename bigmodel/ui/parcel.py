"""Files that the page hands over: what the server wrote, and pictures that the browser draws. Nothing touches a disk.

A report has its charts drawn by the same plotly that the page uses, as plain SVG on white: one file of some hundred
kilobytes that opens anywhere, without a network.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import gradio as gr

_SCRIPT = """
function drawn({data, layout, look, height}) {
    const figure = structuredClone({data, layout});
    for (const place of look.hidden || []) figure.data[place].visible = false;
    for (const [axis, changes] of Object.entries(look.layout || {})) Object.assign(figure.layout[axis] ||= {}, changes);
    const light = {paper_bgcolor: '#ffffff', plot_bgcolor: '#ffffff', width: 900, height};
    Object.assign(figure.layout, light, {font: {color: '#222222', size: 13, family: 'sans-serif'}});
    return figure;
}
function save(name, type, text) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], {type}));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
watch('value', async () => {
    const v = props.value;
    if (!v || !v.name) return;
    for (const {name, type, text} of v.files || []) save(name, type, text);
    let text = v.text;
    for (const [id, figure] of Object.entries(v.figures || {})) {
        const Plotly = await window.bigmodelPlotly;
        const url = await Plotly.toImage(drawn(figure), {format: 'svg', width: 900, height: figure.height});
        const svg = decodeURIComponent(url.slice(url.indexOf(',') + 1));
        text = text.replace('<!--' + id + '-->', () => svg);
    }
    save(v.name, v.type, text);
});
"""

TYPES = {
    "csv": "text/csv",
    "html": "text/html",
    "ipynb": "application/x-ipynb+json",
    "json": "application/json",
    "py": "text/x-python",
}


def parcel(**kwargs: Any) -> gr.HTML:
    """The place that hands over what `packed` makes."""
    return gr.HTML(None, html_template="<span hidden></span>", js_on_load=_SCRIPT, padding=False, **kwargs)


def packed(
    name: str,
    text: str,
    figures: Mapping[str, dict[str, Any]] | None = None,
    beside: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A file for the page. `figures` take the places `<!--NAME-->` of its text: {"data", "layout", "look", "height"}
    each, `look` one of a chart's looks (see `ui/chart.py`) or {}. Further files go `beside` it, as they are."""
    files = [{"name": other, "type": _kind(other), "text": words} for other, words in (beside or {}).items()]
    # Pressed twice is two presses: the page acts on what has changed.
    return {
        "name": name, "type": _kind(name), "text": text, "figures": dict(figures or {}), "files": files,
        "pressed": time.time_ns() // 1_000_000,
    }  # fmt: skip


def _kind(name: str) -> str:
    return TYPES[name.rsplit(".", 1)[-1]] + ";charset=utf-8"


def charts(values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """All charts among the values of panels that are on show."""
    for value in values:
        if isinstance(value, dict) and value.get("__type__") == "update":
            value = value.get("value") if value.get("visible", True) else None
        if isinstance(value, dict) and value.get("data") and "layout" in value:
            yield value


PICTURE = """
(place) => {
    const box = document.querySelector('#' + place + ' .chart-plot');
    if (!box || !box.data || !window.Plotly) return;
    const page = getComputedStyle(document.body).getPropertyValue('--body-background-fill').trim() || '#ffffff';
    const layout = Object.assign({}, box.layout, {paper_bgcolor: page, plot_bgcolor: page, autosize: false});
    window.Plotly.downloadImage({data: box.data, layout}, {
        format: '%s', width: Math.max(600, box.offsetWidth), height: Math.max(320, box.offsetHeight),
        scale: '%s' === 'png' ? 2 : 1, filename: place,
    });
}
"""
"""Saves the chart of an element as it stands on the page, as "png" or "svg"."""
