"""Which data to learn from: the part of the page that Train and Compare share."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.datasets import DATASETS, DRAWN, MADE, SENTENCES, DatasetConfig, Reading, drain, sentences
from bigmodel.datasets.drawn import FEWEST_POINTS
from bigmodel.errors import BigModelError, DataError
from bigmodel.ui import doctor
from bigmodel.ui.drawing import LINKED, drawing
from bigmodel.ui.heavy import alone
from bigmodel.ui.models import opening_line, title
from bigmodel.ui.widgets import QUIET, Form, Page
from bigmodel.ui.words import say, word

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset, Table
    from bigmodel.datasets.doctor import Report

TABLE = "upload"
AUTO = "auto"
FILES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
_SETTINGS = ("rows", "noise", "test_share", "valid_share", "seed", "distinct")
_MEANT = {"rows": MADE, "noise": MADE[1:], "distinct": (TABLE, *SENTENCES), "terms": (TABLE, *SENTENCES)}
"""The settings that mean something for some data only; the article's problem is made without noise."""


@dataclass(frozen=True)
class Source:
    """What was chosen: a built-in set, or an uploaded file, its target column and the columns that are left out."""

    config: DatasetConfig
    file: str = ""
    target: str = ""
    leave_out: tuple[str, ...] = ()

    @property
    def read_slowly(self) -> bool:
        """Whether an encoder reads it: too long for a glance."""
        return self.config.features != "tfidf" and bool(self.file or self.config.dataset in SENTENCES)


