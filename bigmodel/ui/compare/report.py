"""A race as one HTML file: what was asked, what came out, every chart and every number. Opens without a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from html import escape
from typing import Any

from bigmodel.compare import CompareConfig
from bigmodel.ui.compare import judge, table
from bigmodel.ui.compare.seen import Seen
from bigmodel.ui.data import Source
from bigmodel.ui.widgets import written
from bigmodel.ui.words import dictionary, say

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 940px; margin: 2rem auto; }
body { padding: 0 1rem; } h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th { text-align: left; }
th, td { padding: 3px 10px 3px 0; border-bottom: 1px solid #ddd; vertical-align: top; }
figure { margin: 1.5rem 0; break-inside: avoid; } figcaption { font-weight: 600; } figure p { color: #555; }
svg { max-width: 100%; height: auto; } .scroll { overflow-x: auto; }
"""


def report(
    seen: Seen, config: CompareConfig, source: Source, values: Iterable[Any], numbers: str, language: str
) -> tuple[str, dict[str, dict[str, Any]]]:
    """The file, and the figures that the browser draws into its places (see `parcel.py`).

    `values` are those of all panels: every chart among them is in the report, once for each of its looks. `numbers`
    is the race as JSON; it lies in the file too.
    """
    figures = {f"figure {k}": figure for k, figure in enumerate(_figures(values))}
    cards = judge.answer_cards(seen, judge_names(seen, language), language)
    title = say("compare.report.title", language)
    rows = [table.cells(row, seen, language) for row in seen.ranking.ranking]
    body = (
        f"<h1>{escape(title)}</h1>",
        _table((), [[name, value] for name, value in cards["cards"]]),
        f"<p>{escape(cards['note'])}</p>",
        *(_figure(name, figure) for name, figure in figures.items()),
        f"<h2>{escape(say('compare.report.table', language))}</h2>",
        _table(table.headers(seen.varied, language), rows),
        f"<h2>{escape(say('compare.report.settings', language))}</h2>",
        _table((), _settings(config, source, language)),
        # A closing tag within the numbers would end the script.
        '<script type="application/json" id="race">' + numbers.replace("</", "<\\/") + "</script>",
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="{language}"><head>{head}</head><body>' + "\n".join(
        body
    ) + "</body></html>", figures


def judge_names(seen: Seen, language: str) -> list[str]:
    """The entries in words, as the answer names them."""
    from bigmodel.ui.compare.seen import named

    return [named(trial.entry, seen.varied, language) for trial in seen.trials]


def _figures(values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """All charts among the values of panels, a figure per look."""
    for value in values:
        if isinstance(value, dict) and value.get("__type__") == "update":
            value = value.get("value") if value.get("visible", True) else None
        if not isinstance(value, dict) or not value.get("data") or "layout" not in value:
            continue
        height = 560 if "yaxis2" in value["layout"] else 420
        for look in value["layout"].get("meta", {}).get("switch") or [{}]:
            yield {"data": value["data"], "layout": value["layout"], "look": look, "height": height}


def _figure(name: str, figure: dict[str, Any]) -> str:
    meta = figure["layout"].get("meta", {})
    caption = " · ".join(part for part in (meta.get("caption", ""), figure["look"].get("label", "")) if part)
    note = f"<p>{escape(meta['note'])}</p>" if meta.get("note") else ""
    return f"<figure><figcaption>{escape(caption)}</figcaption><!--{name}-->{note}</figure>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in heads) + "</tr>" if heads else ""
    lines = ("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table>{head}{"".join(lines)}</table></div>'


def _settings(config: CompareConfig, source: Source, language: str) -> Iterator[tuple[str, str]]:
    """The data, and every setting by its label."""
    strings = dictionary(language)
    name = source.file.replace("\\", "/").rsplit("/", 1)[-1] or source.config.dataset
    yield strings["datasets.dataset.label"], strings.get(f"dataset.{name}", name)
    for f in fields(source.config):
        if f.name not in ("dataset", "points"):
            label = strings.get(f"datasets.{f.name}.label", f.name)
            yield label, written(getattr(source.config, f.name))
    for f in fields(config):
        value = getattr(config, f.name)
        yield strings.get(f"compare.{f.name}.label", f.name), strings.get(f"{f.name}.{value}", written(value))
