"""The choice of data: what its handlers make of a file, before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from bigmodel.errors import DataError
from bigmodel.ui import data
from bigmodel.ui.data import TABLE, DataForm
from bigmodel.ui.widgets import Page
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import strict


@pytest.fixture(scope="module")
def form() -> DataForm:
    """The widgets of one tab."""
    with gr.Blocks(analytics_enabled=False):
        return DataForm(Page(), "train-data")


@pytest.fixture
def plants(tmp_path: Path) -> str:
    """A table with a column that only numbers the rows."""
    table = tmp_path / "plants.csv"
    rows = [f"{k},{k % 7},{'red' if k % 2 else 'blue'},{'yes' if k % 7 > 3 else 'no'}" for k in range(60)]
    table.write_text("nr,height,colour,healthy\n" + "\n".join(rows), encoding="utf-8")
    return str(table)


def last(steps: Iterator[list[Any]]) -> list[Any]:
    """What a handler shows in the end."""
    return list(steps)[-1]


def settings(form: DataForm) -> list[Any]:
    return [widget.value for widget in form.form.inputs]


def test_own_table_keeps_its_target(form: DataForm, plants: str) -> None:
    """Reading a table guesses its target, but one that was chosen stays: Compare hands both over together."""

    def target(file: str | None, before: str | None) -> Any:
        return last(form._uploaded(file, before, [], "en", *settings(form)))[0]["value"]

    assert target(plants, None) == "healthy"
    assert target(plants, "colour") == "colour"
    assert target(plants, "gone") == "healthy"
    assert target(None, "colour") is None


def test_useless_columns_are_proposed_and_a_choice_stays(form: DataForm, plants: str) -> None:
    """A column of row numbers is proposed to be left out; what was left out by hand stays with its target."""
    _, proposed, report = last(form._uploaded(plants, None, [], "en", *settings(form)))
    assert proposed["value"] == ["nr"]
    assert "healthy" not in proposed["choices"]
    assert report["bars"][0][0] == "no"
    assert last(form._uploaded(plants, "healthy", ["colour"], "en", *settings(form)))[1]["value"] == ["colour"]
    left, _ = last(form._aimed(plants, "colour", ["colour", "nr"], "en", *settings(form)))
    assert left["value"] == ["nr"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_bad_table_is_one_sentence(
    form: DataForm, tmp_path: Path, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty table is a toast in the visitor's language as soon as it is uploaded, and stands in the report."""
    told: list[str] = []
    monkeypatch.setattr(data.gr, "Warning", told.append)
    table = tmp_path / "empty.csv"
    table.write_text("", encoding="utf-8")
    target, _, report = last(form._uploaded(str(table), "a", [], language, *settings(form)))
    assert told == [say("error.data.empty", language)] == [report["findings"][0][2]]
    assert target["choices"] == []


def test_a_choice_is_read_with_what_it_leaves_out(form: DataForm, plants: str) -> None:
    """The values of the widgets become a Source, and the data set has none of the columns that are left out."""
    source = form.read([TABLE, plants, "healthy", ["nr", "colour"], *settings(form)])
    assert data.load(source).features == ("height",)
    with pytest.raises(DataError):
        form.read([TABLE, None, None, [], *settings(form)])


def test_built_in_sets_are_previewed_in_both_languages(form: DataForm) -> None:
    """The preview of a built-in set tells its rows; an own table has its report instead."""
    for language in LANGUAGES:
        shown = form._previewed("iris", language, *settings(form))
        assert shown["facts"] == say("doctor.facts", language, rows=150, columns=5, target="class")
    assert form._previewed(TABLE, "en", *settings(form)) is None


def test_a_drawing_is_part_of_the_choice(form: DataForm) -> None:
    """The points of the square are the config's where the drawn set is chosen, and only there; an empty square is told;
    a run of other data that is opened again leaves the square alone."""
    place = list(form.form.widgets).index("points")
    values = settings(form)
    drawn = form.read(["drawn", None, None, [], *values])
    assert drawn.config.points == form.drawing.value
    assert data.load(drawn).classes == ("A", "B")
    moons = form.read(["moons", None, None, [], *values])
    assert moons.config.points == ""
    assert form.show(drawn)[form.inputs.index(form.drawing)]["value"] == form.drawing.value
    assert "value" not in form.show(moons)[form.inputs.index(form.drawing)]
    values[place] = ""
    with pytest.raises(DataError, match="has 0 points"):
        form.read(["drawn", None, None, [], *values])
    assert form._previewed("drawn", "en", *values)["findings"][0][0] == "bad"


def test_the_square_speaks_both_languages(form: DataForm) -> None:
    """All that stands on the square comes with its label, in the language of the page."""
    for language in LANGUAGES:
        update = form.page.switch(language)[form.page.worded.index(form.drawing)]
        assert json.loads(update["label"])["undo"] == say("datasets.drawing.undo", language)


def test_a_long_look_tells_how_far_it_is(form: DataForm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first moment the card says what is being done, column by column; a table that was read is not read
    again for another target."""
    monkeypatch.setattr(data.doctor, "EVERY", 0.0)
    table = tmp_path / "wide.csv"
    rows = [",".join([str(k * c % 13) for c in range(1, 13)] + ["uv"[k % 2]]) for k in range(40)]
    table.write_text("\n".join([",".join([*(f"c{c}" for c in range(1, 13)), "kind"]), *rows]), encoding="utf-8")
    for language in LANGUAGES:
        *steps, done = form._uploaded(str(table), None, [], language, *settings(form))
        said = [step[-1]["working"] for step in steps]
        assert said[0] == say("doctor.working.rows", language, done=0)
        assert say("doctor.working.alone", language, done=11, of=12) in said
        assert all(0 <= step[-1]["share"] <= 1 for step in steps)
        assert done[-1]["facts"]
        strict(steps)
    again = [step[-1]["working"] for step in list(form._aimed(str(table), "c1", [], "en", *settings(form)))[:-1]]
    assert say("doctor.working.columns", "en", done=0, of=13) not in again


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("article", {"rows"}),
        ("moons", {"rows", "noise"}),
        ("iris", set()),
        ("drawn", set()),
        ("sentences_en", {"distinct", "terms"}),
        (TABLE, {"distinct", "terms"}),
    ],
)
def test_settings_are_shown_where_they_mean_something(demo: Any, source: str, shown: set[str]) -> None:
    """Rows and noise belong to made sets, repeated rows and words to tables; shares and seed to all. Every tab with
    data has it so, and opens with what its first set needs."""
    turns = [fn for fn in demo.fns.values() if getattr(fn.fn, "__name__", "") == "own"]
    assert len(turns) >= 2
    for turn in turns:
        names = [str(widget.elem_id).rpartition("-")[2] for widget in turn.outputs]
        seen = {name for name, update in zip(names, turn.fn(source), strict=True) if update["visible"]}
        assert seen & {"rows", "noise", "distinct", "terms", "seed"} == shown
        if source == "article":
            assert {name for name, widget in zip(names, turn.outputs, strict=True) if widget.visible} >= shown
            assert not any(w.visible for n, w in zip(names, turn.outputs, strict=True) if n in ("noise", "terms"))
