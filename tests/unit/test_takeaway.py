"""What is taken away from a race: tables, scripts that run elsewhere, and a free ensemble."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bigmodel.compare import CompareConfig, Entry, lines
from bigmodel.compare.answer import answer
from bigmodel.compare.takeaway import Where, as_csv, as_json, optuna_script, sklearn_script
from bigmodel.datasets import DATASETS, DatasetConfig, load_dataset, read_table, table_dataset
from bigmodel.ui.compare.takeaway import beside

WHERE = Where(DatasetConfig(dataset="moons", rows=300))
CONFIG = CompareConfig(
    rates=(0.01, 9.0), optimizer="sgd", loss="mse", epochs=3, seeds=2, widths=(8,), normalisation="none"
)


@pytest.fixture(scope="module")
def race():
    """Two rates, of which one diverges, and a second knob."""
    from bigmodel.compare.race import Race, run

    config = CompareConfig(
        rates=(0.01, 0.1, 1.0), knob="l2", values=("0", "0.001"), optimizer="sgd", epochs=4, seeds=3, widths=(8,)
    )
    found = Race(config, load_dataset(WHERE.config))
    for _ in run(found):
        pass
    return found


# ---- numbers -------------------------------------------------------------------------------------------------------


def test_csv_has_a_line_per_entry_with_the_losses_of_every_seed(race):
    """The mean is that of the seeds' columns, the knob has its own column, and one entry is the best."""
    trials = race.trials()
    found = answer(trials, lines(race.rounds))
    rows = list(csv.DictReader(io.StringIO(as_csv(race.config, trials, found, race.seeds))))
    assert [(float(row["learning_rate"]), row["l2"]) for row in rows] == [
        (entry.learning_rate, entry.value) for entry in race.entries
    ]
    for row in rows:
        seeds = [float(row[f"valid_loss_seed_{seed}"]) for seed in race.seeds]
        assert float(row["valid_loss"]) == pytest.approx(np.mean(seeds), rel=1e-4)
        assert float(row["valid_loss_low"]) <= float(row["valid_loss"]) <= float(row["valid_loss_high"])
    assert [row["best"] for row in rows].count("1") == 1
    assert next(row for row in rows if row["best"] == "1")["equal_to_best"] == "1"


def test_csv_of_a_race_that_diverged_has_empty_cells(race):
    """What is no number is an empty cell, not a word that a spreadsheet takes for text."""
    broken = replace(race.trials()[0], valid_loss=math.nan, losses=(math.nan,) * 3, diverged_at=7)
    row = next(csv.DictReader(io.StringIO(as_csv(race.config, [broken], None, race.seeds))))
    assert (row["valid_loss"], row["valid_loss_seed_42"], row["diverged_at_step"]) == ("", "", "7")


def test_json_is_strict(race):
    """Infinities and gaps are null, and everything else is there."""
    told = json.loads(as_json(config=race.config, trials=race.trials(), odd=(math.inf, math.nan, {1: 2})))
    assert told["odd"] == [None, None, {"1": 2}]
    assert told["config"]["rates"] == [0.01, 0.1, 1.0]
    assert len(told["trials"]) == 6


# ---- scripts -------------------------------------------------------------------------------------------------------


def play(script, folder):
    """What a script prints in a process of its own, in this folder."""
    (folder / "script.py").write_text(script, encoding="utf-8")
    told = subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_sklearn_script_races_the_same_entries(race, tmp_path):
    """It runs, ranks every entry, and scores the winner on the test part."""
    script = sklearn_script(race.config, race.entries, race.seeds[:2], WHERE, race.data, 4)
    out = play(script, tmp_path).splitlines()
    assert sum("learning_rate_init" in line and not line.startswith("best") for line in out) == 6
    assert out[-2].startswith("best: validation loss")
    assert 0.5 < float(out[-1].split()[2]) <= 1.0


