"""Predictions: the network's own, averaged over its seeds, with what was filled in told."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from bigmodel.__main__ import main
from bigmodel.datasets import DatasetConfig, drain, load_dataset, read_rows, read_table, table_dataset
from bigmodel.datasets.table import reading_rows
from bigmodel.errors import DataError
from bigmodel.networks import build, predict
from bigmodel.predict import as_csv, listed, measured, predict_row, predicting, summary
from bigmodel.saved import Model, model_of
from bigmodel.train import TrainConfig, train


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A network of two seeds that has learned a table of a number, a category and a date."""
    path = tmp_path_factory.mktemp("t") / "t.csv"
    lines = (f"{i % 20},{'rgb'[i % 3]},2024-01-{i % 28 + 1:02},{'cat' if i % 20 < 10 else 'dog'}\n" for i in range(200))
    path.write_text("size,colour,day,kind\n" + "".join(lines))
    data = table_dataset(read_table(str(path)), "kind", DatasetConfig())
    config = TrainConfig(epochs=20, widths=(8,), seeds=2, learning_rate=0.02)
    stack = build(config, data)
    list(train(config, stack, data))
    return model_of(config, data, stack, 20)


def test_a_row_gets_the_mean_of_the_seeds(animals: Model) -> None:
    """Low and high are those of the seeds, and the guess is right."""
    found = predict_row(animals, {"size": "1", "colour": "r", "day": "2024-01-03"})
    rows = pd.DataFrame({"size": [1.0], "colour": ["r"], "day": ["2024-01-03"]})
    from bigmodel.datasets.prepare import prepare

    each = predict(animals.stack, torch.from_numpy(prepare(animals.recipe, rows)))[:, 0].numpy()
    assert found.p[0] == pytest.approx(each.mean(0))
    assert (found.low[0] == each.min(0)).all()
    assert (found.high[0] == each.max(0)).all()
    assert animals.classes[found.guess[0]] == "cat"
    assert (found.filled, found.unknown) == (((),), ((),))


def test_what_was_filled_is_told(animals: Model) -> None:
    """Empty cells, words among numbers, dates that are none, categories never seen; infinite numbers are filled too."""
    found = predict_row(animals, {"size": "big", "colour": "violet", "day": ""})
    assert found.filled == (("size", "day"),)
    assert found.unknown == (("colour",),)
    assert predict_row(animals, {"size": "inf", "day": "2024-01-01"}).filled == (("size", "colour"),)
    assert np.isfinite(predict_row(animals, {}).p).all()


def test_slices_do_not_change_the_predictions(animals: Model) -> None:
    """A long file is predicted in slices, which are told, and each row as if it were alone."""
    rows = pd.DataFrame({"size": [str(k % 20) for k in range(700)], "colour": "r", "day": "2024-01-03"}, dtype=object)
    steps = predicting(animals, rows)
    first = next(steps)
    assert (first.stage, first.done, first.of) == ("predict", 16, 700)
    found = drain(steps)
    assert found.p.shape == (700, 2)
    assert found.p[607] == pytest.approx(predict_row(animals, {"size": "7", "colour": "r", "day": "2024-01-03"}).p[0])
    assert found.p.sum(1) == pytest.approx(np.ones(700), abs=1e-5)


def test_a_file_that_tells_the_target_is_measured(animals: Model) -> None:
    """Accuracy on the rows whose class is known; strange classes do not count."""
    rows = pd.DataFrame({"size": ["1", "2", "19", "3"], "colour": "r", "day": "", "kind": ["cat", "dog", "dog", "cow"]})
    found = drain(predicting(animals, rows))
    told = measured(animals, rows, found)
    assert told is not None
    assert (told.target, told.known, told.accuracy) == ("kind", 3, pytest.approx(2 / 3))
    assert measured(animals, rows.drop(columns="kind"), found) is None
    assert measured(animals, rows.assign(kind="cow"), found) is None
    assert summary(found).counts == (3, 1)
    assert summary(found).filled == 4


def test_missing_columns_and_rows_are_one_sentence(animals: Model) -> None:
    """The names of the missing columns stand in it."""
    with pytest.raises(DataError, match="no column day, colour; 2 of"):
        drain(predicting(animals, pd.DataFrame({"size": ["1"]})))
    with pytest.raises(DataError, match="no rows"):
        drain(predicting(animals, pd.DataFrame({"size": [], "colour": [], "day": []})))


def test_the_table_to_keep_has_the_rows_and_the_predictions(animals: Model) -> None:
    """All columns as they came; new columns take no name that is there."""
    rows = pd.DataFrame({"prediction": ["x"], "size": [""], "colour": ["q"], "day": ["2024-01-03"]})
    found = drain(predicting(animals, rows))
    (row,) = csv.DictReader(io.StringIO(as_csv(rows, found)))
    assert row["prediction"] == "x"
    assert row["prediction_"] == next(listed(found)).prediction
    assert float(row["p(cat)"]) + float(row["p(dog)"]) == pytest.approx(1, abs=1e-4)
    assert (row["filled"], row["unknown"]) == ("size", "colour")


def test_of_a_long_file_the_first_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, and that there are more is told."""
    from bigmodel.datasets import table

    path = tmp_path / "long.csv"
    path.write_text("a,b\n" + "".join(f"{k},{k}\n" for k in range(100)))
    assert len(read_rows(str(path))) == 100
    monkeypatch.setattr(table, "MOST_ROWS", 30)
    rows, more = drain(reading_rows(str(path)))
    assert (list(rows["a"]), more) == ([str(k) for k in range(30)], True)


def test_the_command_line_saves_and_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """train --save, then predict: a line a row, the accuracy, and the table as a file; bad input is exit code 2."""
    network, rows, out = (str(tmp_path / name) for name in ("iris.zip", "rows.csv", "out.csv"))
    assert main(["train", "--dataset", "iris", "--epochs", "30", "--seeds", "2", "--save", network]) == 0
    data = load_dataset(DatasetConfig(dataset="iris"))
    raw = data.test.x * data.scale + data.mean
    frame = pd.DataFrame(raw, columns=list(data.features)).assign(**{"class": [data.classes[k] for k in data.test.y]})
    frame.to_csv(rows, index=False)
    capsys.readouterr()
    assert main(["predict", network, rows, "--out", out, "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events[-3:]] == ["row", "measured", "result"]
    assert events[-1]["rows"] == len(data.test.y)
    assert events[-1]["accuracy"] > 0.8
    assert len(pd.read_csv(out)) == len(data.test.y)
    assert main(["predict", network, rows]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert main(["predict", rows, rows]) == 2
    assert "no ZIP" in capsys.readouterr().err
    assert main(["train", "--save", str(tmp_path / "no" / "a.zip")]) == 2
