"""A fine-tuned encoder in a ZIP: it comes back whole, without the original; nothing broken or strange gets in."""

from __future__ import annotations

import ast
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load as tensors_of
from safetensors.torch import save as packed

from bigmodel import __main__ as cli
from bigmodel.checkpoints import load as loading
from bigmodel.checkpoints import load_encoder
from bigmodel.checkpoints import packed as encoders
from bigmodel.datasets import Dataset, DatasetConfig, drain, read_table, table_dataset
from bigmodel.errors import ModelError
from bigmodel.predict import predict_row, predicting
from bigmodel.saved import Model, archive, check, dump, load, model_of, save, tuned
from bigmodel.train import TrainConfig
from bigmodel.train.finetune import Tuned, finetune
from bigmodel.ui.words import LANGUAGES, word
from tests import hub as hubs

CONFIG = TrainConfig(epochs=2, batch=8, learning_rate=1e-2, encoder_rate=1e-3)


def table(folder: Path) -> Path:
    """A number, a category and two columns of text; the class is what the first text is about."""
    words = ("rain", "soup", "ball")
    lines = ["size,hue,first,second,kind"]
    for k in range(60):
        letters = f"{'abcdefghij'[k % 10]} {'klmnop'[k // 10]}"
        lines.append(f"{k % 7 / 3:.2f},{'rgb'[k % 3]},the {words[k % 3]} {letters} {k},{k} 天气,{words[k % 3]}")
    path = folder / "texts.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """That table for a tiny BERT."""
    folder = tmp_path_factory.mktemp("tuned")
    bert = str(hubs.make_bert(folder / "tiny"))
    return table_dataset(read_table(str(table(folder))), "kind", DatasetConfig(features="tuned", encoder=bert))


@pytest.fixture(scope="module")
def model(data: Dataset) -> Model:
    """A network that was fine-tuned on it; its encoder can be had no more."""
    network = Tuned(CONFIG, data)
    list(finetune(CONFIG, network, data))
    shutil.rmtree(network.encoder.name)
    loading._open["encoder"].clear()
    return model_of(CONFIG, data, network, 2, scores={"valid": {"rows": 10, "accuracy": 0.5}})


@pytest.fixture(scope="module")
def kept(model: Model) -> dict[str, bytes]:
    """The files of its ZIP by name."""
    with zipfile.ZipFile(io.BytesIO(dump(model))) as found:
        return {name: found.read(name) for name in found.namelist()}


@pytest.fixture
def written(kept: dict[str, bytes], tmp_path: Path) -> Callable[..., Path]:
    """Write that ZIP with some files exchanged; None leaves one out."""

    def write(**changes: bytes | None) -> Path:
        path = tmp_path / "network.zip"
        with zipfile.ZipFile(path, "w") as out:
            for file, content in {**kept, **changes}.items():
                if content is not None:
                    out.writestr(file, content)
        return path

    return write


def told(content: bytes, **changes: Any) -> bytes:
    """A JSON with other values."""
    return json.dumps({**json.loads(content), **changes}).encode()


def test_what_comes_back_predicts_the_same(model: Model, data: Dataset, tmp_path: Path) -> None:
    """To 1e-6 over the test part as people write it, with the encoder and its tokenizer from the ZIP alone."""
    save(model, tmp_path / "a.zip")
    back = load(tmp_path / "a.zip")
    assert (back.seeds, back.classes, back.epochs, back.scores) == (model.seeds, model.classes, 2, model.scores)
    assert back.recipe == model.recipe
    found, wanted = (drain(predicting(one, data.test_rows)) for one in (back, model))
    assert np.allclose(found.p, wanted.p, atol=1e-6)
    assert isinstance(model.stack, Tuned)
    assert np.allclose(wanted.p, drain(model.stack.probabilities(data.test.x))[0], atol=1e-6)
    assert len(np.unique(found.p.round(4), axis=0)) > 3
    assert dump(back) == dump(model)


def test_the_shipped_encoder_comes_back_too(tmp_path: Path) -> None:
    """A GPT-2 with a byte-level tokenizer, a step after its start."""
    lines = [f"the {('rain', 'soup')[k % 2]} number {k},{'uv'[k % 2]}" for k in range(40)]
    (tmp_path / "t.csv").write_text("words,kind\n" + "\n".join(lines), encoding="utf-8")
    data = table_dataset(read_table(str(tmp_path / "t.csv")), "kind", DatasetConfig(features="tuned"))
    config = TrainConfig(epochs=1, batch=64)
    network = Tuned(config, data)
    list(finetune(config, network, data))
    save(model_of(config, data, network, 1), tmp_path / "a.zip")
    back = load(tmp_path / "a.zip")
    for text in ("A dog ran to the sea.", "", "soup, “天气” " * 50):
        row = predict_row(model_of(config, data, network, 1), {"words": text})
        assert np.allclose(predict_row(back, {"words": text}).p, row.p, atol=1e-6)


def test_the_card_loads_it_with_transformers_alone(model: Model, kept: dict[str, bytes], tmp_path: Path) -> None:
    """The README's own lines, run beside the unpacked files, print what the network says of their row."""
    for name, content in kept.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    card = kept["README.md"].decode()
    (tmp_path / "load.py").write_text(card.split("```python\n")[1].split("```")[0], encoding="utf-8")
    done = subprocess.run([sys.executable, "load.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    fills = {entry["column"]: entry["fill"] for entry in model.recipe["columns"] if "fill" in entry}
    ours = predict_row(model, {**fills, "first": "Write a text here.", "second": "Write a text here."}).p[0].tolist()
    found = ast.literal_eval(done.stdout.splitlines()[-1])
    assert found == pytest.approx(dict(zip(model.classes, ours, strict=True)), abs=1e-3)


def test_what_is_missing_or_broken_is_one_sentence(kept: dict[str, bytes], written: Callable[..., Path]) -> None:
    """Each file of the encoder left out, cut off, of other sizes, or no JSON; a head of another width."""
    name = "encoder/model.safetensors"
    good, head = tensors_of(kept[name]), tensors_of(kept["model.safetensors"])
    key = next(key for key in good if key.endswith("word_embeddings.weight"))
    cases: list[tuple[str, bytes | None, str]] = [
        *((f"encoder/{file}", None, f"lacks encoder/{file}") for file in encoders.FILES),
        (name, kept[name][:100], "no whole safetensors file"),
        (name, packed({**good, key: torch.ones(3, 3)}), "size .3, 3. "),
        (name, packed({**good, key: good[key].half()}), "float16"),
        (name, packed({**good, key: good[key] / 0}), "no weights"),
        (name, packed({key: good[key]}), "tensors differ"),
        ("model.safetensors", packed({**head, "weight": head["weight"][:, :5].contiguous()}), "size .3, 5. "),
        ("encoder/config.json", b"{", "no JSON"),
        ("encoder/tokenizer_config.json", b"[]", "no JSON"),
        ("encoder/tokenizer.json", b"{}", "cannot be opened"),
    ]
    for file, content, said in cases:
        with pytest.raises(ModelError, match=said) as caught:
            load(written(**{file: content}))
        for language in LANGUAGES:
            assert "{" not in word(caught.value, language).replace("{}", "")


def test_a_config_of_a_stranger_is_followed_nowhere(kept: dict[str, bytes], written: Callable[..., Path]) -> None:
    """Code, kernels and places that it names are not taken over; a kind that does not read, experts by the million,
    a billion layers and settings that break are refused."""
    config = kept["encoder/config.json"]
    strange = {"auto_map": {"AutoModel": "evil.Model"}, "_attn_implementation": "evil/kernel", "return_dict": False}
    back = load(written(**{"encoder/config.json": told(config, **strange, _name_or_path="evil/hub")}))
    assert isinstance(back.stack, Tuned)
    assert "evil" not in str(back.stack.encoder.model.config)
    cases = ({"model_type": "whisper"}, {"model_type": "mixtral"}, {"model_type": ["bert"]}, {"hidden_act": "evil"})
    for changes in (*cases, {"num_hidden_layers": 10**9}, {"num_hidden_layers": 1000}, {"hidden_size": 15}):
        with pytest.raises(ModelError) as caught:
            load(written(**{"encoder/config.json": told(config, **changes)}))
        assert caught.value.key in ("saved.kind", "saved.names", "saved.size")


def test_a_model_json_that_does_not_fit_is_one_sentence(kept: dict[str, bytes], written: Callable[..., Path]) -> None:
    """Tokens without an encoder, an encoder without tokens, two seeds, squares: told by the name of the value."""
    about = json.loads(kept["model.json"])
    numbers = {**about["preprocessing"], "columns": about["preprocessing"]["columns"][:1]}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"network": {**about["network"], "architecture": "mlp", "widths": [], "activation": "relu"}}, "network"),
        ({"preprocessing": numbers}, "column “size”"),
        ({"network": {**about["network"], "features": 7}}, "reads 7"),
        ({"network": {**about["network"], "encoder": 7}}, "network.encoder"),
        ({"seeds": [1, 2]}, "seeds"),
        ({"loss": "mse"}, "loss"),
    ]
    for changes, said in cases:
        with pytest.raises(ModelError, match=said):
            load(written(**{"model.json": told(kept["model.json"], **changes)}))