class DataForm:
    """The widgets for a choice of data. `inputs` go to a handler, `read` turns their values into a Source."""

    def __init__(self, page: Page, prefix: str) -> None:
        self.page = page
        self.prefix = prefix
        self.form = Form(page, DatasetConfig, prefix)
        options = (*DATASETS, TABLE)
        self.source = gr.Dropdown(list(options), value=DATASETS[0], interactive=True, elem_id=f"{prefix}-dataset")
        page.words(self.source, label="datasets.dataset.label", info="datasets.dataset.info")
        page.choices(self.source, "dataset", options)
        with gr.Column(visible=False) as self.own:
            self._build_table()
        with gr.Column(visible=False) as self.board:
            self.drawing = self.form.widgets["points"] = drawing(page, elem_id=f"{prefix}-points")
        self.form.section("datasets.more", _SETTINGS)
        words = page.words(gr.Accordion(open=False, visible=False, elem_id=f"{prefix}-words"), label="datasets.words")
        with words as self.words:
            self._build_words()
        for name, data in _MEANT.items():
            self.form.widgets[name].visible = DATASETS[0] in data
        with page.words(gr.Accordion(open=False, elem_id=f"{prefix}-look"), label="datasets.look") as self.look:
            self.preview = doctor.report_card(elem_id=f"{prefix}-preview")
        # The tables read last: a change of target need not read a file of 50 MB again.
        self._tables: dict[tuple[str, float], Table] = {}
        self._connect()

    @property
    def inputs(self) -> list[Any]:
        """What `read` takes, in its order."""
        return [self.source, self.file, self.target, self.leave_out, *self.form.inputs]

    def read(self, values: Sequence[Any]) -> Source:
        """The choice. Raises ConfigError, or DataError when an own table is chosen and none is there."""
        source, file, target, leave_out, *settings = values
        if source == TABLE:
            if not file:
                raise DataError("data.no_file")
            config = replace(self.form.read(settings), points="")
            return Source(config, str(file), str(target or ""), tuple(map(str, leave_out or ())))
        config = self.form.read(settings, dataset=source)
        if source != DRAWN:
            return Source(replace(config, points=""))
        if not config.points:
            raise DataError("drawn.few", points=0, least=FEWEST_POINTS)
        return Source(config)

    def show(self, source: Source) -> list[Any]:
        """Updates that put a choice into the widgets, in the order of `inputs`; a table itself must be chosen again."""
        own = bool(source.file)
        table = [gr.update(value=source.target), gr.update(value=list(source.leave_out))] if own else [gr.skip()] * 2
        chosen = gr.update(value=TABLE if own else source.config.dataset)
        settings = dict(zip(self.form.widgets, self.form.show(source.config), strict=True))
        # A run of other data is no reason to lose a drawing.
        settings |= {} if source.config.points else {"points": gr.skip()}
        return [chosen, gr.skip(), *table, *settings.values()]

    def told(self, values: Sequence[Any]) -> dict[str, str]:
        """The choice as a link writes it. A table itself stays behind: a link holds its target only."""
        source, _, target, _, *settings = values
        found = {f"data_{name}": text for name, text in self.form.told(settings).items()}
        if source != DRAWN or len(found.get("data_points", "")) > LINKED:
            found.pop("data_points", None)
        if source != DATASETS[0]:
            found["dataset"] = str(source)
        if source == TABLE and target:
            found["data_target"] = str(target)
        return found

    def taken(self, wishes: Mapping[str, str]) -> tuple[list[Any], list[BigModelError]]:
        """Updates that fill in what a link wishes, in the order of `inputs`, and what is wrong with the rest of it."""
        own = {name.removeprefix("data_"): wish for name, wish in wishes.items() if name.startswith("data_")}
        settings, problems = self.form.taken(own)
        source, target, options = wishes.get("dataset"), own.get("target"), (*DATASETS, TABLE)
        if source is not None and source not in options:
            said = {"field": "dataset", "label": "datasets.dataset.label", "value": source[:40]}
            problems.insert(0, BigModelError("config.choice", **said, options=", ".join(options)))
            source = None
        updates = [gr.update(value=wish) if wish is not None else gr.skip() for wish in (source, None, target, None)]
        return [*updates, *settings], problems

    def _build_table(self) -> None:
        page, prefix = self.page, self.prefix
        with gr.Group():
            self.file = gr.File(file_types=list(FILES), interactive=True, elem_id=f"{prefix}-file", height=120)
            page.words(self.file, label="datasets.file.label")
            self.target = gr.Dropdown([], allow_custom_value=True, interactive=True, elem_id=f"{prefix}-target")
            page.words(self.target, label="datasets.target.label", info="datasets.target.info")
            self.leave_out = gr.Dropdown([], multiselect=True, interactive=True, elem_id=f"{prefix}-leave-out")
            page.words(self.leave_out, label="datasets.leave_out.label", info="datasets.leave_out.info")
        self.report = doctor.report_card(elem_id=f"{prefix}-doctor")

    def _build_words(self) -> None:
        """What becomes of text: TF-IDF, or what a pre-trained encoder makes of it."""
        page = self.page
        self.form.field("features")
        menu = gr.Dropdown(
            [AUTO], value=AUTO, allow_custom_value=True, interactive=True, elem_id=f"{self.prefix}-encoder"
        )
        page.words(menu, label="datasets.encoder.label", info="datasets.encoder.info")
        page.says(menu, lambda language: {"choices": encoders(language)})
        self.form.widgets["encoder"] = menu
        self.form.field("tokens")
        self.form.field("terms")

    def _connect(self) -> None:
        language = self.page.language

        def own(source: str) -> list[Any]:
            meant = (source in data for data in _MEANT.values())
            return [gr.update(visible=shown) for shown in (source == TABLE, source == DRAWN, source != TABLE, *meant)]

        turned = [self.own, self.board, self.look, *(self.form.widgets[name] for name in _MEANT)]
        self.source.change(own, [self.source], turned, queue=False, **QUIET)
        self.source.change(_has_words, [self.source], [self.words], queue=False, **QUIET)
        # In the queue: outside it Gradio shows no toast.
        own_table = [self.file, self.target, self.leave_out, language, *self.form.inputs]
        self.file.change(self._uploaded, own_table, [self.target, self.leave_out, self.report], **QUIET)
        self.target.input(self._aimed, own_table, [self.leave_out, self.report], **QUIET)
        built_in = [self.source, language, *self.form.inputs]
        self.look.expand(self._previewed, built_in, self.preview, **QUIET)
        for widget in (self.source, self.form.widgets["rows"], self.form.widgets["noise"], self.form.widgets["seed"]):
            widget.change(self._previewed, built_in, self.preview, trigger_mode="always_last", **QUIET)
        self.drawing.release(self._previewed, built_in, self.preview, trigger_mode="always_last", **QUIET)
        language.change(self._aimed, own_table, [self.leave_out, self.report], **QUIET)
        language.change(self._previewed, built_in, self.preview, **QUIET)

    def _uploaded(
        self, file: str | None, target: str | None, leave_out: list[str] | None, language: str, *settings: Any
    ) -> Iterator[list[Any]]:
        """Read the table as soon as it is there: its columns are the targets to choose from. A target that was chosen
        stays if the table has it, with what was left out: Compare hands over a table together with both."""
        if not file:
            yield [gr.update(choices=[], value=None), gr.update(choices=[], value=[]), None]
            return
        try:
            steps = self._examined(file, settings, lambda columns: target in columns and str(target))
            table, report = yield from doctor.waited(steps, language, 2)
        except BigModelError as error:
            gr.Warning(word(error, language))
            lost = doctor.failed(error, language)
            yield [gr.update(choices=[], value=None), gr.update(choices=[], value=[]), lost]
            return
        others = [name for name in table.columns if name != report.target]
        chosen = [name for name in leave_out or () if name in others] if report.target == target else []
        yield [
            gr.update(choices=list(table.columns), value=report.target),
            gr.update(choices=others, value=chosen or list(report.leave_out)),
            doctor.view(report, language),
        ]

    def _aimed(
        self, file: str | None, target: str | None, leave_out: list[str] | None, language: str, *settings: Any
    ) -> Iterator[list[Any]]:
        """Look again: at another target, or in another language."""
        if not file:
            yield [gr.skip(), gr.skip()]
            return
        try:
            steps = self._examined(file, settings, lambda columns: str(target or ""))
            table, report = yield from doctor.waited(steps, language, 1)
        except BigModelError as error:
            yield [gr.skip(), doctor.failed(error, language)]
            return
        others = [name for name in table.columns if name != target]
        kept = [name for name in leave_out or () if name in others]
        yield [gr.update(choices=others, value=kept), doctor.view(report, language)]

    def _examined(
        self, file: str, settings: Sequence[Any], aim: Callable[[Sequence[str]], str | bool]
    ) -> Generator[Reading, None, tuple[Table, Report]]:
        """A table and what there is to say of it; `aim` gives its target, if it has one."""
        yield Reading("rows", 0)
        with alone():
            import sklearn.tree  # noqa: F401

            from bigmodel.datasets.doctor import examining
            from bigmodel.datasets.table import reading
        place = (file, _stamp(file))
        table = self._tables.get(place)
        if table is None:
            table = yield from reading(file)
            self._tables = {**dict([*self._tables.items()][-1:]), place: table}
        target = aim(table.columns) or table.target
        report = yield from examining(table, str(target), self.form.read(settings))
        return table, report

    def _previewed(self, source: str, language: str, *settings: Any) -> Any:
        """The same look at a built-in set."""
        if source == TABLE:
            return None
        from bigmodel.datasets.doctor import describe, examine

        try:
            chosen = self.read([source, None, None, None, *settings])
            if source in SENTENCES:
                table = sentences(source)
                return doctor.view(examine(table, table.target, chosen.config), language)
            return doctor.view(describe(load(chosen)), language)
        except BigModelError as error:
            return doctor.failed(error, language)


