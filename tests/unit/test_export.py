"""The script that is taken away makes the same curve, without anything of this package."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bigmodel.datasets import Dataset, DatasetConfig, drain, load_dataset, read_table, table_dataset
from bigmodel.errors import RunError
from bigmodel.export import Training, files
from bigmodel.networks import build
from bigmodel.train import Change, Epoch, TrainConfig, train
from bigmodel.train.album import Album
from bigmodel.train.fork import Origin, forked, planted

DATA = DatasetConfig(dataset="moons", rows=100)


def trained(config: TrainConfig, data: Dataset, upto: int | None = None) -> list[Epoch]:
    """The epochs of a training, until its end or until it was stopped after an epoch."""
    found = []
    for event in train(config, build(config, data), data):
        if isinstance(event, Epoch):
            found.append(event)
            if event.number == upto:
                break
    return found


def printed(training: Training) -> tuple[str, list[dict[str, str]]]:
    """The script, and the curve that it prints."""
    text, out = files(training)["train.py"], io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, "train.py", "exec"), {"__name__": "__main__"})
    return text, list(csv.DictReader(out.getvalue().splitlines()))


def agree(rows: list[dict[str, str]], epochs: list[Epoch], near: float = 1e-4) -> None:
    """The printed curve is that of the packed training to rounding, and at the start to the last digit."""
    assert [int(row["epoch"]) for row in rows] == [epoch.number for epoch in epochs]
    for row, epoch in zip(rows, epochs, strict=True):
        for name in ("train_loss", "valid_loss"):
            close = 1.5e-6 if epoch.number == 0 else near
            expected = pytest.approx(getattr(epoch, name), abs=close, rel=close / 100, nan_ok=True)
            assert float(row[name]) == expected, epoch.number


def same(source: DatasetConfig = DATA, *, upto: int | None = None, near: float = 1e-4, **settings: Any) -> str:
    """The script of a training with these settings makes its curve; the script."""
    config = TrainConfig(**{"epochs": 3, "widths": (16, 8), "learning_rate": 0.01, **settings})
    data = load_dataset(source)
    epochs = trained(config, data, upto)
    text, rows = printed(Training(config, source, data, epochs[-1]))
    agree(rows, epochs, near)
    return text


def test_the_script_stands_alone(tmp_path: Path) -> None:
    """Run by itself in an empty folder, with --test, it prints the curve and opens the test part."""
    config, source = TrainConfig(epochs=4), DatasetConfig()
    data = load_dataset(source)
    (tmp_path / "train.py").write_text(files(Training(config, source, data))["train.py"], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "train.py", "--test"],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    *lines, test = done.stdout.splitlines()
    agree(list(csv.DictReader(lines)), trained(config, data))
    assert test.startswith("test accuracy [0.")


@pytest.mark.parametrize(
    ("dataset", "settings"),
    [
        ("moons", {"optimizer": "sgd", "learning_rate": 0.05, "normalisation": "batch", "seeds": 2}),
        ("spirals", {"optimizer": "rmsprop", "activation": "tanh", "l1": 1e-4, "l2": 1e-3, "clip": 0.5}),
        ("xor", {"optimizer": "adagrad", "learning_rate": 0.05, "loss": "mse", "label_smoothing": 0.1}),
        ("iris", {"optimizer": "adamw", "architecture": "logistic", "label_smoothing": 0.1}),
        ("blobs", {"normalisation": "layer", "activation": "gelu", "loss": "mse"}),
        ("circles", {"activation": "sigmoid"}),
        ("wine", {"widths": ()}),
        ("cancer", {"widths": (8,)}),
    ],
)
def test_the_script_makes_the_same_curve(dataset: str, settings: dict[str, Any]) -> None:
    """Each optimizer, penalty, loss and normalisation: the printed losses are the page's, epoch by epoch."""
    same(DatasetConfig(dataset=dataset, rows=200), **settings)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("cnn", {"normalisation": "batch", "activation": "gelu"}),
        ("cnn", {"normalisation": "layer", "widths": (4,)}),
        ("lstm", {"normalisation": "layer"}),
        ("gru", {"normalisation": "batch", "seeds": 2}),
        ("transformer", {"widths": (8, 16), "activation": "gelu"}),
        ("mlp", {"seeds": 2}),
    ],
)
def test_every_architecture_starts_and_learns_alike(
    architecture: str, settings: dict[str, Any], dropout: float
) -> None:
    """The same start, the same batches, and the same units left out: the curves agree."""
    source = DatasetConfig(dataset="article", rows=100)
    text = same(source, architecture=architecture, dropout=dropout, epochs=2, **{"widths": (8, 6), **settings})
    assert ("DROPOUT" in text) == bool(dropout)


