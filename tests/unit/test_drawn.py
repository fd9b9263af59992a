"""Drawings: points ↔ text, what cannot be learned from, and the same points in a script that is taken away."""

import re

import numpy as np
import pytest

from bigmodel.compare import CompareConfig
from bigmodel.compare.entries import entries
from bigmodel.compare.takeaway import Where, sklearn_script
from bigmodel.datasets import DatasetConfig, drawn, load_dataset
from bigmodel.errors import ConfigError, DataError
from bigmodel.export import Training, files
from bigmodel.train import TrainConfig
from bigmodel.ui.words import LANGUAGES, word


def drawing(*counts):
    """So many points of each class, at random places."""
    rng = np.random.default_rng(1)
    return drawn.write(rng.uniform(-1, 1, (sum(counts), 2)), np.repeat(np.arange(len(counts)), counts))


def test_what_is_written_is_read_back():
    """Places come back to a thousandth, the edges exactly, classes as they were; four digits of a link's alphabet a
    point."""
    x = np.array([(-1, -1), (1, 1), (0, 0.5), (-0.25, 0.125), (0.7, -0.7)] * 3, float)
    y = np.array([0, 1, 2, 3, 0] * 3)
    text = drawn.write(x, y)
    places, classes, names = drawn.read(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]{60}", text)
    assert np.abs(places - x).max() < 1e-3
    assert np.array_equal(places[:2], x[:2])
    assert (classes.tolist(), names) == (y.tolist(), ("A", "B", "C", "D"))
    assert drawn.write(places, classes) == text


def test_a_class_that_was_not_drawn_is_no_class():
    """Points of A and C make two classes, which keep their names."""
    _, y, names = drawn.read(drawing(6, 0, 6))
    assert names == ("A", "C")
    assert set(y) == {0, 1}


REFUSED = {
    "drawn.few": drawing(3, 3),
    "drawn.one_class": drawing(20),
    "drawn.thin": drawing(20, 2),
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_cannot_be_learned_says_why(key):
    """Too few points, one class only, a class of two: one sentence each, in both languages."""
    with pytest.raises(DataError) as raised:
        load_dataset(DatasetConfig(dataset="drawn", points=REFUSED[key]))
    assert raised.value.key == key
    assert all("{" not in word(raised.value, language) for language in LANGUAGES)


@pytest.mark.parametrize("text", ["abc", "ab d", "AAA=", "é" * 4, "AAAA\n", 7, None, ["AAAA"]])
def test_what_is_no_drawing_is_refused_as_a_setting(text):
    """A text that holds no points is told before anything is loaded."""
    with pytest.raises(ConfigError) as raised:
        DatasetConfig(points=text)
    assert [problem.key for problem in raised.value.problems] == ["drawn.malformed"]


def test_more_points_than_allowed_are_refused():
    """Two thousand points are taken, one more is told with the limit."""
    half = drawn.MOST_POINTS // 2
    assert len(load_dataset(DatasetConfig(dataset="drawn", points=drawing(half, half))).train.y) == 1280
    with pytest.raises(ConfigError, match=r"2,001 points; at most 2,000"):
        DatasetConfig(points=drawing(half, half + 1))


def test_every_example_can_be_learned():
    """Each example has two classes or three, of points within the square; without a drawing the first one stands in."""
    for name, text in drawn.examples().items():
        x, _, names = drawn.read(text)
        assert len(names) == (3 if name == "blobs" else 2), name
        assert 0.5 < np.abs(x).max() <= 1, name
    data = load_dataset(DatasetConfig(dataset="drawn"))
    assert (data.features, data.classes, len(data.test.y)) == (("x1", "x2"), ("A", "B"), 40)


def test_the_scripts_of_a_race_hold_the_drawing():
    """The lines that a script has instead of a file give the very values and classes."""
    text = drawing(30, 0, 30)
    scope = {"np": np}
    exec("\n".join(drawn.script(text)), scope)
    x, y, _ = drawn.read(text)
    assert np.array_equal(scope["x"], x)
    assert np.array_equal(scope["y"], y)
    where = Where(DatasetConfig(dataset="drawn", points=text))
    race = CompareConfig(rates=(0.1, 0.2), epochs=1)
    script = sklearn_script(race, entries(race), (42,), where, load_dataset(where.config), 1)
    compile(script, "race.py", "exec")
    assert text[:100] in script


def test_a_training_on_a_drawing_is_taken_away_with_its_points():
    """The plain script goes with a file of the points, as one of an own table does."""
    source = DatasetConfig(dataset="drawn", points=drawing(30, 30))
    found = files(Training(TrainConfig(epochs=1), source, load_dataset(source)))
    assert set(found) == {"train.py", "data.csv"}
    assert len(found["data.csv"].splitlines()) == 61
