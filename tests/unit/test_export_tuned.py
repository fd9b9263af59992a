"""The script of a fine-tuning makes the same curve with PyTorch and transformers, without anything of this package."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bigmodel import __main__ as cli
from bigmodel.checkpoints import places
from bigmodel.datasets import Dataset, DatasetConfig, read_table, table_dataset
from bigmodel.export import Training, files, notebook
from bigmodel.export.tuning import beside
from bigmodel.train import Change, Epoch, TrainConfig
from bigmodel.train.finetune import Tuned, finetune
from bigmodel.ui.words import dictionary
from tests import hub as hubs

SOURCE = DatasetConfig(features="tuned")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT in a folder called tiny, and a table of two texts and a number."""
    found = tmp_path_factory.mktemp("tuned")
    hubs.make_bert(found / "tiny")
    words, lines = ("rain", "soup", "ball"), ["size,first,second,kind"]
    for k in range(60):
        letters = f"{'abcdefghij'[k % 10]} {'klmnop'[k // 10]}"[: 1 + 2 * (k % 2)]
        lines.append(f"{k % 7 / 3:.2f},the {words[k % 3]} {letters} {k},{k} of the rest,{words[k % 3]}")
    (found / "texts.csv").write_text("\n".join(lines), encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    """That table for that BERT."""
    config = DatasetConfig(features="tuned", encoder=str(folder / "tiny"), tokens=12)
    return table_dataset(read_table(str(folder / "texts.csv")), "kind", config)


def trained(config: TrainConfig, data: Dataset, upto: int | None = None) -> list[Epoch]:
    """The epochs of a fine-tuning, until its end or until it was stopped after an epoch."""
    found = []
    for event in finetune(config, Tuned(config, data), data):
        if isinstance(event, Epoch):
            found.append(event)
            if event.number == upto:
                break
    return found


def agree(rows: list[dict[str, str]], epochs: list[Epoch], near: float = 1e-4) -> None:
    """The printed curve is the page's to rounding, and at the start to the last digit."""
    assert [int(row["epoch"]) for row in rows] == [epoch.number for epoch in epochs]
    for row, epoch in zip(rows, epochs, strict=True):
        for name in ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy"):
            close = 1.5e-6 if epoch.number == 0 and name.endswith("loss") else near
            assert float(row[name]) == pytest.approx(getattr(epoch, name), abs=close, nan_ok=True), epoch.number


def same(data: Dataset, folder: Path, upto: int | None = None, **settings: Any) -> str:
    """The script of a fine-tuning with these settings makes its curve; the script."""
    usual = {"epochs": 3, "batch": 8, "learning_rate": 1e-2, "encoder_rate": 1e-3, "weight_decay": 0.1}
    config = TrainConfig(**{**usual, **settings})
    epochs, out = trained(config, data, upto), io.StringIO()
    for name, text in files(Training(config, SOURCE, data, epochs[-1])).items():
        (folder / name).write_text(text, encoding="utf-8")
    code = (folder / "train.py").read_text(encoding="utf-8")
    with contextlib.redirect_stdout(out):
        exec(compile(code, "train.py", "exec"), {"__name__": "__main__", "__file__": str(folder / "train.py")})
    agree(list(csv.DictReader(out.getvalue().splitlines())), epochs)
    return code


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dropout": 0.3, "label_smoothing": 0.1, "clip": 0.5, "seed": 7},
        {"schedule": "one_cycle", "epochs": 6, "upto": 4},
        {"schedule": "cosine", "warmup": 0.2},
        {"epochs": 40, "learning_rate": 0.5, "encoder_rate": 0.05, "patience": 2},
        {"learning_rate": 10.0, "encoder_rate": 0.1, "epochs": 2, "architecture": "logistic", "l1": 0.5},
    ],
)
def test_the_script_makes_the_same_curve(data: Dataset, folder: Path, settings: dict[str, Any]) -> None:
    """Two rates, dropout before the head, schedules, clipping, early stopping; a run that was stopped; and what a
    fine-tuning does not have changes nothing."""
    code = same(data, folder, **settings)
    assert ("DROPOUT" in code) == ("dropout" in settings)
    assert "L1" not in code
    assert str(folder) not in code