@pytest.mark.parametrize("settings", [{}, {"normalisation": "batch", "dropout": 0.3}])
def test_filters_over_a_picture(settings: dict[str, Any]) -> None:
    """The 2-D convolutions over the digits, halved after each layer."""
    same(DatasetConfig(dataset="digits"), architecture="image_cnn", widths=(4, 8), epochs=1, batch=256, **settings)


@pytest.mark.parametrize("warmup", [0.0, 0.2])
@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "one_cycle"])
def test_schedules_are_written_out(schedule: str, warmup: float) -> None:
    """Each schedule, with and without warm-up; also of a run that was stopped before its end."""
    text = same(schedule=schedule, warmup=warmup, optimizer="sgd", epochs=5, upto=3, near=1e-5)
    assert ("def factor" in text) == (schedule != "constant" or warmup > 0)


def test_patience_ends_it_at_the_same_epoch() -> None:
    """Early stopping: the script ends where the run did, and goes back to the best epoch."""
    settings: dict[str, Any] = {"learning_rate": 0.1, "patience": 2, "epochs": 60, "seeds": 2, "near": 5e-3}
    assert "load_state_dict" in same(**settings)
    config = TrainConfig(learning_rate=0.1, patience=2, epochs=60, seeds=2, widths=(16, 8))
    assert trained(config, load_dataset(DATA))[-1].ended == "early"


@pytest.mark.parametrize("settings", [{}, {"normalisation": "batch", "schedule": "cosine"}, {"seeds": 2}])
def test_changes_on_the_way_are_made_again(settings: dict[str, Any]) -> None:
    """Rate, batch, dropout and decay change in the middle of an epoch, each at its step."""
    changes = (
        Change(3, "batch", 21.0),
        Change(3, "learning_rate", 0.02),
        Change(8, "dropout", 0.3),
        Change(9, "weight_decay", 0.5),
    )
    text = same(changes=changes, batch=10, optimizer="adamw", **settings)
    assert '(3, "batch", 21)' in text


def test_a_change_that_moves_nothing_is_not_written() -> None:
    """Logistic regression leaves nothing out, and only AdamW has a decay."""
    changes = (Change(1, "dropout", 0.5), Change(1, "weight_decay", 0.5))
    assert "CHANGES" not in same(architecture="logistic", changes=changes)


def test_a_network_that_diverges_is_left_out() -> None:
    """The others go on, and their mean is printed; when all are gone the script ends as the run did."""
    same(learning_rate=10.0, optimizer="sgd", loss="mse", epochs=5, seeds=2, near=0.1)
    config = TrainConfig(learning_rate=10.0, optimizer="sgd", loss="mse", widths=(16, 8), epochs=5)
    assert math.isnan(trained(config, load_dataset(DATA))[-1].train_loss)


def test_a_time_limit_ends_it_at_the_same_step() -> None:
    """A run that ran out of time within an epoch stops at that step in the script too."""
    config, data = TrainConfig(epochs=4, widths=(8,), batch=8), load_dataset(DATA)
    whole = trained(config, data)
    last = replace(whole[2], step=11, ended="time")
    text, rows = printed(Training(config, DATA, data, last))
    agree(rows[:2], whole[:2])
    assert len(rows) == 3
    assert "STEPS = 11" in text
    printed(Training(config, DATA, data, last, Origin(config, 1)))  # of a fork too


def after(parent: Origin, wish: TrainConfig, data: Dataset) -> tuple[TrainConfig, Origin | None, list[Epoch]]:
    """A fork of `parent`: its settings, its origin, and all epochs that lead to it and are its own."""
    album, before = Album(), list[Epoch]()
    for event in train(parent.config, build(parent.config, data), data, album=album):
        if isinstance(event, Epoch) and event.number <= parent.epoch:
            before.append(event)
    config, origin = forked(parent, before[-1].step, wish)
    stack, moments = drain(planted(parent, config, data, album))
    events = train(config, stack, data, start=parent.epoch, moments=moments)
    return config, origin, [*before[:-1], *(event for event in events if isinstance(event, Epoch))]


