"""The data doctor: each finding is found where it is, and not where it is not."""

import numpy as np
import pytest

from bigmodel.datasets import DATASETS, SENTENCES, DatasetConfig, load_dataset, read_table, split_rows
from bigmodel.datasets.doctor import describe, examine
from bigmodel.ui import doctor as page
from bigmodel.ui.words import LANGUAGES
from tests.ui.made import strict

RNG = np.random.default_rng(0)


def write(tmp_path, columns, count=200):
    """A table of columns, each a function of the row number, and what the doctor says to it."""
    lines = [",".join(columns)] + [",".join(str(make(k)) for make in columns.values()) for k in range(count)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    return read_table(str(path))


NOISE = RNG.normal(size=(400, 3)).round(3)
HEALTHY = {
    "a": lambda k: NOISE[k, 0],
    "b": lambda k: NOISE[k, 1],
    "kind": lambda k: "uv"[int(NOISE[k, 0] + NOISE[k, 2] > 0)],
}

SICK = {
    "constant": {"c": lambda k: 7},
    "ids": {"passenger": lambda k: k + 1},
    "missing": {"c": lambda k: NOISE[k, 2] if k % 3 == 0 else ""},
    "lopsided": {"kind": lambda k: "u" if k % 20 else "v"},
    "thin": {"kind": lambda k: "u" if k % 2 else "w" if k % 50 == 0 else "v"},
    "many": {"kind": lambda k: f"class{k % 25}"},
    "telling": {"c": lambda k: "yes" if HEALTHY["kind"](k) == "u" else "no"},
    "named": {"c": lambda k: f"row {k} is {'of ' + HEALTHY['kind'](k) if k % 2 else 'one of some'} kind"},
    "twins": {"a": lambda k: k % 10, "b": lambda k: k % 5, "kind": lambda k: "uv"[k % 10 > 4]},
}


def found(report):
    return {finding.key for finding in report.findings}


def test_a_healthy_table_is_called_healthy(tmp_path):
    """Nothing is found in noise with a class that depends on it."""
    report = examine(write(tmp_path, HEALTHY), "kind")
    assert found(report) == {"healthy"}
    assert (report.leave_out, report.rows) == ((), 200)
    assert sum(count for _, count in report.classes) == 200


@pytest.mark.parametrize("key", SICK)
def test_each_sickness_is_found_and_worded(tmp_path, key):
    """A table made sick in one way gives that finding, with a sentence in both languages; its view is plain JSON."""
    report = examine(write(tmp_path, HEALTHY | SICK[key]), "kind")
    assert key in found(report)
    for language in LANGUAGES:
        shown = page.view(report, language)
        assert len(shown["findings"]) >= 1
        assert all("{" not in sentence for _, _, sentence in shown["findings"])
        strict([shown])


def test_what_says_nothing_is_proposed_to_be_left_out(tmp_path):
    """Constant and id-like columns are proposed; a measurement whose values all differ is not."""
    table = write(
        tmp_path, HEALTHY | {"one": lambda k: 1, "nr": lambda k: 1000 - 3 * k, "name": lambda k: f"N{k * 7919}"}
    )
    assert set(examine(table, "kind").leave_out) == {"one", "nr", "name"}


def test_twins_are_counted_as_the_split_will_cut(tmp_path):
    """As many test rows stand in the training part too as the split of the settings makes it."""
    columns = HEALTHY | {
        "a": lambda k: NOISE[k // 2, 0],
        "b": lambda k: NOISE[k // 2, 1],
        "kind": lambda k: "uv"[k // 2 % 2],
    }
    table = write(tmp_path, columns)
    config = DatasetConfig(seed=7, test_share=0.3)
    (twins,) = [f for f in examine(table, "kind", config).findings if f.key == "twins"]
    train, valid, test = split_rows((table.values["kind"] == "v").to_numpy(int), config)
    pairs = {k // 2 for k in (*train, *valid)}
    assert dict(twins.values)["rows"] == sum(k // 2 in pairs for k in test)


def test_a_target_that_cannot_be_learned_is_a_problem_not_an_error(tmp_path):
    """The report of a measurement as target says why, and still tells the columns."""
    report = examine(write(tmp_path, HEALTHY), "a")
    assert report.problem.key == "data.continuous"
    assert len(report.columns) == 3
    assert page.view(report, "zh")["findings"][0][0] == "bad"


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in SENTENCES])
def test_built_in_sets_have_the_same_look(name):
    """Rows, classes, columns and first rows of every built-in set are told."""
    data = load_dataset(DatasetConfig(dataset=name, rows=100))
    report = describe(data)
    assert report.rows == sum(len(part.y) for part in (data.train, data.valid, data.test))
    assert {label for label, _ in report.classes} == set(data.classes)
    assert len(report.first) == 5
    strict([page.view(report, "en")])