def test_changes_on_the_way_are_made_again(data: Dataset, folder: Path) -> None:
    """Rate, batch, decay and dropout change in the middle of an epoch, each at its step, under a schedule too."""
    values = (("batch", 5.0), ("learning_rate", 0.02), ("weight_decay", 0.5), ("dropout", 0.2))
    changes = tuple(Change(3 + k, *value) for k, value in enumerate(values))
    for schedule in ("constant", "cosine"):
        same(data, folder, changes=changes, schedule=schedule)


def test_a_run_that_time_or_numbers_ended_ends_there_too(data: Dataset, folder: Path) -> None:
    """The step of the time limit is written down; a loss that is no number ends the script like the run."""
    config = TrainConfig(epochs=2, batch=8)
    last = trained(config, data)[-1]
    cut = Epoch(**{**vars(last), "number": 1, "step": 3, "ended": "time"})
    assert "if member.step == STEPS:" in files(Training(config, SOURCE, data, cut))["train.py"]
    (member,) = last.members
    broken = Epoch(**{**vars(last), "members": (type(member)(**{**vars(member), "diverged_at": 3}),)})
    code = files(Training(config, SOURCE, data, broken))["train.py"]
    assert "return False  # it has diverged" in code
    compile(code, "train.py", "exec")


def test_an_encoder_of_the_hub_is_named_and_others_lie_beside(data: Dataset, folder: Path) -> None:
    """A short name is written out in full; without its folder the script says what to put where."""
    entries = [
        {**entry, "encoder": "bert-base-chinese"} if "encoder" in entry else entry for entry in data.recipe["columns"]
    ]
    hub = Dataset(**{**vars(data), "recipe": {**data.recipe, "columns": entries}})
    assert beside(hub) is None
    assert beside(data) == ("tiny", folder / "tiny")
    config = TrainConfig(epochs=1)
    assert 'ENCODER = "google-bert/bert-base-chinese"' in files(Training(config, SOURCE, hub))["train.py"]
    code = files(Training(config, SOURCE, data))["train.py"]
    assert "put the folder tiny beside this file" in code
    cells = json.loads(notebook(Training(config, SOURCE, data), dictionary("en")))["cells"]
    written = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    compile(written, "notebook", "exec")
    assert 'ENCODER = Path("tiny")' in written
    assert "__file__" not in written


def test_the_command_line_puts_all_of_it_into_a_folder(folder: Path, tmp_path: Path) -> None:
    """`train --export`: with the encoder beside it the script runs in isolation, --test included."""
    rows = ["--table", str(folder / "texts.csv"), "--target", "kind", "--features", "tuned", "--tokens", "12"]
    options = ["--encoder", str(folder / "tiny"), "--epochs", "2", "--export", str(tmp_path / "out")]
    assert cli.main(["train", *rows, *options, "--json"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"train.py", "train.ipynb", "report.html", "curve.csv", "scores.csv", "data.csv", "tiny"}
    done = subprocess.run(
        [sys.executable, "-I", "train.py", "--test"],
        cwd=tmp_path / "out", capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    *lines, test = done.stdout.splitlines()
    with open(tmp_path / "out" / "curve.csv", encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    for row, wanted in zip(csv.DictReader(lines), told, strict=True):
        assert float(row["valid_loss"]) == pytest.approx(float(wanted["valid_loss"]), abs=1e-4)
    assert test.startswith("test accuracy [0.") or test.startswith("test accuracy [1.")


def test_shipped_encoders_lie_in_the_lab() -> None:
    """A name without a slash that ships is a folder; one of the hub is none."""
    assert places.folder_of("text-en") == places.SHIPPED / "text-en"
    assert places.folder_of("bert-base-chinese") is None
