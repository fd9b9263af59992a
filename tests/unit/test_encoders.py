"""Pre-trained encoders: opened like every model, and text that they turn into features."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from bigmodel import checkpoints
from bigmodel.checkpoints import load, places
from bigmodel.datasets import DatasetConfig, Reading, drain, load_dataset, loading, read_table, table_dataset
from bigmodel.datasets.encoders import encoder_for, in_slices, pooled, table_of
from bigmodel.datasets.prepare import prepare
from bigmodel.errors import ModelError
from bigmodel.ui.words import LANGUAGES, say
from tests import hub as hubs

BERT, PLAIN = "tiny/bert", "tiny/bert-plain"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A masked BERT without a pooler, a plain one, and one that hears."""
    root = tmp_path_factory.mktemp("encoders")
    hubs.make_bert(root / BERT)
    hubs.make_bert(root / PLAIN, masked=False)
    hubs.make_speech(root / "tiny/ears")
    return root


@pytest.fixture
def hub(models, tmp_path, monkeypatch):
    """A hub with them, and an empty cache."""
    with hubs.serving(models) as serving:
        monkeypatch.setenv("HF_ENDPOINT", serving.address)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(load, "_open", {task: type(kept)() for task, kept in load._open.items()})
        yield serving


def mixed(tmp_path):
    """A number and two columns of text in different languages."""
    lines = ["size,words,话,kind"]
    lines += [f"{k / 3:.2f},the rain fell {k} times,运动和饮食第{k}次,{'uv'[k % 2]}" for k in range(60)]
    path = tmp_path / "mixed.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_table(str(path))


@pytest.mark.parametrize("name", [BERT, PLAIN])
def test_an_encoder_comes_from_the_hub_with_or_without_a_pooler(hub, name):
    """It is fetched and opened as events; its states are what transformers gives for the same tokens."""
    kinds = [type(event).__name__ for event in checkpoints.ready(name, "encoder")]
    assert kinds[0] == "Fetched"
    encoder = checkpoints.load_encoder(name)
    assert (encoder.width, encoder.context) == (16, 40)
    ids = encoder.tokenizer(["the rain", "soup"])["input_ids"]
    with torch.no_grad():
        together = pooled(encoder.model, torch.from_numpy(table_of(ids, 9)))
        alone = encoder.model(torch.tensor([ids[1]])).last_hidden_state[0].mean(0)
    assert torch.allclose(together[1], alone, atol=1e-6)


def test_what_writes_may_read_and_what_hears_may_not(hub):
    """A shipped GPT-2 opens as an encoder; a speech model is refused before its weights come, in both languages."""
    assert checkpoints.load_encoder("text-en").width == 192
    with pytest.raises(ModelError) as caught:
        checkpoints.load_encoder("tiny/ears")
    assert caught.value.key == "model.task.encoder"
    assert not any("safetensors" in line for line in hub.asked if "ears" in line)
    for language in LANGUAGES:
        assert "tiny/ears" in say("error.model.task.encoder", language, **caught.value.values)