def test_sklearn_script_splits_the_data_as_the_race_did(race, tmp_path):
    """The rows of the three parts are the race's, scaled alike."""
    script = sklearn_script(race.config, race.entries[:1], race.seeds[:1], WHERE, race.data, 1)
    play(script + "\nnp.savez('parts', fit=x[fit], valid=x[valid], test=x[test], y=y[test])", tmp_path)
    parts = np.load(tmp_path / "parts.npz")
    assert parts["fit"] == pytest.approx(race.data.train.x, abs=1e-5)
    assert parts["valid"] == pytest.approx(race.data.valid.x, abs=1e-5)
    assert parts["test"] == pytest.approx(race.data.test.x, abs=1e-5)
    assert parts["y"].tolist() == race.data.test.y.tolist()


@pytest.mark.parametrize("name", DATASETS)
def test_every_built_in_set_is_loaded_by_its_lines(name):
    """The lines for the data give the rows that the lab has, set by set."""
    where = Where(DatasetConfig(dataset=name, rows=200))
    data = load_dataset(where.config)
    script = sklearn_script(CONFIG, [Entry(0.1, "sgd", "constant")], [42], where, data, 1)
    space: dict[str, object] = {}
    exec(compile(script.split("def train")[0], "script", "exec"), space)
    assert space["x"][space["test"]] == pytest.approx(data.test.x, abs=1e-5)
    assert space["x"][space["fit"]] == pytest.approx(data.train.x, abs=1e-5)


def test_sklearn_script_of_an_own_table_runs_beside_it(tmp_path):
    """Numbers with gaps, words and a text target: the script finds the file beside it."""
    rows = "\n".join(
        f"{k % 7}{'' if k % 9 else '.5'},{'red' if k % 3 else 'blue'},{'yes' if k % 2 else 'no'}" for k in range(80)
    )
    (tmp_path / "own.csv").write_text("size,colour,answer\n" + rows + "\n", encoding="utf-8")
    table = read_table(str(tmp_path / "own.csv"))
    config = DatasetConfig()
    where = Where(config, "own.csv", "answer")
    script = sklearn_script(
        CONFIG, [Entry(0.1, "sgd", "constant")], [42], where, table_dataset(table, "answer", config), 2
    )
    assert "test accuracy" in play(script, tmp_path)


def test_scripts_read_what_an_encoder_made_from_the_table_beside_them(race, tmp_path):
    """The encoder is not there: the rows come from data.csv, in the parts and with the numbers of the race."""
    recipe = {"target": "class", "columns": [{"column": "text", "kind": "encoder", "features": list("ab")}]}
    data = replace(race.data, recipe=recipe)
    where = Where(DatasetConfig(dataset="sentences_en", features="frozen"), "", "class")
    assert list(beside(data)) == ["data.csv"]
    assert not beside(race.data)
    (tmp_path / "data.csv").write_text(beside(data)["data.csv"], encoding="utf-8")
    script = sklearn_script(race.config, race.entries[:1], race.seeds[:1], where, data, 2)
    keep = "\nnp.savez('parts', fit=x[fit], valid=x[valid], test=x[test], y=y[test])"
    assert "test accuracy" in play(script + keep, tmp_path)
    parts = np.load(tmp_path / "parts.npz")
    assert parts["fit"] == pytest.approx(race.data.train.x, abs=1e-6)
    assert parts["valid"] == pytest.approx(race.data.valid.x, abs=1e-6)
    assert parts["test"] == pytest.approx(race.data.test.x, abs=1e-6)
    assert parts["y"].tolist() == race.data.test.y.tolist()
    compile(optuna_script(race.config, race.entries[:1], race.seeds[:1], where, data, 2), "script", "exec")


