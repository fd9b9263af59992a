"""A race as one HTML file: what was asked, what came out, every chart and every number. Opens without a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from bigmodel.compare import CompareConfig
from bigmodel.export import paper
from bigmodel.ui.compare import judge, table
from bigmodel.ui.compare.seen import Seen
from bigmodel.ui.data import Source
from bigmodel.ui.parcel import charts
from bigmodel.ui.widgets import written
from bigmodel.ui.words import dictionary, say


def report(
    seen: Seen, config: CompareConfig, source: Source, values: Iterable[Any], numbers: str, language: str
) -> tuple[str, dict[str, dict[str, Any]]]:
    """The file, and the figures that the browser draws into its places (see `parcel.py`).

    `values` are those of all panels: every chart among them is in the report, once for each of its looks. `numbers`
    is the race as JSON; it lies in the file too.
    """
    figures = paper.figures(charts(values))
    cards = judge.answer_cards(seen, judge_names(seen, language), language)
    title = say("compare.report.title", language)
    rows = [table.cells(row, seen, language) for row in seen.ranking.ranking]
    body = (
        paper.table((), [[name, value] for name, value in cards["cards"]]),
        paper.paragraph(cards["note"]),
        *(paper.figure(name, figure) for name, figure in figures.items()),
        paper.heading(say("compare.report.table", language)),
        paper.table(table.headers(seen.varied, language, table.knob(seen)), rows),
        paper.heading(say("compare.report.settings", language)),
        paper.table((), _settings(config, source, language)),
        f'<script type="application/json" id="race">{paper.within_script(numbers)}</script>',
    )
    return paper.page(title, body, language), figures


def judge_names(seen: Seen, language: str) -> list[str]:
    """The entries in words, as the answer names them."""
    from bigmodel.ui.compare.seen import named

    return [named(trial.entry, seen.varied, language) for trial in seen.trials]


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
