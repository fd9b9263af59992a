"""Use it: the network of the run or a saved one, a row and a file; nobody else's, and nothing broken."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import gradio as gr
import pandas as pd
import pytest

from bigmodel.datasets import DatasetConfig
from bigmodel.errors import ModelError, RunError
from bigmodel.runs import Run, Runs
from bigmodel.saved import dump, load
from bigmodel.train import TrainConfig
from bigmodel.ui import train
from bigmodel.ui.data import Source
from bigmodel.ui.train import dropped, judge, predict, using
from bigmodel.ui.train.loaded import HOUR, MOST, Loaded
from bigmodel.ui.train.past import look_back
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import epochs, setup, snapshot, strict


def trained(source: Source, **settings: object) -> Run:
    """A run of the tab that has ended."""
    config = TrainConfig(**{"epochs": 3, "widths": (8,), **settings})  # type: ignore[arg-type]
    start = train.training(source, config, 0.0)
    run = Runs().start("me", "train", start.job, conclude=start.conclude)
    assert run.wait(60)
    return run


@pytest.fixture(scope="module")
def iris() -> Run:
    """Two seeds that have learned Iris."""
    return trained(Source(DatasetConfig(dataset="iris")), seeds=2, epochs=20)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network that has learned a table with a number, a category and a date."""
    path = tmp_path_factory.mktemp("t") / "t.csv"
    lines = (f"{i % 20},{'rgb'[i % 3]},2024-01-{i % 28 + 1:02},{'cat' if i % 20 < 10 else 'dog'}\n" for i in range(200))
    path.write_text("size,colour,day,kind\n" + "".join(lines))
    return trained(Source(DatasetConfig(), str(path), "kind"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_network_a_hint_stands_there(language: str) -> None:
    """No run and no file is no mistake: it is told what to do; a broken file is one sentence."""
    note, form, bars, cells, key, button = predict.followed(None, None, "", "", language)
    assert note["note"] == say("train.use.later", language)
    assert (form, bars, cells, key, button["interactive"]) == (None, None, "", "", False)
    with pytest.raises(RunError):
        using.in_use(None, None)
    assert not predict.view(None, language)[0]["interactive"]


def test_a_broken_file_is_told_where_it_stands(tmp_path: Path, iris: Run) -> None:
    """The sentence of the error, in place of the form, although the run has a network."""
    path = tmp_path / "broken.zip"
    path.write_bytes(b"PK\3\4 broken")
    note, form, *_ = predict.followed(iris, str(path), "", "", "en")
    assert "broken.zip is no ZIP file" in note["note"]
    assert form is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_row_of_the_test_part_is_there_at_once(iris: Run, language: str) -> None:
    """The form has a field a column with its usual range, filled in; the bars are those of the row, with its truth."""
    note, form, bars, cells, _, button = predict.followed(iris, None, "", "", language)
    assert "4-8-3" in note["note"]
    assert [field["kind"] for field in form["columns"]] == ["number"] * 4
    assert all(
        field["low"] < float(cell) < field["high"] for field, cell in zip(form["columns"], form["cells"], strict=True)
    )
    assert [row[0] for row in bars["rows"]] == list(iris.shelf["data"].classes)
    assert sum(row[1] for row in bars["rows"]) == pytest.approx(1, abs=1e-3)
    assert all(low <= p <= high for _, p, low, high in bars["rows"])
    assert say("train.use.truth", language, name=json.loads(cells)[1]) in bars["note"]
    assert button["interactive"]
    strict([note, form, bars])


def test_only_what_moved_is_sent(iris: Run) -> None:
    """While the network learns the form stays as it is, with what somebody types; another language keeps the cells."""
    *_, key, _ = predict.followed(iris, None, "", "", "en")
    mine = json.dumps([["1", "2", "3", "4"], ""])
    _, form, bars, cells, same, _ = predict.followed(iris, None, mine, key, "en")
    assert (form, bars, cells, same) == (gr.skip(),) * 4
    _, form, _, cells, _, _ = predict.followed(iris, None, mine, key, "zh")
    assert form["cells"] == ["1", "2", "3", "4"]
    for strange in ("{", "[1]", "[[],[]]", "null", '[["a"], 1]'):
        strict(predict.followed(iris, None, strange, key, "zh")[2])


def test_the_truth_of_a_row_goes_with_its_cells(iris: Run) -> None:
    """The form asks again when the network moves on: the same cells keep the row's class, others have none, whatever
    the page sends; and another row is another one."""
    use = using.in_use(iris, None)
    cells, truth = using.example(use, 7)
    said = say("train.use.truth", "en", name=truth)
    shown, sent = predict.answered(use, json.dumps(cells), json.dumps([cells, truth]), "en")
    assert (said in shown["note"], json.loads(sent)) == (True, [cells, truth])
    other = [*cells[:3], "9"]
    shown, sent = predict.answered(use, json.dumps(other), json.dumps([cells, truth]), "en")
    assert (said in shown["note"], json.loads(sent)) == (False, [other, ""])
    for strange in ("{", "[1]", "[[],[]]", "null", '[["a"], 1]'):
        strict(predict.answered(use, strange, strange, "en")[0])
    assert predict.another_one(use, "", 7) == (cells, truth)
    assert predict.another_one(use, json.dumps([cells, ""]), 7) == using.example(use, 8)


def test_columns_of_a_table_have_their_kinds(own: Run) -> None:
    """Numbers, the known values of a category, and a date; cells of the test part as they were written."""
    use = using.in_use(own, None)
    cells, truth = using.example(use, 7)
    form = using.form_of(use, cells, "en")
    assert {field["name"]: field["kind"] for field in form["columns"]} == {
        "size": "number",
        "day": "date",
        "colour": "category",
    }
    assert next(f for f in form["columns"] if f["name"] == "colour")["options"] == ["", "b", "g", "r"]
    assert truth in ("cat", "dog")
    found = using.predicted(use, cells)
    assert (found.filled, found.unknown) == (((),), ((),))
    filled = using.bars(use, using.predicted(use, ["", "no day", "violet"]), "", "en")["note"]
    assert "Filled in as the training part taught: size, day." in filled
    assert "Never seen while it learned: colour." in filled


def test_rare_categories_can_be_chosen(tmp_path: Path) -> None:
    """Where they share a feature the menu has one entry for them, and a row of the test part keeps its own word."""
    path = tmp_path / "t.csv"
    names = [f"n{k % 60}" if k % 2 else "often" for k in range(400)]
    path.write_text("name,size,kind\n" + "".join(f"{n},{k},{'ab'[k % 2]}\n" for k, n in enumerate(names)))
    use = using.in_use(trained(Source(DatasetConfig(), str(path), "kind"), epochs=1), None)
    (field,) = [field for field in using.form_of(use, [], "en")["columns"] if field["kind"] == "category"]
    assert field["options"][0] == ""
    assert field["options"][-1] == "…"
    seen = {using.example(use, k)[0][use.model.columns.index("name")] for k in range(80)}
    assert seen <= set(names)
    assert seen - set(field["options"])
    assert using.predicted(use, ["1", "…"]).unknown == ((),)
    assert (using.predicted(use, ["1", "…"]).p == using.predicted(use, ["1", "new"]).p).all()


def test_a_digit_can_be_drawn() -> None:
    """The form of pictures has a pad with their size and their darkest and brightest dots."""
    use = using.in_use(trained(Source(DatasetConfig(dataset="digits")), epochs=1), None)
    form = using.form_of(use, using.example(use)[0], "en")
    assert form["image"] == {"width": 8, "height": 8, "low": 0.0, "high": 16.0}
    assert len(form["cells"]) == 64
    assert len(strict(form)) < 12_000


def test_what_a_page_sends_is_not_trusted(iris: Run) -> None:
    """Too few cells, too many, other things: a row of the right length comes of it."""
    use = using.in_use(iris, None)
    for sent in (None, "abcd", [], ["1"] * 9, [None, {}, [1], "x" * 10**6], [1, 2.5, "3", float("nan")]):
        cells = using.cells_from(sent, use)
        assert len(cells) == 4
        assert max(map(len, cells)) <= using.MOST_CELL
        strict(using.bars(use, using.predicted(use, cells), "", "en"))


def test_the_epoch_that_is_looked_at_is_in_use(iris: Run) -> None:
    """With the slider elsewhere the network of that epoch predicts; back at the end it is the last one's again."""
    now = using.in_use(iris, None)
    iris.look_at(look_back(iris.shelf, iris.snapshot().events, 1))
    before = using.in_use(iris, None)
    state = predict.view(iris.snapshot(), "en")[1]
    iris.look_at(None)
    assert (before.model.epochs, now.model.epochs) == (1, 20)
    assert using.predicted(before, ["5", "3", "1", "0"]).p != pytest.approx(
        using.predicted(now, ["5", "3", "1", "0"]).p
    )
    assert predict.view(iris.snapshot(), "en")[1] != state


def test_the_state_moves_at_most_once_a_second() -> None:
    """Epochs within a second are one; the end is another."""
    states = [predict.view(snapshot(setup(), *epochs(n)), "en")[1] for n in (3, 4)]
    assert states[0] == states[1] != predict.view(snapshot(setup(), *epochs(4), state="done"), "en")[1]


def test_a_saved_network_is_used_in_place_of_the_run(iris: Run, own: Run, tmp_path: Path) -> None:
    """What the button gives can be loaded: the form is the loaded network's, its examples too where the data can be
    made again; the sealed test part stays sealed."""
    parcel = dropped.parcel(dropped.name_of(using.in_use(iris, None)), dump(using.in_use(iris, None).model))
    assert parcel["name"] == "iris-mlp.zip"
    path = tmp_path / parcel["name"]
    path.write_bytes(base64.b64decode(parcel["content"]))
    assert set(load(path).scores) == {"valid"}
    use = using.in_use(own, str(path))
    assert (use.model.classes, use.file) == (("setosa", "versicolor", "virginica"), "iris-mlp.zip")
    assert using.example(use, 3) == using.example(using.in_use(iris, None), 3)
    assert "In use, from iris-mlp.zip: Iris" in predict.followed(own, str(path), "", "", "en")[0]["note"]
    judge.look(iris)
    assert set(using.in_use(iris, None).model.scores) == {"valid", "test"}
    path.unlink()
    with pytest.raises(ModelError, match=r"no file iris-mlp\.zip any more"):
        using.in_use(own, str(path))


def test_a_saved_network_of_an_own_table_has_no_rows(own: Run, tmp_path: Path) -> None:
    """Its form begins with what gaps are filled with, and another row is one sentence."""
    path = tmp_path / "own.zip"
    path.write_bytes(dump(using.in_use(own, None).model))
    *_, button = predict.followed(None, str(path), "", "", "en")
    assert not button["interactive"]
    use = using.in_use(None, str(path))
    assert using.example(use)[1] == ""
    with pytest.raises(ModelError, match="carries no data"):
        using.example(use, 1)


def test_a_file_is_predicted_and_measured(own: Run, tmp_path: Path) -> None:
    """Its numbers, its first rows, and what was filled in; missing columns are one sentence with their names."""
    path = tmp_path / "rows.csv"
    frame = pd.DataFrame({"size": range(60), "colour": ["r", "", "x"] * 20, "day": "2024-01-05", "kind": "cat"})
    frame.to_csv(path, index=False)
    use = using.in_use(own, None)
    *_, (numbers, table) = dropped.dropped(use, str(path), "en")
    assert numbers["cards"][0] == ("rows", "60")
    assert "60 rows whose “kind”" in numbers["note"]
    assert "In 20 rows" in numbers["note"]
    assert "20 rows have a category never seen" in numbers["note"]
    assert table["heads"][4:] == ["size", "colour", "day", "kind"]
    assert len(table["rows"]) == dropped.MOST_ROWS
    assert "first 50 of 60" in table["note"]
    assert table["caption"].startswith("Predictions of: Your own table")
    strict([numbers, table])
    path.write_text("size\n1\n")
    with pytest.raises(Exception, match="no column day, colour; 2 of"):
        list(dropped.dropped(use, str(path), "en"))


def test_a_loaded_file_is_remembered_for_its_visitor_while_it_is_there(tmp_path: Path) -> None:
    """By each visitor alone, no longer than uploads are kept, and not once it is gone or taken away; of the visitors
    the first are forgotten."""
    now = [0.0]
    loaded = Loaded(lambda: now[0])
    path = tmp_path / "a.zip"
    path.write_bytes(b"zip")
    loaded.keep("me", str(path))
    assert (loaded.of("me"), loaded.of("you")) == (str(path), None)
    now[0] = HOUR - 1
    loaded.keep("me", str(path))
    assert loaded.of("me")
    now[0] = HOUR + 1
    assert loaded.of("me") is None
    loaded.keep("you", str(path))
    loaded.keep("you", None)
    assert loaded.of("you") is None
    for k in range(MOST + 1):
        loaded.keep(f"visitor {k}", str(path))
    assert (loaded.of("visitor 0"), loaded.of("visitor 1")) == (None, str(path))
    path.unlink()
    assert loaded.of("visitor 1") is None


def test_what_is_too_large_for_a_browser_is_one_sentence() -> None:
    """A file of more bytes than are handed over names the other way."""
    with pytest.raises(ModelError, match="command line"):
        dropped.parcel("a.zip", bytes(dropped.MOST_SENT + 1))
