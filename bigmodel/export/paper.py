"""A report as one HTML file: tables and charts that open without a network. What people wrote stays text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 940px; margin: 2rem auto; }
body { padding: 0 1rem; } h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th { text-align: left; }
th, td { padding: 3px 10px 3px 0; border-bottom: 1px solid #ddd; vertical-align: top; overflow-wrap: anywhere; }
figure { margin: 1.5rem 0; break-inside: avoid; } figcaption { font-weight: 600; } figure p { color: #555; }
svg { max-width: 100%; height: auto; } .scroll { overflow-x: auto; margin: 1rem 0; }
code { background: #f3f3f3; padding: .1em .3em; overflow-wrap: anywhere; }
"""


def page(title: str, body: Iterable[str], language: str) -> str:
    """The whole file; `body` is HTML."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    inside = "\n".join((f"<h1>{escape(title)}</h1>", *body))
    return f'<!doctype html><html lang="{language}"><head>{head}</head><body>{inside}</body></html>'


def heading(text: str) -> str:
    """A title within the report."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    """A paragraph; none where there is nothing to say."""
    return f"<p>{escape(text)}</p>" if text else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows of cells under their heads, if there are any."""
    head = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in heads) + "</tr>" if heads else ""
    lines = ("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table>{head}{"".join(lines)}</table></div>'


def figure(name: str, drawn: Mapping[str, Any]) -> str:
    """The place of a figure, `<!--name-->`, with its caption and its note."""
    meta = drawn["layout"].get("meta", {})
    caption = " · ".join(part for part in (meta.get("caption", ""), drawn["look"].get("label", "")) if part)
    note = paragraph(meta.get("note", ""))
    return f"<figure><figcaption>{escape(caption)}</figcaption><!--{name}-->{note}</figure>"


def figures(charts: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Charts as plain JSON → figures by the names of their places, one for each look of a chart."""
    return {f"figure {k}": drawn for k, drawn in enumerate(looks(charts))}


def looks(charts: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each chart once for each of its looks (see `ui/chart.py`) that has something to show."""
    for chart in charts:
        height = 560 if "yaxis2" in chart["layout"] else 420
        for look in chart["layout"].get("meta", {}).get("switch") or [{}]:
            if any(map(_says, _shown(chart["data"], look))):
                yield {"data": chart["data"], "layout": chart["layout"], "look": look, "height": height}


def _shown(traces: Sequence[Mapping[str, Any]], look: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The traces that a look shows."""
    return (trace for place, trace in enumerate(traces) if place not in look.get("hidden", ()))


def _says(trace: Mapping[str, Any]) -> bool:
    """Whether there is anything to see of a trace: nobody needs an empty frame on paper."""
    values = trace.get("z", trace.get("y", ()))
    return not isinstance(values, (list, tuple)) or any(value is not None for value in values)


def within_script(text: str) -> str:
    """JSON that may stand within a script: nothing in it can end the script or begin another."""
    return text.replace("<", "\\u003c")


def embedded(text: str, drawings: Mapping[str, Mapping[str, Any]]) -> str:
    """The file with plotly itself and the figures in their places: for where no browser draws them beforehand."""
    from plotly.offline import get_plotlyjs

    for name, drawn in drawings.items():
        place = name.replace(" ", "-")
        told = ", ".join(within_script(json.dumps(part)) for part in _light(drawn))
        call = f'<script>Plotly.newPlot("{place}", {told}, {{displaylogo: false}})</script>'
        text = text.replace(f"<!--{name}-->", f'<div id="{place}"></div>{call}')
    return text.replace("</head>", f"<script>{get_plotlyjs()}</script></head>", 1)


def _light(drawn: Mapping[str, Any]) -> tuple[Any, Any]:
    """The data and the layout of a figure in one of its looks, on white."""
    data, layout = deepcopy(drawn["data"]), deepcopy(drawn["layout"])
    for place in drawn["look"].get("hidden", ()):
        data[place]["visible"] = False
    for axis, changes in drawn["look"].get("layout", {}).items():
        layout[axis] = {**layout.get(axis, {}), **changes}
    white = {"paper_bgcolor": "#ffffff", "plot_bgcolor": "#ffffff", "height": drawn["height"]}
    return data, {**layout, **white, "font": {"color": "#222222", "size": 13, "family": "sans-serif"}}