def test_too_large_an_encoder_is_one_sentence(
    model: Model, written: Callable[..., Path], kept: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Told before it is trained and when it is read; what is squeezed counts as any other file does."""
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        for file, content in kept.items():
            bomb.writestr(file, bytes(archive.MOST_BYTES + 1) if file == "encoder/model.safetensors" else content)
    with pytest.raises(ModelError, match="at most 100 MB"):
        load(tmp_path / "bomb.zip")
    monkeypatch.setattr(tuned, "MOST_BYTES", 5000)
    with pytest.raises(ModelError, match="Fine-tune a smaller one"):
        check(model.stack)
    with pytest.raises(ModelError, match="smaller encoder"):
        load(written())


def test_the_command_line_saves_it_and_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`train --features tuned --save`, then `predict` of the very table, with its accuracy."""
    rows, bert = table(tmp_path), str(hubs.make_bert(tmp_path / "tiny"))
    options = ["--features", "tuned", "--encoder", bert, "--epochs", "1", "--save", str(tmp_path / "a.zip")]
    assert cli.main(["train", "--table", str(rows), "--target", "kind", *options]) == 0
    shutil.rmtree(bert)
    loading._open["encoder"].clear()
    capsys.readouterr()
    assert cli.main(["predict", str(tmp_path / "a.zip"), str(rows), "--out", str(tmp_path / "out.csv"), "--json"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["rows"], last["classes"]) == (60, ["ball", "rain", "soup"])
    assert 0 <= last["accuracy"] <= 1
    assert len(pd.read_csv(tmp_path / "out.csv")) == 60


def test_a_frozen_encoder_that_cannot_be_had_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network on a frozen encoder names it: with it at hand it predicts as before; without, or with another one of
    that name, it says so."""
    from bigmodel.networks import build

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    bert = str(hubs.make_bert(tmp_path / "tiny"))
    data = table_dataset(read_table(str(table(tmp_path))), "kind", DatasetConfig(features="frozen", encoder=bert))
    config = TrainConfig(epochs=1, widths=(4,))
    model = model_of(config, data, build(config, data), 0)
    save(model, tmp_path / "a.zip")
    back = load(tmp_path / "a.zip")
    wanted = drain(predicting(model, data.test_rows))
    loading._open["encoder"].clear()
    assert np.allclose(drain(predicting(back, data.test_rows)).p, wanted.p, atol=1e-6)
    with torch.no_grad():
        load_encoder(bert).model.embeddings.word_embeddings.weight.add_(0.1)
    with pytest.raises(ModelError, match="weights have changed"):
        predict_row(back, {"first": "the rain"})
    shutil.rmtree(bert)
    loading._open["encoder"].clear()
    with pytest.raises(ModelError) as caught:
        predict_row(back, {"first": "the rain"})
    assert caught.value.key == "model.folder"
    assert bert in word(caught.value, "en")
