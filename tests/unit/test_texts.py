"""Columns of free text: TF-IDF features by a recipe of plain JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from bigmodel.datasets import SENTENCES, DatasetConfig, load_dataset, read_table, sentences, split_rows, table_dataset
from bigmodel.datasets.prepare import prepare
from bigmodel.datasets.texts import LENGTH, spaced, telltale

REVIEWS = [
    "the food was good and cheap",
    "a bad film with a good end",
    "never again in my life",
    "what a lovely day it is",
]
MIXED = "\n".join(
    ["stars,place,words,kind"]
    + [f"{k % 5 + k / 7:.2f},{'rgb'[k % 3]},{REVIEWS[k % 4]} number {k},{'uv'[k % 2]}" for k in range(90)]
)


@pytest.fixture
def mixed(tmp_path):
    """Numbers, categories and text in one table."""
    path = tmp_path / "mixed.csv"
    path.write_text(MIXED, encoding="utf-8")
    return read_table(str(path))


@pytest.mark.parametrize("name", SENTENCES)
def test_the_recipe_s_text_is_scikit_learn_s_tf_idf(name):
    """A vectorizer fitted on the training part gives the same weights, times a constant, as the recipe through JSON."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    config = DatasetConfig(dataset=name)
    table, data = sentences(name), load_dataset(config)
    column = table.columns[0]
    words = table.values[column].to_numpy()
    train, _, test = split_rows(pd.factorize(table.values[table.target], sort=True)[0], config)
    kind = (
        {"analyzer": "word", "ngram_range": (1, 2)}
        if name.endswith("en")
        else {"analyzer": "char", "ngram_range": (1, 3)}
    )
    plain = TfidfVectorizer(**kind, sublinear_tf=True, max_features=config.terms).fit(words[train])
    expected = plain.transform(words[test]).toarray() * LENGTH
    assert np.allclose(data.test.x, expected, atol=1e-6)
    assert np.allclose(prepare(json.loads(json.dumps(data.recipe)), data.test_rows), expected, atol=1e-6)
    assert data.features[0] == f"{column}: '{plain.get_feature_names_out()[0]}'"
    assert np.allclose(np.linalg.norm(data.train.x, axis=1), LENGTH, atol=1e-4)


def test_text_stands_beside_numbers_and_categories(mixed):
    """Each kind of column becomes its features; raw values come back by scale and mean; a new row may lack its text."""
    assert mixed.types == ("number", "category", "text", "category")
    data = table_dataset(mixed, "kind", DatasetConfig())
    assert data.features[:4] == ("stars", "place_b", "place_g", "place_r")
    assert {"words: 'good'", "words: 'the food'"} <= set(data.features)
    raw = data.train.x * data.scale + data.mean
    assert np.allclose(np.linalg.norm(raw[:, 4:], axis=1), 1, atol=1e-5)
    new = data.prepare(pd.DataFrame({"stars": ["3", None], "place": ["r", "x"], "words": ["Good food!", None]}))
    assert set(np.flatnonzero(new[0, 4:])) == {data.features.index(f"words: '{term}'") - 4 for term in ("food", "good")}
    assert not new[1, 4:].any()


def test_terms_are_learned_from_the_training_part_alone(mixed):
    """No word that stands only in the other parts is a feature, and no more than asked for are kept."""
    data = table_dataset(mixed, "kind", DatasetConfig())
    entry = data.recipe["columns"][-1]
    cells = [cell for rows in (data.valid_rows, data.test_rows) for cell in rows["words"]]
    assert not {cell.split()[-1] for cell in cells} & set(entry["terms"])
    few = table_dataset(mixed, "kind", DatasetConfig(terms=10))
    assert len(few.recipe["columns"][-1]["terms"]) == 10


@pytest.mark.parametrize(
    ("text", "words"),
    [("It rains.", True), ("今天下雨了。", False), ("安装 Python 3 很快", False), ("비가 옵니다", True), ("", True)],
)
def test_how_a_text_is_written_is_seen_from_its_letters(text, words):
    """English and Korean put spaces between words, Chinese does not, nor with some English in it."""
    assert spaced([text]) == words


def test_a_text_that_names_its_class_is_counted():
    """A class counts as named where it is a word, whatever the case; in Chinese wherever it stands."""
    assert telltale(["Sport is fun", "transport", "nothing"], ["sport", "sport", "food"]) == pytest.approx(1 / 3)
    assert telltale(["我爱运动会", "下雨"], ["运动", "天气"]) == 0.5


@pytest.mark.parametrize(("name", "count"), [("sentences_en", 90), ("sentences_zh", 60)])
def test_the_sentences_that_ship_are_many_and_none_stands_twice(name, count):
    """Five topics of equal size, no sentence twice; hardly one names its class."""
    table = sentences(name)
    column, target = table.columns
    assert table.target == target
    assert table.values[target].value_counts().tolist() == [count] * 5
    assert table.values[column].nunique() == 5 * count
    assert telltale(table.values[column].tolist(), table.values[target].tolist()) < 0.03
