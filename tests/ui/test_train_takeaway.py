"""What the page hands over of a training."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bigmodel.datasets import DatasetConfig
from bigmodel.errors import RunError
from bigmodel.export import query
from bigmodel.runs import Run
from bigmodel.train import TrainConfig
from bigmodel.ui.data import Source
from bigmodel.ui.train import judge, takeaway
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import epochs, snapshot, strict
from tests.ui.test_judge import trained
from tests.ui.test_link import TABS


@pytest.fixture(scope="module")
def run() -> Run:
    """A run that has ended, its test part opened."""
    found = trained()
    judge.look(found)
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", takeaway.FILES)
def test_every_file_can_be_taken(run: Run, name: str, language: str) -> None:
    """Each button gives a file with its name, type and content."""
    file = takeaway.made(name, run, language)
    assert file["name"].startswith({"script": "train", "notebook": "train"}.get(name, name))
    assert file["text"]
    strict([file])


@pytest.mark.parametrize("name", takeaway.FILES)
def test_without_a_network_it_is_one_sentence(name: str) -> None:
    """No run, or one that has no epoch yet, has nothing to be taken away."""
    with pytest.raises(RunError, match="no trained network"):
        takeaway.made(name, None, "en")


def test_files_hold_what_was_trained(run: Run) -> None:
    """The script holds the epochs that were trained, the curve a line for each, the scores both parts."""
    assert "EPOCHS = 2" in takeaway.scripts(run)["train.py"]
    assert len(takeaway.table(run)["curve.csv"].splitlines()) == 4
    assert {line.split(",")[0] for line in takeaway.marked(run)["scores.csv"].splitlines()} == {"part", "valid", "test"}
    broken = trained(learning_rate=10.0, optimizer="sgd", loss="mse", epochs=30)
    assert "it has diverged" in takeaway.scripts(broken)["train.py"]


def test_buttons_wait_for_what_they_give() -> None:
    """With an epoch there is a script, with scores there are scores."""
    waiting = [update["interactive"] for update in takeaway.view(None, "en")]
    begun = [update["interactive"] for update in takeaway.view(snapshot(*epochs(1)), "en")]
    assert (waiting, begun) == ([False] * 5, [True, True, True, True, False])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_holds_every_chart_of_the_page(run: Run, language: str) -> None:
    """Losses, boundary, health, matrix and curves, each with a place; nothing is reached for; the test is in it."""
    file = takeaway.made("report", run, language)
    assert re.findall(r"<!--(figure \d+)-->", file["text"]) == list(file["figures"])
    assert len(file["figures"]) >= 7
    assert say("chart.confusion.caption", language) in file["text"]
    assert say("train.part.test", language) in file["text"]
    assert not re.search(r"(src|href)\s*=|url\(", file["text"])


def test_a_run_that_was_opened_again_can_be_taken_too(run: Run) -> None:
    """Built-in data is made anew; a table that is gone is one sentence."""
    again = trained()
    kept = {name: again.shelf[name] for name in ("source", "config")}
    again.shelf.clear()
    again.shelf.update(kept)
    assert takeaway.scripts(again) == takeaway.scripts(run)
    again.shelf["source"] = replace(kept["source"], file="/gone/plants.csv")
    with pytest.raises(RunError, match="no longer here"):
        takeaway.scripts(again)


def test_the_place_of_an_upload_is_nobodys_business(run: Run) -> None:
    """A report names a table without its folder, and what it is called stays text."""
    shelf = dict(run.shelf)
    run.shelf["source"] = Source(DatasetConfig(), "/secret/<script>x.csv", "a")
    try:
        text = takeaway.made("report", run, "en")["text"]
    finally:
        run.shelf.update(shelf)
    assert "/secret" not in text
    assert "<script>x" not in text


@pytest.mark.parametrize(
    ("config", "source"),
    [
        (TrainConfig(), DatasetConfig()),
        (TrainConfig(widths=(8, 4), dropout=0.25), DatasetConfig(dataset="xor", noise=0.3)),
    ],
)
def test_the_link_of_a_report_opens_the_same_settings(config: TrainConfig, source: DatasetConfig) -> None:
    """The page fills its forms from it with the very settings of the training."""
    tab = TABS["train"]
    values = tab.opened(query(config, source))
    count = len(tab.data.inputs)
    assert tab.data.read(values[:count]).config == source
    assert tab.form.read(values[count:]) == config
