"""What can be taken away of a training: a script and a notebook that make the same curve, a report, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.errors import RunError
from bigmodel.runs import Run, Snapshot
from bigmodel.train import Epoch
from bigmodel.train.judging import Judged
from bigmodel.ui.data import load
from bigmodel.ui.parcel import charts, packed, parcel
from bigmodel.ui.train.judge import told
from bigmodel.ui.train.setup import Setup
from bigmodel.ui.widgets import QUIET
from bigmodel.ui.words import dictionary

if TYPE_CHECKING:
    from bigmodel.export import Account, Training
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page

FILES = ("script", "notebook", "report", "curve", "scores")


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """A button per file, and what hands it to the browser."""
    page.markdown("train.take.title", elem_classes="panel-title")
    with gr.Row(elem_classes="actions"):
        buttons = {
            name: page.button(
                f"train.take.{name}", size="sm", elem_id=f"train-take-{name}", interactive=False, min_width=120
            )
            for name in FILES
        }
    page.markdown("train.take.info", elem_classes="lesson")
    saver = parcel(elem_id="train-take-saver")
    for name, button in buttons.items():
        _connect(page, live, name, button, saver)
    return list(buttons.values())


def _connect(page: Page, live: Live, name: str, button: gr.Button, saver: gr.HTML) -> None:
    def taken(visitor: str, language: str, request: gr.Request) -> dict[str, Any]:
        with told(language):
            return made(name, live.run("train", visitor, request), language)

    button.click(taken, [page.visitor, page.language], [saver], **QUIET)


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """The buttons may be pressed as soon as there is an epoch, the scores' as soon as there are any."""
    events = snapshot.events if snapshot else ()
    there = any(isinstance(event, Epoch) for event in events)
    judged = any(isinstance(event, Judged) for event in events)
    return [gr.update(interactive=judged if name == "scores" else there) for name in FILES]


def made(name: str, run: Run | None, language: str) -> dict[str, Any]:
    """One of FILES, ready for the page, with the data beside a script that needs it. RunError without a network."""
    if name == "report":
        return packed("report.html", *reported(run, language))
    makers = {"script": scripts, "notebook": lambda one: notebooks(one, language), "curve": table, "scores": marked}
    (first, text), *others = makers[name](run).items()
    return packed(first, text, beside=dict(others))


def recipe(run: Run | None) -> Training:
    """The training of a run as far as it came. A run that was opened again has its built-in data made anew."""
    from bigmodel.export import Training

    shelf = run.shelf if run is not None else {}
    epochs = _epochs(run)
    source, data = shelf.get("source"), shelf.get("data")
    if not epochs or source is None or "config" not in shelf:
        raise RunError("train.no_network")
    if data is None and source.file:
        raise RunError("export.table")
    return Training(shelf["config"], source.config, data or load(source), epochs[-1], shelf.get("origin"))


def scripts(run: Run | None) -> dict[str, str]:
    """The script of a run, with its data where that is an own table."""
    from bigmodel.export import files

    return files(recipe(run))


def notebooks(run: Run | None, language: str) -> dict[str, str]:
    """The same as a notebook."""
    from bigmodel.export import files, notebook

    training = recipe(run)
    beside = {name: text for name, text in files(training).items() if name != "train.py"}
    return {"train.ipynb": notebook(training, dictionary(language)), **beside}


def table(run: Run | None) -> dict[str, str]:
    """The curve of a run, an epoch a line."""
    from bigmodel.export import curve

    epochs = _epochs(run)
    if not epochs:
        raise RunError("train.no_network")
    return {"curve.csv": curve(epochs)}


def marked(run: Run | None) -> dict[str, str]:
    """The scores of a run on each part that was judged."""
    from bigmodel.export import scores

    judged = _judged(run)
    if not judged:
        raise RunError("train.no_network")
    return {"scores.csv": scores(judged)}


def reported(run: Run | None, language: str) -> tuple[str, Mapping[str, Any]]:
    """The report of a run, and the figures that the browser draws into it."""
    from bigmodel.export import report

    training = recipe(run)
    assert run is not None, "a training belongs to a run"
    return report(training, account(run, training, language), dictionary(language), language)


def account(run: Run, training: Training, language: str) -> Account:
    """What is known of a run beside its recipe: every chart on the page, as it would be without a look back."""
    from bigmodel.export import Account, command, query
    from bigmodel.export.data import noticed
    from bigmodel.ui.train import coach
    from bigmodel.ui.train import view as panels

    snapshot, source = replace(run.snapshot(), past=None), run.shelf["source"]
    own = {"file": Path(source.file.replace("\\", "/")).name, "target": source.target}
    return Account(
        epochs=_epochs(run),
        judged=_judged(run),
        diagnoses=coach.advise(snapshot),
        noticed=noticed(source.file, source.target, source.config),
        charts=tuple(charts(panels(snapshot, language))),
        command=command(training.config, training.source, **own, leave_out=source.leave_out),
        link=query(training.config, training.source, **own),
        parameters=next((event.parameters for event in snapshot.events if isinstance(event, Setup)), 0),
        **own,
    )


def _epochs(run: Run | None) -> list[Epoch]:
    return [event for event in run.snapshot().events if isinstance(event, Epoch)] if run is not None else []


def _judged(run: Run | None) -> list[Judged]:
    """The newest scores of each part."""
    found = {event.part: event for event in run.snapshot().events if isinstance(event, Judged)} if run else {}
    return [found[part] for part in ("valid", "test") if part in found]