def test_a_hub_that_is_down_is_one_sentence_and_no_data_set(monkeypatch, tmp_path):
    """Choosing an encoder that is not here, without a hub, is told at once."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError) as caught:
        load_dataset(DatasetConfig(dataset="sentences_en", features="frozen", encoder="distilbert-base-uncased"))
    assert caught.value.key == "model.unreachable"


def test_the_menu_has_readers_with_sizes_shipped_ones_first():
    """GPT-2s that ship, then BERTs for English and Chinese with their sizes; short names are known."""
    names = [info.name for info in checkpoints.catalogue("encoder")]
    assert names[:2] == ["text-en", "text-zh"]
    for short in ("distilbert-base-uncased", "bert-base-chinese"):
        assert places.ALIASES[short] in names
    assert all(info.size_mb > 1 for info in checkpoints.catalogue("encoder"))


def test_a_frozen_encoder_s_features_are_scaled_means_of_its_states(hub):
    """Each row is what transformers says of its sentence alone, scaled by the training part; JSON makes it again."""
    config = DatasetConfig(dataset="sentences_en", features="frozen", encoder=BERT, tokens=12)
    events = []
    steps = loading(config)
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            data = end.value
            break
    assert data.train.x.shape[1] == 16
    assert np.allclose(data.train.x.mean(0), 0, atol=1e-4)
    assert np.allclose(data.train.x.std(0), 1, atol=1e-4)
    read = [event for event in events if isinstance(event, Reading) and event.stage == "texts"]
    assert read[-1].done == read[-1].of == 450
    encoder = checkpoints.load_encoder(BERT)
    ids = encoder.tokenizer(data.test_rows["sentence"][3], truncation=True, max_length=12)["input_ids"]
    with torch.no_grad():
        state = encoder.model(torch.tensor([ids])).last_hidden_state[0].mean(0).numpy()
    assert np.allclose(data.test.x[3] * data.scale + data.mean, state, atol=1e-4)
    assert np.allclose(prepare(json.loads(json.dumps(data.recipe)), data.test_rows), data.test.x, atol=1e-4)
    assert {notice.key for notice in data.notices} == {"text_frozen", "text_cut"}
    for notice in data.notices:
        for language in LANGUAGES:
            assert "{" not in say(f"datasets.notice.{notice.key}", language, **dict(notice.values))


def test_each_column_is_read_by_the_encoder_of_its_language(tmp_path):
    """With "auto", English goes to text-en and Chinese to text-zh, beside the numbers of the table."""
    data = table_dataset(mixed(tmp_path), "kind", DatasetConfig(features="frozen"))
    columns = data.recipe["columns"]
    assert [entry.get("encoder") for entry in columns] == [None, "text-en", "text-zh"]
    assert data.train.x.shape[1] == 1 + 192 + 192 == len(data.features)
    new = data.prepare(pd.DataFrame({"size": ["1"], "words": [None], "话": ["下雨了"]}))
    assert np.isfinite(new).all()


def test_for_fine_tuning_text_stays_a_row_of_tokens(hub, tmp_path):
    """Token numbers, then -1; all columns share one encoder; a longer text of later is cut."""
    data = table_dataset(mixed(tmp_path), "kind", DatasetConfig(features="tuned", encoder=BERT, tokens=16))
    entries = data.recipe["columns"][1:]
    assert [entry["kind"] for entry in entries] == ["tokens", "tokens"]
    encoder, width = checkpoints.load_encoder(BERT), entries[0]["tokens"]
    ids = encoder.tokenizer(data.test_rows["words"][0], truncation=True, max_length=16)["input_ids"]
    row = data.test.x[0, 1 : 1 + width]
    assert row[: len(ids)].tolist() == ids
    assert set(row[len(ids) :]) <= {-1.0}
    long = data.prepare(pd.DataFrame({"size": ["1"], "words": ["the rain " * 50], "话": [None]}))
    assert long.shape == (1, data.train.x.shape[1])
    assert long[0, width] >= 0


def test_slices_hold_every_row_once_and_no_more_work_than_asked():
    """Short rows share a slice, a long one has its own; nothing depends on the time that passes."""
    lengths = [5, 1, 40, 2, 3]
    slices = in_slices(lengths, 10, work=100)
    assert sorted(row for rows in slices for row in rows) == [0, 1, 2, 3, 4]
    assert all(len(rows) * max(lengths[row] for row in rows) <= 10 or len(rows) == 1 for rows in slices)


def test_the_shipped_encoder_follows_the_letters():
    """No name, or "auto", is the one that ships for the language; a name is a name."""
    assert encoder_for("auto", ["It rains."]) == "text-en"
    assert encoder_for(" ", ["下雨了。"]) == "text-zh"
    assert encoder_for(BERT, ["下雨了。"]) == BERT


def test_a_text_without_tokens_is_still_a_row(hub):
    """An empty cell becomes one token, and its mean is finite."""
    from bigmodel.datasets.encoders import embedding, tokens

    for name in (BERT, "text-en"):
        encoder = checkpoints.load_encoder(name)
        ids = drain(tokens(encoder, ["", "the rain"], 8))
        assert np.isfinite(drain(embedding(encoder, ids))).all()
