"""What is taken away beside the script: a notebook that runs, a report that opens anywhere, and tables."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest

from bigmodel.datasets import Dataset, DatasetConfig, load_dataset, read_table, table_dataset
from bigmodel.errors import BigModelError
from bigmodel.export import Account, Training, bundle, command, notebook, report, scores
from bigmodel.export.charts import charts
from bigmodel.export.data import noticed
from bigmodel.export.paper import figures
from bigmodel.export.report import findings
from bigmodel.metrics import wilson
from bigmodel.networks import Stack, build
from bigmodel.train import Change, Epoch, TrainConfig, train
from bigmodel.train.coach import Diagnosis, Mend
from bigmodel.train.fork import Origin
from bigmodel.train.judging import Judged, marks
from bigmodel.ui.words import LANGUAGES, dictionary

DATA = DatasetConfig(dataset="moons", rows=100)
SCRIPTS = re.compile(r"(src|href)\s*=|url\(")


def trained(data: Dataset, **settings: Any) -> tuple[TrainConfig, Stack, list[Epoch]]:
    config = TrainConfig(**{"epochs": 3, "widths": (8,), **settings})
    stack = build(config, data)
    return config, stack, [event for event in train(config, stack, data) if isinstance(event, Epoch)]


def told(data: Dataset, source: DatasetConfig = DATA, **settings: Any) -> tuple[Training, Account]:
    """A training with all that is known of it, its test part opened."""
    config, stack, epochs = trained(data, **settings)
    judged = [e for part in ("valid", "test") for e in marks(stack, data, part, 3) if isinstance(e, Judged)]
    drawn = tuple(charts(epochs, judged, dictionary("en")))
    account = Account(epochs, judged, charts=drawn, command=command(config, source), link="?tab=train", parameters=1234)
    return Training(config, source, data, epochs[-1]), account


# ---- the notebook --------------------------------------------------------------------------------------------------


def run(text: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Run the code cells in their order: what they leave, and the curve that they print."""
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    left: dict[str, Any] = {"__name__": "__main__"}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile("\n".join("".join(cell["source"]) for cell in cells), "train.ipynb", "exec"), left)
    return left, list(csv.DictReader(out.getvalue().splitlines()))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("settings", [{}, {"architecture": "gru", "patience": 2, "schedule": "cosine", "seeds": 2}])
def test_the_notebook_makes_the_same_curve(settings: dict[str, Any], language: str) -> None:
    """It is valid, its cells run from top to bottom, and print the page's losses; the test part stays sealed."""
    data = load_dataset(DATA)
    config, _, epochs = trained(data, **settings)
    text = notebook(Training(config, DATA, data, epochs[-1]), dictionary(language))
    nbformat.validate(nbformat.reads(text, as_version=4))
    left, rows = run(text)
    assert [float(row["valid_loss"]) for row in rows] == pytest.approx([e.valid_loss for e in epochs], abs=1e-4)
    assert "test accuracy" not in str(rows)
    ElementTree.fromstring(left["Chart"](left["curve"])._repr_svg_())
    assert dictionary(language)["export.notebook.loop"].splitlines()[0] in text


def test_the_notebook_reads_the_table_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An own table is looked for where the notebook runs."""
    table = tmp_path / "plants.csv"
    table.write_text("size,kind\n" + "".join(f"{i % 13},{'ab'[i % 2]}\n" for i in range(60)))
    data = table_dataset(read_table(str(table)), "kind", DATA)
    training, account = told(data)
    for name, text in bundle(training, account, dictionary("en"), "en").items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    _, rows = run((tmp_path / "train.ipynb").read_text(encoding="utf-8"))
    assert float(rows[-1]["train_loss"]) == pytest.approx(account.epochs[-1].train_loss, abs=1e-4)


# ---- the report ----------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """The words and the tags of a file."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.tags, self.inside = list[str](), list[str](), ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.words.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_tells_all_of_it(language: str) -> None:
    """Settings, data, scores of both parts with their intervals, the coach, the way to make it again; no address."""
    training, account = told(load_dataset(DATA), patience=3)
    words = dictionary(language)
    text, places = report(training, account, words, language)
    said = " ".join(read(text).words)
    test = account.judged[1].scores
    for expected in (
        words["dataset.moons"],
        words["train.learning_rate.label"],
        words["train.part.test"],
        words["train.scores.interval"].format(low=test.interval[0], high=test.interval[1]),
        words["export.report.calm"],
        words["export.report.parameters"].format(count=1234),
        "python -m bigmodel train --dataset moons --rows 100",
        "?tab=train",
    ):
        assert expected in said
    assert words["export.report.sealed"] not in said
    assert re.findall(r"<!--(figure \d+)-->", text) == list(places)
    assert not SCRIPTS.search(text)
    numbers = json.loads(re.findall(r'id="training">(.*?)</script>', text)[0])
    assert numbers["epochs"][-1]["valid_loss"] == account.epochs[-1].valid_loss
    sealed = report(training, replace(account, judged=account.judged[:1]), words, language)[0]
    assert words["export.report.sealed"] in sealed


