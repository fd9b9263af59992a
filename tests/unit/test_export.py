"""The script that is taken away makes the same curve, without anything of this package."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from bigmodel.datasets import Dataset, DatasetConfig, load_dataset, read_table, table_dataset
from bigmodel.errors import RunError
from bigmodel.export import files
from bigmodel.networks import build
from bigmodel.train import Epoch, TrainConfig, train


def printed(folder: Path, config: TrainConfig, source: DatasetConfig, data: Dataset) -> list[dict[str, str]]:
    """What the script prints, run by itself in an empty folder."""
    for name, text in files(config, source, data).items():
        (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "train.py"], cwd=folder, capture_output=True, text=True, check=True, timeout=120
    )
    return list(csv.DictReader(done.stdout.splitlines()))


def same(rows: list[dict[str, str]], config: TrainConfig, data: Dataset) -> None:
    """The printed curve is that of the packed training to rounding."""
    epochs = [event for event in train(config, build(config, data), data) if isinstance(event, Epoch)]
    assert len(rows) == len(epochs) == config.epochs + 1
    for row, epoch in zip(rows, epochs, strict=True):
        for name in ("train_loss", "valid_loss"):
            assert float(row[name]) == pytest.approx(getattr(epoch, name), abs=1e-4), (epoch.number, name)


@pytest.mark.parametrize(
    ("dataset", "settings"),
    [
        ("article", {}),
        ("moons", {"optimizer": "sgd", "learning_rate": 0.05, "normalisation": "batch", "seeds": 2}),
        ("spirals", {"optimizer": "rmsprop", "activation": "tanh", "l1": 1e-4, "l2": 1e-3, "clip": 0.5}),
        ("xor", {"optimizer": "adagrad", "learning_rate": 0.05, "loss": "mse", "label_smoothing": 0.1}),
        ("iris", {"optimizer": "adamw", "architecture": "logistic", "label_smoothing": 0.1}),
    ],
)
def test_the_script_makes_the_same_curve(dataset: str, settings: dict[str, object], tmp_path: Path) -> None:
    """Each optimizer, penalty, loss and normalisation: the printed losses are the page's, epoch by epoch."""
    config = TrainConfig(**{"epochs": 4, "widths": (16, 8), **settings})  # type: ignore[arg-type]
    source = DatasetConfig(dataset=dataset, rows=300)
    data = load_dataset(source)
    same(printed(tmp_path, config, source, data), config, data)


def test_an_own_table_goes_beside_the_script(tmp_path: Path) -> None:
    """The rows as the network saw them stand in data.csv, and the curve is the same."""
    table = tmp_path / "plants.csv"
    table.write_text("size,colour,kind\n" + "".join(f"{i % 13},{'rgb'[i % 3]},{'ab'[i % 2]}\n" for i in range(90)))
    source, config = DatasetConfig(), TrainConfig(epochs=3, widths=(8,))
    data = table_dataset(read_table(str(table)), "kind", source)
    (tmp_path / "out").mkdir()
    same(printed(tmp_path / "out", config, source, data), config, data)


@pytest.mark.parametrize("settings", [{"dropout": 0.2}, {"patience": 3}, {"schedule": "cosine"}])
def test_what_a_plain_script_cannot_repeat_is_told(settings: dict[str, object]) -> None:
    """Dropout, schedules and early stopping are refused in one sentence, not written wrongly."""
    source = DatasetConfig(dataset="moons", rows=60)
    with pytest.raises(RunError, match="script"):
        files(TrainConfig(**settings), source, load_dataset(source))  # type: ignore[arg-type]


def test_the_command_line_writes_the_same_files(tmp_path: Path) -> None:
    """`train --export FOLDER` leaves the script and the curve there; a folder that cannot be made is one sentence."""
    from bigmodel.__main__ import main

    settings = ["--dataset", "moons", "--rows", "60", "--epochs", "2", "--widths", "4"]
    assert main(["train", *settings, "--export", str(tmp_path / "out")]) == 0
    source = DatasetConfig(dataset="moons", rows=60)
    expected = files(TrainConfig(epochs=2, widths=(4,)), source, load_dataset(source))
    assert (tmp_path / "out" / "train.py").read_text(encoding="utf-8") == expected["train.py"]
    lines = (tmp_path / "out" / "curve.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("epoch,step,")
    assert len(lines) == 4
    (tmp_path / "file").write_text("")
    assert main(["train", *settings, "--export", str(tmp_path / "file" / "out")]) == 2
