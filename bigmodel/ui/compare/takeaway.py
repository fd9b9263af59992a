"""What can be taken away: numbers, charts, a report, scripts that search again elsewhere, and a free ensemble."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.compare.takeaway import Where, as_csv, as_json, encoded, optuna_script, sklearn_script
from bigmodel.errors import BigModelError
from bigmodel.runs import Shelf
from bigmodel.ui.compare import finders
from bigmodel.ui.compare.seen import Seen, see
from bigmodel.ui.parcel import PICTURE, packed, parcel
from bigmodel.ui.widgets import QUIET, number_cards
from bigmodel.ui.words import say, word

if TYPE_CHECKING:
    from bigmodel.compare.race import Race
    from bigmodel.datasets import Dataset
    from bigmodel.ui.compare import Track
    from bigmodel.ui.data import Source
    from bigmodel.ui.live import Live
    from bigmodel.ui.widgets import Page

FILES = {
    "csv": "race.csv",
    "json": "race.json",
    "report": "race.html",
    "sklearn": "race_sklearn.py",
    "optuna": "race_optuna.py",
}
CHARTS = ("axis", "curves", "votes", "map", "weights", "replay")
"""Charts that can be saved as pictures: `compare-NAME` on the page."""


def build(page: Page, live: Live, track: Track) -> list[Any]:
    """The ensemble's numbers, a button per file, and a chart as a picture."""
    ensemble = number_cards(elem_id="compare-ensemble", visible=False)
    with gr.Column(visible=False, elem_id="compare-takeaway") as box:
        page.markdown("compare.takeaway", elem_classes="orders-title")
        with gr.Row(elem_classes="orders"):
            buttons = {
                name: page.button(f"compare.file.{name}", size="sm", elem_id=f"compare-file-{name}", min_width=110)
                for name in FILES
            }
        with gr.Row(elem_classes="orders"):
            names = [f"compare-{name}" for name in CHARTS]
            chart = gr.Dropdown(names, value=names[0], interactive=True, elem_id="compare-picture", min_width=240)
            page.words(chart, label="compare.picture.label", info="compare.picture.info")
            page.says(chart, lambda language: {"choices": pictures(language)})
            for kind in ("png", "svg"):
                button = page.button(f"compare.file.{kind}", size="sm", elem_id=f"compare-file-{kind}", min_width=90)
                button.click(None, [chart], None, js=PICTURE % (kind, kind), api_visibility="private")
        goods = parcel(elem_id="compare-parcel")
    for name, button in buttons.items():
        _connect(page, live, name, button, goods)
    return [ensemble, box]


def _connect(page: Page, live: Live, name: str, button: gr.Button, goods: gr.HTML) -> None:
    def press(visitor: str, language: str, request: gr.Request) -> Any:
        run = live.run("compare", visitor, request)
        seen = see(run.snapshot()) if run else None
        try:
            return made(name, run.shelf, seen, language) if run and seen and "race" in run.shelf else gr.skip()
        except BigModelError as error:
            raise gr.Error(word(error, language), print_exception=False) from None

    button.click(press, [page.visitor, page.language], [goods], concurrency_limit=None, **QUIET)


def pictures(language: str) -> list[tuple[str, str]]:
    """The charts by their names."""
    return [(say(f"compare.picture.{name}", language), f"compare-{name}") for name in CHARTS]


def made(name: str, shelf: Shelf, seen: Seen, language: str) -> dict[str, Any]:
    """One of FILES, ready for the page."""
    race, config = shelf["race"], shelf["config"]
    seeds = race.seeds[: len(seen.trials[0].losses)]
    if name == "csv":
        return packed(FILES[name], as_csv(config, seen.trials, seen.answer, seeds))
    if name == "json":
        return packed(FILES[name], numbers(shelf, seen, language))
    if name == "report":
        from bigmodel.ui.compare import PANELS
        from bigmodel.ui.compare.report import report

        values = [value for panel in PANELS for value in panel.view(seen, language)]
        told = report(seen, config, shelf["source"], values, numbers(shelf, seen, language), language)
        return packed(FILES[name], *told)
    script = sklearn_script if name == "sklearn" else optuna_script
    entries = [trial.entry for trial in seen.trials]
    epochs = max(1, seen.rounds[-1].number)
    data = shelf["data"]
    text = script(config, entries, seeds, where(shelf["source"], data), data, epochs)
    return packed(FILES[name], text, beside=beside(data))


def beside(data: Dataset) -> dict[str, str]:
    """What a script needs beside it: the rows that an encoder has read. RunError where they are too many."""
    from bigmodel.export.data import check, table

    if not encoded(data):
        return {}
    check(data)
    return {"data.csv": table(data)}


def where(source: Source, data: Dataset) -> Where:
    """Where a script finds the data: an own table by its name alone."""
    return Where(source.config, Path(source.file).name if source.file else "", data.recipe["target"])


def numbers(shelf: Shelf, seen: Seen, language: str) -> str:
    """All that is known of a race, as JSON."""
    source = shelf["source"]
    return as_json(
        data={
            "settings": source.config,
            "file": Path(source.file).name if source.file else "",
            "target": source.target,
        },
        config=shelf["config"],
        seeds=shelf["race"].seeds,
        entries=seen.trials,
        curves=seen.curves,
        answer=seen.answer,
        test=seen.verdict,
        finders=[{"optimizer": case.name, "votes": case.votes} for case in finders.heard(seen, language)],
        weights=seen.last("Weights"),
        ensemble=seen.last("Ensemble"),
    )


def view(seen: Seen | None, language: str) -> list[Any]:
    """The ensemble once it is there, the files once there is a race."""
    together = seen.last("Ensemble") if seen else None
    return [
        gr.update(value=ensemble_cards(together, language) if together else None, visible=together is not None),
        gr.update(visible=seen is not None),
    ]


def ensemble_cards(found: Any, language: str) -> dict[str, Any]:
    """The best single network beside those that are better together."""
    count = len(found.chosen)
    cards = [
        (say("compare.ensemble.single", language), f"{found.single_test_loss:.4f}"),
        (say("compare.ensemble.together", language, count=count), f"{found.test_loss:.4f}"),
        (say("compare.ensemble.single.accuracy", language), f"{found.single_accuracy:.1%}"),
        (say("compare.ensemble.together.accuracy", language), f"{found.accuracy:.1%}"),
    ]
    gain = found.single_test_loss - found.test_loss
    key = "alone" if count == 1 else "gain" if gain > 0 else "none"
    return {
        "cards": cards,
        "note": say(f"compare.ensemble.{key}", language, count=count, gain=abs(gain), rows=found.rows),
    }


def after(race: Race) -> Iterator[Any]:
    """When the race has ended: its networks together."""
    from bigmodel.compare.ensemble import gather

    yield from gather(race)