def test_a_report_of_its_own_holds_plotly_and_needs_nothing() -> None:
    """Where no browser draws, plotly's script lies in the file, and every chart has its call."""
    training, account = told(load_dataset(DATA))
    whole = bundle(training, account, dictionary("en"), "en")["report.html"]
    assert whole.count("Plotly.newPlot(") >= len(account.charts)
    assert "<!--figure" not in whole
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", whole.split("</head>")[1])
    assert not any("src" in tag for tag in tags)


def test_what_people_wrote_is_text(tmp_path: Path) -> None:
    """A class, a column and a file that are called like a script are harmless, in the tables and in the charts."""
    nasty = "</script><script>alert(1)</script>"
    table = tmp_path / "plants.csv"
    table.write_text("<img src=x>,kind\n" + "".join(f"{i % 13},{('a', nasty)[i % 2]}\n" for i in range(60)))
    data = table_dataset(read_table(str(table)), "kind", DATA)
    training, account = told(data)
    account = replace(account, file=nasty, target=nasty)
    text = report(training, account, dictionary("en"), "en")[0]
    assert "alert(1)" in " ".join(read(text).words)
    assert read(text).tags.count("script") == 1
    assert "img" not in read(text).tags
    whole = bundle(training, account, dictionary("en"), "en")["report.html"].split("</head>")[1]
    assert whole.count("<script>") == whole.count("<script>Plotly.newPlot(")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_doctor_found_is_told(language: str, tmp_path: Path) -> None:
    """Of an own table the report says what the doctor does; of one that is gone, or of built-in data, nothing."""
    table = tmp_path / "plants.csv"
    table.write_text("same,size,kind\n" + "".join(f"1,{i % 13},{'ab'[i % 13 > 6]}\n" for i in range(60)))
    found = noticed(str(table), "kind", DATA)
    assert "constant" in [finding.key for finding in found]
    training, account = told(table_dataset(read_table(str(table)), "kind", DATA))
    words = dictionary(language)
    text = report(training, replace(account, noticed=found), words, language)[0]
    said = {finding.key: dict(finding.values) for finding in found}
    assert words["doctor.finding.constant"].format_map(said["constant"]) in " ".join(read(text).words)
    assert noticed(str(tmp_path / "gone.csv"), "kind", DATA) == noticed("", "", DATA) == ()


def test_a_broken_training_is_reported() -> None:
    """All networks diverged: no scores, no numbers, and still a report that says so."""
    data = load_dataset(DATA)
    config, _, epochs = trained(data, learning_rate=10.0, optimizer="sgd", loss="mse", epochs=30)
    account = Account(epochs, charts=tuple(charts(epochs, (), dictionary("en"))))
    text, _ = report(Training(config, DATA, data, epochs[-1]), account, dictionary("en"), "en")
    assert dictionary("en")["train.status.diverged"] in text
    assert "NaN" not in text


def test_an_empty_chart_is_no_page_of_a_report() -> None:
    """A look in which every value is missing is left out; the others stay."""
    switch = [{"label": "a", "hidden": [1]}, {"label": "b", "hidden": [0]}]
    chart = {"data": [{"y": [1.0, None]}, {"y": [None, None]}], "layout": {"meta": {"switch": switch}}}
    assert [drawn["look"]["label"] for drawn in figures([chart]).values()] == ["a"]


