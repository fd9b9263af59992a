"""Which data to learn from: the part of the page that Train and Compare share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.datasets import DATASETS, DatasetConfig
from bigmodel.errors import BigModelError, DataError
from bigmodel.ui.widgets import Form, Page
from bigmodel.ui.words import say, word

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset

TABLE = "upload"
FILES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
_SETTINGS = ("rows", "noise", "test_share", "valid_share", "seed")


@dataclass(frozen=True)
class Source:
    """What was chosen: a built-in set, or an uploaded file and its target column."""

    config: DatasetConfig
    file: str = ""
    target: str = ""


class DataForm:
    """The widgets for a choice of data. `inputs` go to a handler, `read` turns their values into a Source."""

    def __init__(self, page: Page, prefix: str) -> None:
        self.page = page
        self.form = Form(page, DatasetConfig, prefix)
        options = (*DATASETS, TABLE)
        self.source = gr.Dropdown(list(options), value=DATASETS[0], interactive=True, elem_id=f"{prefix}-dataset")
        page.words(self.source, label="datasets.dataset.label", info="datasets.dataset.info")
        page.choices(self.source, "dataset", options)
        with gr.Group(visible=False) as self.own:
            self.file = page.words(
                gr.File(
                    file_types=[".csv", ".tsv", ".txt", ".xlsx", ".parquet"],
                    interactive=True,
                    elem_id=f"{prefix}-file",
                    height=120,
                ),
                label="datasets.file.label",
            )
            self.target = gr.Dropdown([], allow_custom_value=True, interactive=True, elem_id=f"{prefix}-target")
            page.words(self.target, label="datasets.target.label", info="datasets.target.info")
        self.form.section("datasets.more", _SETTINGS)
        self._connect()

    @property
    def inputs(self) -> list[Any]:
        """What `read` takes, in its order."""
        return [self.source, self.file, self.target, *self.form.inputs]

    def read(self, values: Sequence[Any]) -> Source:
        """The choice. Raises ConfigError, or DataError when an own table is chosen and none is there."""
        source, file, target, *settings = values
        if source == TABLE:
            if not file:
                raise DataError("data.no_file")
            return Source(self.form.read(settings), str(file), str(target or ""))
        return Source(self.form.read(settings, dataset=source))

    def told(self, values: Sequence[Any]) -> dict[str, str]:
        """The choice as a link writes it. A table itself stays behind: a link holds its target only."""
        source, _, target, *settings = values
        found = {f"data_{name}": text for name, text in self.form.told(settings).items()}
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
        updates = [gr.update(value=wish) if wish is not None else gr.skip() for wish in (source, None, target)]
        return [*updates, *settings], problems

    def _connect(self) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}

        def own(source: str) -> Any:
            return gr.update(visible=source == TABLE)

        def look(file: str | None, target: str | None, language: str) -> Any:
            """Read the table as soon as it is there: its columns are the targets to choose from. A target that was
            chosen stays if the table has it: Compare hands over a table together with its target."""
            if not file:
                return gr.update(choices=[], value=None)
            from bigmodel.datasets import read_table

            try:
                table = read_table(file)
            except BigModelError as error:
                raise gr.Error(word(error, language), print_exception=False) from None
            for notice in table.notices:
                gr.Info(say(f"datasets.notice.{notice.key}", language, **dict(notice.values)))
            return gr.update(choices=list(table.columns), value=target if target in table.columns else table.target)

        self.source.change(own, [self.source], [self.own], **quiet)
        # In the queue: outside it Gradio shows no toast, neither an error's nor a notice's.
        self.file.change(look, [self.file, self.target, self.page.language], [self.target], **{**quiet, "queue": True})


def load(source: Source) -> Dataset:
    """The data set of a Source; loads scikit-learn, so it belongs on a run's thread. Raises DataError."""
    from bigmodel.datasets import load_dataset, read_table, table_dataset

    if not source.file:
        return load_dataset(source.config)
    table = read_table(source.file)
    return table_dataset(table, source.target or table.target, source.config)