def test_scripts_say_what_scikit_learn_has_not():
    """Dropout, schedules, AdamW, GELU and MSE are named at the top, and nothing is named that does not differ."""
    data = load_dataset(WHERE.config)
    config = CompareConfig(dropout=0.2, activation="gelu", loss="mse", widths=(8,))
    script = sklearn_script(config, [Entry(0.1, "adamw", "cosine")], [1], WHERE, data, 1)
    note = script.split('"""')[1]
    assert all(word in note for word in ("dropout", "schedule", "AdamW", "gelu", "loss"))
    assert "goes without" not in sklearn_script(CompareConfig(), [Entry(0.1, "adam", "constant")], [1], WHERE, data, 1)


@pytest.mark.parametrize(
    ("knob", "value", "told"),
    [
        ("batch", "16", "'batch_size': 16"),
        ("width", "5", "'hidden_layer_sizes': (5, 5)"),
        ("depth", "3", "'hidden_layer_sizes': (64, 64, 64)"),
        ("activation", "tanh", "'activation': 'tanh'"),
        ("momentum", "0.5", "'momentum': 0.5"),
        ("l2", "0.5", "'alpha': 16.0"),
    ],
)
def test_a_second_knob_is_that_of_scikit_learn(knob, value, told):
    """Each value becomes the classifier's own setting."""
    config = CompareConfig(knob=knob, values=(value,), optimizer="sgd")
    script = sklearn_script(config, [Entry(0.1, "sgd", "constant", value)], [1], WHERE, load_dataset(WHERE.config), 1)
    assert told in script


def test_optuna_script_searches_the_same_space(race, tmp_path):
    """It compiles, its range is the race's and its kinds are the values; it runs where optuna is installed."""
    script = optuna_script(race.config, race.entries, race.seeds[:1], WHERE, race.data, 2)
    compile(script, "script", "exec")
    assert "LOWEST, HIGHEST = 0.01, 1.0" in script
    assert script.count("'solver': 'sgd'") == 2
    if importlib.util.find_spec("optuna") is not None:
        assert "test accuracy" in play(script, tmp_path)


# ---- the ensemble --------------------------------------------------------------------------------------------------


def test_members_that_err_in_different_places_are_taken_together():
    """Two that are each sure where the other is not are both taken; a third that is poor everywhere is not."""
    from bigmodel.compare.ensemble import choose

    sure = np.array([[0.9, 0.9, 0.1, 0.1], [0.1, 0.1, 0.9, 0.85], [0.2, 0.2, 0.2, 0.2]])
    times = choose(sure)
    assert times[0] > 0 < times[1]
    assert times[2] == 0


def test_one_member_that_is_best_everywhere_stays_alone():
    """Where nobody helps, the best is the ensemble."""
    from bigmodel.compare.ensemble import choose

    assert choose(np.array([[0.5, 0.6], [0.9, 0.8], [0.7, 0.7]])) == [0, 1, 0]


def test_the_ensemble_of_a_race_is_measured_on_the_test_part(race):
    """It is no worse than its best member on validation, and its test numbers are those of the mean of its members."""
    import torch

    from bigmodel.compare.ensemble import gather
    from bigmodel.networks import predict

    (found,) = (event for event in gather(race) if event is not None)
    assert found.valid_loss <= found.single_valid_loss
    total, count = 0.0, 0
    for trial, seed, times in found.chosen:
        heat = next(heat for heat in race.heats if trial in heat.places)
        member = next(
            k for k, m in enumerate(heat.course.stack.alive)
            if heat.places[m] == trial and race.seeds[heat.seeds[m]] == seed
        )  # fmt: skip
        total += times * predict(heat.course.stack, torch.from_numpy(race.data.test.x))[member].numpy()
        count += times
    mixed = total / count
    truth = race.data.test.y
    assert found.accuracy == pytest.approx((mixed.argmax(1) == truth).mean())
    assert found.test_loss == pytest.approx(-np.log(mixed[np.arange(len(truth)), truth]).mean(), abs=1e-4)
    assert found.rows == len(truth)