def test_a_fork_is_told_as_one() -> None:
    """Its command would be another training: the report says where it comes from instead."""
    training, account = told(load_dataset(DATA))
    text = report(replace(training, origin=Origin(TrainConfig(), 2)), account, dictionary("en"), "en")[0]
    assert dictionary("en")["export.report.forked"].format(number=2) in text
    assert account.command not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_coach_is_quoted_with_names(language: str) -> None:
    """A class by its name, a simple model by its own."""
    collapse = Diagnosis("collapse", (("place", 1), ("share", 1.0), ("true", 0.5), ("number", 4)), Mend("anew"))
    beaten = Diagnosis("beaten", (("name", "logistic"), ("theirs", 0.9), ("ours", 0.8), ("luck", 0.02)), Mend("anew"))
    words = dictionary(language)
    (_, first), (_, second) = findings([collapse, beaten], ("cat", "dog"), words)
    assert "dog" in first
    assert words["train.baseline.logistic"] in second


# ---- tables and the command line -----------------------------------------------------------------------------------


def test_scores_are_a_line_each() -> None:
    """Overall and class by class, with intervals; the numbers are those of the scores."""
    _, account = told(load_dataset(DATA), seeds=2)
    lines = list(csv.DictReader(scores(account.judged).splitlines()))
    test = account.judged[1].scores
    (accuracy,) = [line for line in lines if (line["part"], line["class"], line["score"]) == ("test", "", "accuracy")]
    assert float(accuracy["value"]) == pytest.approx(test.accuracy)
    assert (float(accuracy["low"]), float(accuracy["high"])) == pytest.approx(test.interval)
    assert float(accuracy["seeds_mean"]) == pytest.approx(test.spreads[0].mean)
    (recall,) = [line for line in lines if (line["part"], line["class"], line["score"]) == ("test", "1", "recall")]
    (missed, hits), rows = test.confusion[1], sum(test.confusion[1])
    assert missed + hits == rows == int(recall["rows"])
    assert float(recall["value"]) == pytest.approx(test.recall)
    assert float(recall["low"]) == pytest.approx(wilson(hits, rows)[0])


@pytest.mark.parametrize(
    ("config", "source"),
    [
        (TrainConfig(), DatasetConfig()),
        (TrainConfig(widths=(8, 4), dropout=0.25, seed=7), DatasetConfig(dataset="xor", noise=0.3)),
        (TrainConfig(changes=(Change(3, "batch", 8.0),), learning_rate=1e-4), DatasetConfig(seed=1, distinct=True)),
    ],
)
def test_the_command_means_the_same_training(config: TrainConfig, source: DatasetConfig) -> None:
    """Read back by the command line, it gives the same settings, of the network and of the data."""
    from bigmodel.__main__ import parser
    from bigmodel.commands.options import read_config, source_of

    words = shlex.split(command(config, source, file="a b.csv", target="kind", leave_out=("x", "y")))
    parsed = parser("train").parse_args(words[3:])
    assert read_config(parsed, TrainConfig) == config
    assert source_of(parsed) == source
    assert (parsed.table, parsed.target, parsed.leave_out) == ("a b.csv", "kind", ("x", "y"))


def test_the_command_line_writes_all_of_it(tmp_path: Path) -> None:
    """`train --export FOLDER`: script, notebook, report and tables, also in Chinese, also when it diverged."""
    from bigmodel.__main__ import main

    settings = ["--dataset", "moons", "--rows", "60", "--epochs", "2", "--widths", "4"]
    assert main(["train", *settings, "--words", "zh", "--export", str(tmp_path / "out")]) == 0
    names = {"train.py", "train.ipynb", "report.html", "curve.csv", "scores.csv"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert dictionary("zh")["export.report.again"] in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    broken = ["--learning-rate", "10", "--optimizer", "sgd", "--loss", "mse", "--epochs", "30"]
    assert main(["train", *settings[:4], *broken, "--export", str(tmp_path / "broken")]) == 2
    assert {path.name for path in (tmp_path / "broken").iterdir()} == names - {"scores.csv"}


def test_columns_can_be_left_out_on_the_command_line(tmp_path: Path) -> None:
    """`--leave-out` does what the page's menu does."""
    from bigmodel.__main__ import parser
    from bigmodel.commands.options import data_of
    from bigmodel.datasets import drain

    table = tmp_path / "plants.csv"
    table.write_text("size,colour,kind\n" + "".join(f"{i % 13},{'rgb'[i % 3]},{'ab'[i % 2]}\n" for i in range(60)))
    asked = ["train", "--table", str(table), "--target", "kind", "--leave-out", "colour", "--data-seed", "3"]
    assert drain(data_of(parser("train").parse_args(asked))).features == ("size",)
    with pytest.raises(BigModelError):
        drain(data_of(parser("train").parse_args([*asked[:-3], "size,colour"])))
