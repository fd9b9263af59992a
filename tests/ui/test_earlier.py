"""The list of earlier runs."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from bigmodel.datasets import DatasetConfig
from bigmodel.runs import Recipe, Runs, Store
from bigmodel.train import TrainConfig
from bigmodel.ui import train
from bigmodel.ui.data import Source
from bigmodel.ui.live import Live
from bigmodel.ui.train import earlier
from bigmodel.ui.widgets import Page
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import epoch, epochs, strict

ANN, BOB = "page1.ann", "page1.bob"


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(store=Store(tmp_path, pause=0.0))


def trained(runs: Runs, owner: str, count: int, *, dataset: str = "moons", job: Any = None, **settings: Any) -> Any:
    """A run of made epochs, ended and kept."""
    source, config = Source(DatasetConfig(dataset=dataset)), TrainConfig(**settings)
    recipe = Recipe({"source": source, "config": config}, earlier.digest)
    run = runs.start(owner, "train", job or (lambda shelf: (event for event in epochs(count))), recipe=recipe)
    assert job or run.wait(5)
    return run


class Tab:
    """The Train tab over these runs, its list's handlers by name."""

    def __init__(self, runs: Runs) -> None:
        with gr.Blocks(analytics_enabled=False) as blocks:
            page = Page()
            self.desk = train.build(page, Live(runs, page))
        self.handlers = {fn.fn.__name__: fn.fn for fn in blocks.fns.values() if fn.fn}

    def choose(self, owner: str, **wish: Any) -> list[Any]:
        asks, event = SimpleNamespace(session_hash="s"), SimpleNamespace(_data=wish)
        return self.handlers["choose"](owner, "en", asks, event)  # type: ignore[no-any-return]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_list_says_what_was_trained(runs: Runs, language: str) -> None:
    """Each line tells the data, what was set otherwise than by default, the epochs and the best validation loss."""
    trained(runs, ANN, 10)
    trained(runs, ANN, 4, dataset="iris", learning_rate=0.05, widths=(8, 4), optimizer="sgd", epochs=20)
    value = earlier.listed(runs, ANN, language)
    strict([value])
    newest, first = value["rows"]
    assert first["cells"][1] == say("earlier.defaults", language)
    assert (first["cells"][2], first["cells"][3]) == ("10 / 10", f"{1.23456 / 11:.4f}")
    assert newest["cells"][0] == say("dataset.iris", language)
    for label, shown in (("learning_rate", "0.05"), ("widths", "8-4"), ("optimizer", "SGD")):
        assert f"{say(f'train.{label}.label', language)} {shown}".lower() in newest["cells"][1].lower()
    assert len(value["heads"]) == len(newest["cells"]) + 3


def test_the_best_loss_is_the_lowest_finite_one() -> None:
    """Epochs that diverged do not count."""
    told: dict[str, Any] = {}
    for event in (epoch(3), epoch(1), epoch(4, broken=True)):
        told = earlier.digest(told, event)
    assert told == {"epochs": 4, "of": 10, "loss": epoch(3).valid_loss}
    assert math.isfinite(told["loss"])


def test_nobody_lists_lays_or_opens_anothers_run(runs: Runs) -> None:
    """A visitor who names another browser's run gets nothing of it."""
    trained(runs, ANN, 3)
    (secret,) = (run.id for run in runs.kept(ANN, "train"))
    tab = Tab(runs)
    assert earlier.listed(runs, BOB, "en")["rows"] == []
    tab.choose(BOB, open=secret)
    assert runs.get(BOB, "train") is None
    tab.choose(BOB, lay=[secret])
    run = runs.get(BOB, "train")
    assert run is not None
    assert run.snapshot().others == ()
    for junk in ({}, {"open": None}, {"open": {}}, {"lay": "x"}, {"lay": [1, None, {}]}, {"lay": None}):
        tab.choose(BOB, **junk)


def test_an_opened_run_is_drawn_and_fills_the_form(runs: Runs) -> None:
    """Opening shows the curve of then and puts its settings into the form."""
    trained(runs, ANN, 5, dataset="spirals", learning_rate=0.03)
    trained(runs, ANN, 2)
    tab = Tab(runs)
    kept = runs.kept(ANN, "train")[1]
    updates = tab.choose(ANN, open=kept.id)[1:]
    shown = {widget: update.get("value") for widget, update in zip(tab.desk.inputs, updates, strict=True)}
    assert shown[tab.desk.data.source] == "spirals"
    assert shown[tab.desk.form.widgets["learning_rate"]] == 0.03
    run = runs.get(ANN, "train")
    assert run is not None
    assert len(train.view(run.snapshot(), "en")[0]["data"][0]["x"]) == 6


def test_laid_over_runs_are_dotted_curves(runs: Runs) -> None:
    """Ticked runs stand in both charts beside the present one, and in the list as ticked."""
    trained(runs, ANN, 5)
    trained(runs, ANN, 2, learning_rate=0.5)
    tab = Tab(runs)
    past = runs.kept(ANN, "train")[1]
    value = tab.choose(ANN, lay=[past.id])[0]
    assert value["laid"] == [past.id]
    run = runs.get(ANN, "train")
    assert run is not None
    loss, accuracy, *_ = train.view(run.snapshot(), "en")
    for chart in (loss, accuracy):
        dotted = [line for line in chart["data"] if line["line"].get("dash") == "dot"]
        assert [line["x"] for line in dotted] == [list(range(6))]
    assert tab.choose(ANN, lay=[])[0]["laid"] == []


def test_a_run_under_way_is_not_ended_by_a_click(runs: Runs) -> None:
    """Opening an earlier run while one trains is refused in one sentence."""
    trained(runs, ANN, 2)

    def endless(shelf: dict[str, Any]) -> Any:
        while True:
            yield epoch(0)

    run = runs.start(ANN, "train", endless, rate=50)
    tab = Tab(runs)
    with pytest.raises(gr.Error, match="Stop it first"):
        tab.choose(ANN, open=runs.kept(ANN, "train")[0].id)
    assert not run.ended
    run.stop()


def test_list_is_read_anew_when_the_run_turns() -> None:
    """The flag that the list listens to changes with state and language, and with nothing else."""
    from tests.ui.made import snapshot

    assert earlier.view(snapshot(*epochs(1)), "en") == earlier.view(snapshot(*epochs(5)), "en")
    assert earlier.view(snapshot(*epochs(1)), "en") != earlier.view(snapshot(*epochs(1), state="done"), "en")
    assert earlier.view(None, "en") != earlier.view(None, "zh")