def load(source: Source) -> Dataset:
    """The data set of a Source; loads scikit-learn, so it belongs on a run's thread. Raises DataError."""
    with alone():
        return drain(loading(source))


def loading(source: Source) -> Generator[Any, None, Dataset]:
    """The same, with an event now and then of what is being read."""
    from bigmodel import datasets
    from bigmodel.datasets.table import reading

    if not source.file:
        return (yield from datasets.loading(source.config))
    table = yield from reading(source.file)
    return (yield from datasets.table_loading(table, source.target or table.target, source.config, source.leave_out))


def _has_words(source: str) -> Any:
    """What becomes of text is asked where there may be some."""
    return gr.update(visible=source in (TABLE, *SENTENCES))


def loading_line(event: Any, language: str) -> tuple[str, float]:
    """What the status line says while data comes in, and its progress; nothing for other events."""
    if isinstance(event, Reading):
        said = {"done": event.done, "of": event.of}
        return say(f"datasets.reading.{event.stage}", language, **said), event.done / event.of if event.of else 0.0
    return opening_line(event, language)


def encoders(language: str) -> list[tuple[str, str]]:
    """The menu of encoders: the one that ships for the language of the texts first."""
    from bigmodel.checkpoints import catalogue

    return [
        (say("datasets.encoder.auto", language), AUTO),
        *((title(m, language), m.name) for m in catalogue("encoder")),
    ]


def _stamp(path: str) -> float:
    """When a file was written, so that another one of the same name is read anew."""
    return os.stat(path).st_mtime if os.path.exists(path) else 0.0
