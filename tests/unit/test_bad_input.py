"""What goes wrong with data and settings, one by one: a single clear sentence, or a table is mended and says so."""

import numpy as np
import pytest

from bigmodel.compare import CompareConfig
from bigmodel.datasets import DatasetConfig, drawn, load_dataset, read_table, table_dataset
from bigmodel.errors import BigModelError, ConfigError
from bigmodel.networks import build
from bigmodel.train import TrainConfig
from bigmodel.ui.words import LANGUAGES, say, word

PLAIN = "\n".join(["a,b,kind"] + [f"{k},{k * k % 17},{'uv'[k % 2]}" for k in range(60)])

NAMES = "\n".join(["a,kind"] + [f"{k},class {k}" for k in range(60)])


def learned(tmp_path, content, target=""):
    """The data set of a file, whose bytes or text are given."""
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = read_table(str(path))
    return table_dataset(table, target or table.target, DatasetConfig())


def sketch(*counts):
    """A drawing of so many points of each class."""
    y = np.repeat(np.arange(len(counts)), counts)
    return load_dataset(DatasetConfig(dataset="drawn", points=drawn.write(np.zeros((len(y), 2)), y)))


REFUSED = {
    "2 rows": ("data.few", lambda tmp: learned(tmp, "a,kind\n1,u\n2,v\n")),
    "2 points": ("drawn.few", lambda tmp: sketch(1, 1)),
    "1 row of each class": ("data.thin_classes", lambda tmp: learned(tmp, NAMES, "kind")),
    "1 point of a class": ("drawn.thin", lambda tmp: sketch(1, 20)),
    "a target that is all missing": (
        "data.target_empty",
        lambda tmp: learned(tmp, PLAIN.replace(",u", ",").replace(",v", ","), "kind"),
    ),
    "a target of infinite values": (
        "data.target_empty",
        lambda tmp: learned(tmp, PLAIN.replace(",u", ",inf").replace(",v", ",-inf"), "kind"),
    ),
    "a width of 0": ("config.range", lambda tmp: TrainConfig(widths=(64, 0))),
    "a width of a million": ("config.range", lambda tmp: TrainConfig(widths=(10**6,))),
    "a race of a width of a million": ("config.range", lambda tmp: CompareConfig(widths=(10**6,))),
    "too many numbers": (
        "networks.budget",
        lambda tmp: build(TrainConfig(widths=(1024,) * 8, seeds=16), load_dataset(DatasetConfig())),
    ),
    "a billion epochs": ("config.range", lambda tmp: TrainConfig(epochs=10**9)),
    "a budget of a billion seconds": ("config.range", lambda tmp: TrainConfig(seconds=1e9)),
    "a recurrent network of no layer": ("train.no_layers", lambda tmp: TrainConfig(architecture="gru", widths=())),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_one_sentence(tmp_path, case):
    """One problem, with what came, in both languages; the Chinese sentence is Chinese."""
    key, make = REFUSED[case]
    with pytest.raises(BigModelError) as raised:
        make(tmp_path)
    problems = raised.value.problems if isinstance(raised.value, ConfigError) else (raised.value,)
    assert [problem.key for problem in problems] == [key]
    for language in LANGUAGES:
        sentence = word(raised.value, language)
        assert "{" not in sentence
        assert sentence.endswith("." if language == "en" else "。")


WIDE = "\n".join([",".join([*(f"c{k}" for k in range(9_999)), "kind"])] + [
    ",".join([str(k * 7 % 11)] * 9_999 + ["uv"[k % 2]]) for k in range(20)
])  # fmt: skip
HALVES = PLAIN.replace("u", "größe").encode() + b"\n" + PLAIN.replace("v", "früh").partition("\n")[2].encode("cp1252")
MENDED = {
    "10,000 columns": ("columns", WIDE),
    "mixed encodings": ("mixed", HALVES),
    "a header that stands twice": ("renamed", PLAIN.replace("a,b", "a,a", 1)),
    "an empty header": ("unnamed", PLAIN.replace("a,b", "a,", 1)),
    "infinite values": ("infinite", PLAIN.replace("\n7,", "\ninf,")),
    "a mark at the start": ("", PLAIN.encode("utf-8-sig")),
    "quotes and line ends in cells": ("", PLAIN.replace("u", '"u ""x"",\ny"')),
}


@pytest.mark.parametrize("case", MENDED)
def test_it_is_mended_and_said(tmp_path, case):
    """The table is learned from, all its numbers finite; what was done to it is one sentence in both languages."""
    key, content = MENDED[case]
    data = learned(tmp_path, content, "kind")
    assert [notice.key for notice in data.notices if notice.key not in ("rare_classes", "gaps")] == (
        [key] if key else []
    )
    assert all(np.isfinite(part.x).all() for part in (data.train, data.valid, data.test))
    assert "\ufeff" not in "".join(data.features)
    for notice in data.notices:
        for language in LANGUAGES:
            assert "{" not in say(f"datasets.notice.{notice.key}", language, **dict(notice.values))


def test_two_million_rows_are_sampled_and_said(tmp_path, monkeypatch):
    """Of more rows than are kept each has the same chance, from the first to the last; the sentence tells both numbers.
    The limit is lowered: a file of two million takes seconds."""
    monkeypatch.setattr("bigmodel.datasets.table.MOST_ROWS", 500)
    text = "a,kind\n" + "\n".join(f"{k},{'uv'[k % 2]}" for k in range(20_000))
    data = learned(tmp_path, text, "kind")
    (notice,) = data.notices
    assert (notice.key, dict(notice.values)) == ("sampled", {"rows": 20_000, "kept": 500})
    assert 8_000 < data.mean[0] < 12_000