@pytest.mark.parametrize(
    ("old", "wish"),
    [
        ({"dropout": 0.2}, {"l2": 0.01, "clip": 0.5, "dropout": 0.1}),
        ({"optimizer": "sgd", "label_smoothing": 0.1}, {"optimizer": "adamw", "label_smoothing": 0.0}),
        ({"schedule": "cosine"}, {"schedule": "step", "batch": 16}),
        ({"optimizer": "adamw", "changes": (Change(3, "weight_decay", 0.5),)}, {"optimizer": "sgd", "clip": 1.0}),
        ({"optimizer": "sgd", "momentum": 0.0}, {"momentum": 0.9, "clip": 1.0}),
        ({}, {"patience": 3, "l1": 0.001, "warmup": 0.3}),
        ({"changes": (Change(5, "learning_rate", 0.03),)}, {"learning_rate": 0.02, "optimizer": "rmsprop"}),
    ],
)
def test_a_fork_is_written_stage_by_stage(old: dict[str, Any], wish: dict[str, Any]) -> None:
    """The parent up to the epoch of the fork, then the fork: one script makes both curves, one after the other."""
    data = load_dataset(DATA)
    config = TrainConfig(**{"epochs": 4, "widths": (16, 8), "learning_rate": 0.01, **old})
    wanted = replace(config, **{"changes": (), "epochs": 5, **wish})
    fork, origin, epochs = after(Origin(config, 2), wanted, data)
    assert origin is not None
    text, rows = printed(Training(fork, DATA, data, epochs[-1], origin))
    agree(rows, epochs)
    assert "forked after epoch 2" in text


def test_an_own_table_goes_beside_the_script(tmp_path: Path) -> None:
    """The rows as the network saw them stand in data.csv, and the curve is the same."""
    table = tmp_path / "plants.csv"
    table.write_text("size,colour,kind\n" + "".join(f"{i % 13},{'rgb'[i % 3]},{'ab'[i % 2]}\n" for i in range(90)))
    source, config = DatasetConfig(), TrainConfig(epochs=3, widths=(8,))
    data = table_dataset(read_table(str(table)), "kind", source)
    (tmp_path / "out").mkdir()
    for name, text in files(Training(config, source, data)).items():
        (tmp_path / "out" / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "out/train.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300
    )
    agree(list(csv.DictReader(done.stdout.splitlines())), trained(config, data))


def test_a_table_that_is_too_large_is_told() -> None:
    """Millions of numbers are not written beside a script: one sentence says so."""
    import numpy as np

    data = replace(load_dataset(DATA), name="upload")
    part = replace(data.train, x=np.zeros((100, 60_000), np.float32), y=np.zeros(100, np.int64))
    with pytest.raises(RunError, match="numbers"):
        files(Training(TrainConfig(), DATA, replace(data, train=part)))


def test_what_was_not_used_is_not_written() -> None:
    """The script of the simplest training knows nothing of dropout, schedules, penalties or early stopping."""
    text = same(epochs=1)
    for word in ("DROPOUT", "factor", "penalty", "PATIENCE", "CHANGES", "CLIP", "SMOOTHING", "deepcopy", "isnan"):
        assert word not in text
    assert len(text.splitlines()) < 110


def test_the_command_line_writes_the_same_files(tmp_path: Path) -> None:
    """`train --export FOLDER` leaves the script and the curve there; a folder that cannot be made is one sentence."""
    from bigmodel.__main__ import main

    settings = ["--dataset", "moons", "--rows", "60", "--epochs", "2", "--widths", "4"]
    assert main(["train", *settings, "--export", str(tmp_path / "out")]) == 0
    source = DatasetConfig(dataset="moons", rows=60)
    expected = files(Training(TrainConfig(epochs=2, widths=(4,)), source, load_dataset(source)))
    assert (tmp_path / "out" / "train.py").read_text(encoding="utf-8") == expected["train.py"]
    lines = (tmp_path / "out" / "curve.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("epoch,step,")
    assert len(lines) == 4
    (tmp_path / "file").write_text("")
    assert main(["train", *settings, "--export", str(tmp_path / "file" / "out")]) == 2
