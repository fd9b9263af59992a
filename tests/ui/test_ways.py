"""Three ways to learn from text side by side: the same rows for each, and no more said than they tell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigmodel.datasets import FEATURES, DatasetConfig
from bigmodel.errors import DataError
from bigmodel.train import TrainConfig
from bigmodel.train.ways import Told, Tried, Trying, compared, tried
from bigmodel.ui.data import Source
from bigmodel.ui.train import ways
from bigmodel.ui.words import LANGUAGES, say, word
from tests import hub as hubs
from tests.ui.made import epoch, snapshot, strict


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """A comparison on a table of texts with a tiny BERT; of seeds and losses a fine-tuning knows fewer."""
    folder = tmp_path_factory.mktemp("ways")
    bert = str(hubs.make_bert(folder / "tiny"))
    lines = [f"the {('rain', 'soup')[k % 2]} number {k},{'uv'[k % 2]}" for k in range(60)]
    (folder / "texts.csv").write_text("words,kind\n" + "\n".join(lines), encoding="utf-8")
    source = Source(DatasetConfig(encoder=bert), str(folder / "texts.csv"), "kind")
    config = TrainConfig(epochs=8, widths=(8,), learning_rate=0.05, seeds=2, loss="mse")
    return [event for event in ways.comparison(source, config).job({}) if event is not None]


def test_each_way_is_trained_over_the_same_rows(events: list[Any]) -> None:
    """Three are tried in order on as many test rows; counting words finds the word that tells, with its interval."""
    assert [(e.features, e.place) for e in events if isinstance(e, Trying)] == [(f, k) for k, f in enumerate(FEATURES)]
    found = [event for event in events if isinstance(event, Tried)]
    assert [(one.features, one.rows) for one in found] == [(features, 12) for features in FEATURES]
    assert found[0].accuracy == 1.0
    assert all(0 <= one.low <= one.accuracy <= one.high <= 1 for one in found)
    assert isinstance(events[-1], Told)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_panel_shows_them_side_by_side(events: list[Any], language: str) -> None:
    """A bar a way as soon as it is judged, then what can be said; nothing is there without a run."""
    box, bars = ways.drawn(snapshot(*events, state="done"), language)
    assert box["visible"]
    assert [row[0] for row in bars["rows"]] == [say(f"features.{features}", language) for features in FEATURES]
    assert "12" in bars["caption"]
    assert "McNemar" in bars["note"]
    assert ways.status_line(snapshot(*events), language) == (say("train.ways.done", language), 1.0)
    assert ways.drawn(None, language)[1]["rows"] == []
    lost = Tried("tuned", 12, math.nan, math.nan, math.nan, 1.0)
    _, broken = ways.drawn(snapshot(Trying("tuned", 2), lost), language)
    assert broken["rows"] == []
    assert say("features.tuned", language) in broken["note"]
    strict([bars, broken])


def test_the_status_line_tells_which_way_and_how_far() -> None:
    """The second way at half of its steps is half of the three."""
    done = Tried("tfidf", 12, 0.5, 0.2, 0.8, 1.0)
    run = snapshot(Trying("tfidf", 0), done, Trying("frozen", 1), epoch(5, 10))
    assert ways.status_line(run, "en") == ("Frozen encoder · epoch 5 of 10", pytest.approx(0.5))
    assert ways.status_line(snapshot(Trying("tfidf", 0)), "en") == ("TF-IDF", 0.0)


def test_equal_is_what_the_rows_do_not_tell_apart() -> None:
    """Eight rows that only one gets right are a difference; five are none; other rows cannot be compared."""
    y = np.zeros(40, np.int64)
    right = np.arange(40) < 30
    found = {
        "tfidf": (right & (np.arange(40) >= 8), y),
        "frozen": (right, y),
        "tuned": (right & (np.arange(40) >= 5), y),
    }
    assert compared(found) == Told("frozen", ("tuned",))
    assert compared({**found, "tuned": (right, y + 1)}) is None
    assert compared({"frozen": (right, y)}) is None
    one = tried("frozen", right, 1.0)
    assert (one.accuracy, one.rows) == (0.75, 40)


def test_a_table_without_text_is_one_sentence(tmp_path: Path) -> None:
    """Numbers alone have no three ways."""
    (tmp_path / "t.csv").write_text("size,kind\n" + "".join(f"{k}.5,{'ab'[k % 2]}\n" for k in range(40)))
    with pytest.raises(DataError) as caught:
        list(ways.comparison(Source(DatasetConfig(), str(tmp_path / "t.csv"), "kind"), TrainConfig()).job({}))
    for language in LANGUAGES:
        assert "{" not in word(caught.value, language)
