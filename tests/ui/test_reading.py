"""Text on the Train tab: what is told while an encoder reads, and what a fine-tuning shows and refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bigmodel.checkpoints import Opening
from bigmodel.datasets import DatasetConfig, Reading
from bigmodel.errors import RunError
from bigmodel.saved import dump
from bigmodel.train import Epoch, TrainConfig
from bigmodel.train.baselines import Baseline
from bigmodel.ui import train
from bigmodel.ui.data import Source, encoders, loading_line
from bigmodel.ui.train import coach, dropped, judge, plane, predict, steer, takeaway, using
from bigmodel.ui.train.setup import Setup
from bigmodel.ui.words import LANGUAGES, say
from tests import hub as hubs
from tests.ui.made import epochs, judged, setup, snapshot, strict

TUNED = replace(setup(), plane=None)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Any]]:
    """The shelf and the events of a fine-tuning of a tiny BERT on a table of texts, to its conclusion."""
    folder = tmp_path_factory.mktemp("reading")
    bert = str(hubs.make_bert(folder / "tiny"))
    lines = [f"the {('rain', 'soup')[k % 2]} number {k},{'uv'[k % 2]}" for k in range(60)]
    (folder / "texts.csv").write_text("words,kind\n" + "\n".join(lines), encoding="utf-8")
    source = Source(DatasetConfig(features="tuned", encoder=bert), str(folder / "texts.csv"), "kind")
    shelf: dict[str, Any] = {}
    begun = train.training(source, TrainConfig(epochs=2), 0.0)
    events = [event for event in begun.job(shelf) if event is not None]
    assert begun.conclude is not None
    return shelf, [*events, *begun.conclude(shelf)]


def over(shelf: dict[str, Any], events: list[Any]) -> Any:
    """A run that is over, with this shelf and these events."""
    return SimpleNamespace(shelf=shelf, ended=True, snapshot=lambda: snapshot(*events, state="done"))


def kinds(events: list[Any], kind: type) -> Iterator[Any]:
    return (event for event in events if isinstance(event, kind))


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_read_is_told_with_its_progress(language: str) -> None:
    """Rows, columns, tokens and texts have their sentence; a model that opens too; other events have none."""
    for stage in ("rows", "columns", "tokens", "texts"):
        text, share = loading_line(Reading(stage, 120, 300), language)
        assert "120" in text
        assert share == pytest.approx(0.4)
    assert loading_line(Reading("rows", 120), language)[1] == 0.0
    assert "text-en" in train.status_line(snapshot(Opening("text-en", 1.0)), language)[0]
    assert loading_line(TUNED, language) == ("", 0.0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_menu_of_encoders_begins_with_what_ships(language: str) -> None:
    """First the choice by language, then the shipped ones, then hub models with their sizes."""
    menu = encoders(language)
    assert [name for _, name in menu[:3]] == ["auto", "text-en", "text-zh"]
    assert any(name.endswith("bert-base-chinese") and "412" in title for title, name in menu)


@pytest.mark.parametrize("language", LANGUAGES)
def test_panels_that_need_a_stack_say_that_they_do_not_apply(language: str) -> None:
    """No plane, no units and no coach; the curves and scores are there, and all of it is plain JSON."""
    run = snapshot(TUNED, *epochs(3), judged(), state="done")
    boundary, units = plane.view(run, language)
    assert boundary["layout"]["meta"]["note"] == say("train.units.tuned", language)
    assert units["layers"] == []
    (advice,) = coach.view(run, language)
    assert (advice["items"], advice["calm"]) == ([], say("coach.tuned", language))
    strict(train.view(run, language))


def test_buttons_that_would_only_refuse_are_not_offered() -> None:
    """A fine-tuning gives its curve, report, scores and, at its end, its network, script and notebook, but no fork."""
    events = (*epochs(3), judged())
    for first, offered in ((setup(), True), (TUNED, False)):
        run = snapshot(first, *events, state="done")
        assert steer.view(run, "en")[2]["interactive"] is offered
        assert predict.view(run, "en")[0]["interactive"]
        assert predict.view(snapshot(first, *events), "en")[0]["interactive"] is offered
        assert all(update["interactive"] for update in takeaway.view(run, "en"))


def test_a_fine_tuning_is_watched_and_judged_like_every_training(ended: tuple[dict[str, Any], list[Any]]) -> None:
    """Its set-up, epochs, baselines and marks are told; the rows behind a cell show their texts."""
    shelf, events = ended
    (told,) = kinds(events, Setup)
    assert told.plane is None
    assert told.parameters == shelf["stack"].shape.parameters
    assert [event.number for event in kinds(events, Epoch)] == [0, 1, 2]
    assert {mark.name for mark in kinds(events, Baseline)} == {"majority", "logistic", "boosting"}
    assert judge.on_show(snapshot(*events, state="done"))[0] is not None
    run = over(shelf, events)
    rows = [judge.behind(run, [truth, guess], "en")["rows"] for truth in (0, 1) for guess in (0, 1)]
    assert any("number" in cell for found in rows for row in found for cell in row)
    for language in LANGUAGES:
        strict(train.view(run.snapshot(), language))


def test_what_cannot_be_done_with_a_fine_tuning_is_one_sentence(ended: tuple[dict[str, Any], list[Any]]) -> None:
    """No fork, and no look at its network while it is trained."""
    shelf, events = ended
    run = over(shelf, events)
    with pytest.raises(RunError) as caught:
        steer.cut(run, TrainConfig(), "en")
    assert caught.value.key == "fork.tuned"
    with pytest.raises(RunError) as caught:
        judge.network(run, 1)
    assert caught.value.key == "train.tuned_wait"


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_files_of_a_fine_tuning_can_be_taken_away(ended: tuple[dict[str, Any], list[Any]], language: str) -> None:
    """Script and notebook with the tokens beside them, the report with its charts and scores, and both tables."""
    run = over(*ended)
    assert set(takeaway.scripts(run)) == {"train.py", "data.csv"}
    assert "AutoModel" in takeaway.notebooks(run, language)["train.ipynb"]
    text, drawings = takeaway.reported(run, language)
    assert "--features tuned" in text
    assert say("train.part.valid", language) in text
    assert drawings
    assert takeaway.table(run)["curve.csv"].count("\n") == 4
    assert "valid,2,,accuracy," in takeaway.marked(run)["scores.csv"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_fine_tuned_is_used_and_saved(
    ended: tuple[dict[str, Any], list[Any]], tmp_path: Path, language: str
) -> None:
    """A row of the test part is there with its bars; the ZIP says the same of every text, and of a file."""
    run = over(*ended)
    note, form, bars, cells, _, button = predict.followed(run, None, "", "", language)
    assert say("train.use.own", language) in note["note"]
    assert [field["kind"] for field in form["columns"]] == ["text"]
    assert say("train.use.truth", language, name=json.loads(cells)[1]) in bars["note"]
    assert button["interactive"]
    use = using.in_use(run, None)
    path = tmp_path / dropped.name_of(use)
    path.write_bytes(dump(use.model))
    loaded = using.in_use(None, str(path))
    for text in ("the rain", "", "soup " * 90):
        assert np.allclose(using.predicted(loaded, [text]).p, using.predicted(use, [text]).p, atol=1e-6)
    rows = tmp_path / "rows.csv"
    rows.write_text("words,kind\nthe rain,u\nthe soup,v\n", encoding="utf-8")
    *_, (numbers, table) = dropped.dropped(loaded, str(rows), language)
    assert numbers["cards"][0][1] == "2"
    strict([note, form, bars, numbers, table])


def test_an_example_of_a_saved_network_of_sentences_is_at_hand(tmp_path: Path) -> None:
    """What has learned built-in sentences by any way finds its test part again, without an encoder that reads it."""
    source = Source(DatasetConfig(dataset="sentences_en", features="frozen"))
    begun, shelf = train.training(source, TrainConfig(epochs=1, widths=(4,)), 0.0), dict[str, Any]()
    events = list(begun.job(shelf))
    run = over(shelf, [event for event in events if event is not None])
    use = using.in_use(run, None)
    path = tmp_path / "frozen.zip"
    path.write_bytes(dump(use.model))
    loaded = using.in_use(None, str(path))
    assert using.example(loaded, 3) == using.example(use, 3)
    cells, _ = using.example(loaded, 3)
    assert np.allclose(using.predicted(loaded, cells).p, using.predicted(use, cells).p, atol=1e-6)


def test_a_glance_never_waits_for_an_encoder(tmp_path: Path) -> None:
    """Tables and sentences that an encoder reads are told apart; numbers are not slow, whatever is set."""
    config = DatasetConfig(features="frozen")
    assert Source(replace(config, dataset="sentences_zh")).read_slowly
    assert Source(config, str(tmp_path / "own.csv")).read_slowly
    assert not Source(config).read_slowly
    assert not Source(DatasetConfig(dataset="sentences_zh")).read_slowly
