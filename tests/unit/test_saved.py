"""A saved network is the network: it comes back whole, loads without this package, and nothing broken gets in."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as tensors_of
from safetensors.torch import save as packed

from bigmodel.datasets import DatasetConfig, load_dataset, read_table, table_dataset
from bigmodel.errors import ConfigError, ModelError
from bigmodel.networks import build, plain, predict
from bigmodel.saved import Model, dump, load, model_of, save
from bigmodel.saved.archive import MOST_BYTES, check_place
from bigmodel.train import ARCHITECTURES, TrainConfig, train


def trained(dataset: str = "moons", **settings: Any) -> Model:
    """A network after an epoch."""
    source = DatasetConfig(dataset=dataset, rows=80)
    config, data = TrainConfig(**{"epochs": 1, "widths": (4,), **settings}), load_dataset(source)
    stack = build(config, data)
    list(train(config, stack, data))
    return model_of(config, data, stack, 1, source=source, scores={"valid": {"rows": 13, "accuracy": 0.5, "auc": None}})


@pytest.fixture(scope="module")
def kept() -> dict[str, bytes]:
    """The files of a saved network of two seeds, by name."""
    with zipfile.ZipFile(io.BytesIO(dump(trained(seeds=2, normalisation="batch")))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def written(kept: dict[str, bytes], tmp_path: Path) -> Callable[..., Path]:
    """Write the files of that network as a ZIP, some of them exchanged; None leaves one out."""

    def write(name: str = "network.zip", **changes: bytes | None) -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for file, content in {**kept, **changes}.items():
                if content is not None:
                    archive.writestr(file, content)
        return path

    return write


def told(kept: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The model.json with other values."""
    return {"model.json": json.dumps({**json.loads(kept["model.json"]), **changes}).encode()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_comes_back_is_the_same_network(architecture: str, tmp_path: Path) -> None:
    """Every architecture, its seeds, recipe and scores; its probabilities are the same to the last digit."""
    dataset = "digits" if architecture == "image_cnn" else "moons"
    model = trained(dataset, architecture=architecture, seeds=2, dropout=0.2)
    save(model, tmp_path / "a.zip")
    back = load(tmp_path / "a.zip")
    assert (back.seeds, back.classes, back.recipe, back.epochs) == (model.seeds, model.classes, model.recipe, 1)
    assert (back.image, back.source, back.scores) == (model.image, model.source, model.scores)
    x = torch.randn(7, model.stack.shape.features)
    assert torch.equal(predict(back.stack, x), predict(model.stack, x))
    assert dump(back) == dump(model)


@pytest.mark.parametrize(
    ("dataset", "settings"),
    [
        ("iris", {"seeds": 2, "normalisation": "batch"}),
        ("moons", {"loss": "mse", "architecture": "gru"}),
        ("digits", {"architecture": "image_cnn"}),
    ],
)
def test_the_card_loads_it_without_this_package(dataset: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """The README's own lines, run beside the unpacked files, print the network's probabilities."""
    model = trained(dataset, **settings)
    with zipfile.ZipFile(io.BytesIO(dump(model))) as archive:
        archive.extractall(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    (tmp_path / "load.py").write_text(card.split("```python\n")[1].split("```")[0], encoding="utf-8")
    done = subprocess.run([sys.executable, "load.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    fills = [(entry["fill"] - entry["mean"]) / entry["scale"] for entry in model.recipe["columns"]]
    ours = predict(model.stack, torch.tensor([fills]))[0, 0].tolist()
    assert ast.literal_eval(done.stdout) == pytest.approx(dict(zip(model.classes, ours, strict=True)), abs=1e-3)


def test_the_weights_have_the_names_of_the_plain_module(kept: dict[str, bytes]) -> None:
    """`plain.build` takes them as they are, a file a member."""
    about = json.loads(kept["model.json"])
    for name in ("model.safetensors", "model-seed43.safetensors"):
        plain.build(**about["network"]).load_state_dict(tensors_of(kept[name]))


def test_no_data_is_saved(tmp_path: Path) -> None:
    """Of an own table only what was learned goes along, and a table of categories comes back with its recipe."""
    path = tmp_path / "t.csv"
    path.write_text("secret,size,kind\n" + "".join(f"n{i % 3},{i * 7919}.5,{'ab'[i % 2]}\n" for i in range(80)))
    data = table_dataset(read_table(str(path)), "kind", DatasetConfig())
    config = TrainConfig(epochs=1, widths=(4,))
    content = dump(model_of(config, data, build(config, data), 0, source=DatasetConfig()))
    save(model_of(config, data, build(config, data), 0), tmp_path / "t.zip")
    back = load(tmp_path / "t.zip")
    assert back.recipe == data.recipe
    assert back.source == {}
    assert str(79 * 7919).encode() not in content


def test_members_that_diverged_stay_behind() -> None:
    """The others are saved under their own seeds; with none left it is one sentence."""
    model = trained(seeds=3)
    model.stack.keep(torch.tensor([0, 2]))
    assert model.seeds == (42, 44)
    model.stack.keep(torch.tensor([], dtype=torch.int64))
    with pytest.raises(ModelError, match="diverged"):
        model_of(TrainConfig(), load_dataset(DatasetConfig(dataset="moons")), model.stack, 1)


def test_a_file_that_is_none_of_ours_is_one_sentence(written: Callable[..., Path], tmp_path: Path) -> None:
    """No file, no ZIP, half a ZIP, another ZIP, a pickle: each says what it is."""
    whole = written().read_bytes()
    torch.save({"a": torch.ones(2)}, tmp_path / "torch.zip")
    cases = {
        "none.zip": (None, "no file none.zip"),
        "text.zip": (b"hello", "no ZIP file"),
        "empty.zip": (b"", "no ZIP file"),
        "half.zip": (whole[: len(whole) // 2], "only a part of one"),
        "pickle.zip": (b"\x80\x04\x95\x00", "is a pickle"),
        "torch.zip": ((tmp_path / "torch.zip").read_bytes(), "is a pickle"),
    }
    for name, (content, said) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=said):
            load(tmp_path / name)
    for name, said in (("evil.pkl", "is a pickle"), ("../evil", "also holds"), ("a/model.json", "also holds")):
        with pytest.raises(ModelError, match=said):
            load(written(**{name: b"x"}))
    with pytest.raises(ModelError, match="holds no network"):
        load(written(**{"model.json": None}))


def test_an_archive_may_not_grow_without_end(written: Callable[..., Path], tmp_path: Path) -> None:
    """A bomb is refused by what it claims; one that claims less than it holds, when it is unpacked; so are thousands
    of files."""
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", bytes(MOST_BYTES + 1))
    with pytest.raises(ModelError, match="at most 100 MB"):
        load(tmp_path / "bomb.zip")
    liar = bytearray((tmp_path / "bomb.zip").read_bytes())
    size = (MOST_BYTES + 1).to_bytes(4, "little")
    while size in liar:
        place = liar.index(size)
        liar[place : place + 4] = (5).to_bytes(4, "little")
    (tmp_path / "bomb.zip").write_bytes(liar)
    with pytest.raises(ModelError, match="damaged"):
        load(tmp_path / "bomb.zip")
    with pytest.raises(ModelError, match="at most 32"):
        load(written(**{f"f{k}": b"" for k in range(40)}))


def test_damaged_weights_are_one_sentence(kept: dict[str, bytes], written: Callable[..., Path]) -> None:
    """A byte that flipped, a file cut off, other names, another size, another type, NaN, a missing member."""
    path = written()
    raw = path.read_bytes()
    place = raw.index(kept["model.safetensors"]) + len(kept["model.safetensors"]) - 2
    path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
    with pytest.raises(ModelError, match="damaged"):
        load(path)
    name, good = "model.safetensors", tensors_of(kept["model.safetensors"])
    cases = [
        (kept[name][:100], "no whole safetensors file"),
        (b"", "no whole safetensors file"),
        (packed({**good, "more": torch.ones(1)}), "the first is more"),
        (packed({k: v for k, v in good.items() if k != "output.bias"}), "the first is output.bias"),
        (packed({**good, "output.bias": torch.ones(3)}), "size .3. "),
        (packed({**good, "output.bias": torch.ones(2).half()}), "float16"),
        (packed({**good, "output.bias": torch.tensor([1, torch.nan])}), "no weights"),
        (packed({**good, "norm1.running_var": -torch.ones(4)}), "no weights"),
    ]
    for content, said in cases:
        with pytest.raises(ModelError, match=said):
            load(written(**{name: content}))
    with pytest.raises(ModelError, match="lacks model-seed43"):
        load(written(**{"model-seed43.safetensors": None}))


def test_a_model_json_that_lies_is_one_sentence(kept: dict[str, bytes], written: Callable[..., Path]) -> None:
    """Each value is checked before it is used, and the sentence names it."""
    about = json.loads(kept["model.json"])
    network, recipe = about["network"], about["preprocessing"]
    column = {**recipe["columns"][0], "scale": 0}
    text = {
        "column": "t",
        "kind": "text",
        "features": ["a", "b"],
        "analyzer": "word",
        "longest": 1,
        "terms": ["a", "b"],
    }
    text |= {"idf": [1.0, 1.0], "scale": 1.0}
    load(written(**told(kept, preprocessing={**recipe, "columns": [text]})))
    cases: list[tuple[dict[str, Any], str]] = [
        *(
            ({"preprocessing": {**recipe, "columns": [{**text, name: value}]}}, "column “t”")
            for name, value in (("longest", 10**9), ("idf", [1.0]), ("terms", ["a", "a"]), ("kind", "code"))
        ),
        ({"format": "another"}, "holds no network"),
        ({"version": 2}, "newer lab"),
        ({"version": "1"}, "version"),
        ({"network": {**network, "architecture": "oracle"}}, "network.architecture"),
        ({"network": {**network, "widths": [10**9]}}, "network.widths"),
        ({"network": {**network, "widths": ["a"]}}, "network.widths"),
        ({"network": {**network, "widths": [[[]]]}}, "network.widths"),
        ({"network": {**network, "features": 3}}, "reads 3"),
        ({"network": {**network, "classes": 9}}, "network.classes"),
        ({"network": None}, "network"),
        ({"classes": ["a", "a"]}, "classes"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"seeds": ["../../x"]}, "seeds"),
        ({"image": [8, 8]}, "image"),
        ({"source": {"dataset": "elsewhere"}}, "source"),
        ({"scores": {"test": 1}}, "scores"),
        ({"preprocessing": {**recipe, "columns": [column, recipe["columns"][1]]}}, "column “x1”"),
        ({"preprocessing": {**recipe, "columns": [recipe["columns"][0]] * 2}}, "column “x1”"),
        ({"preprocessing": {**recipe, "columns": []}}, "preprocessing.columns"),
        ({"preprocessing": {**recipe, "columns": [recipe["columns"][0]] * 1001}}, "preprocessing.columns"),
    ]
    for changes, said in cases:
        with pytest.raises(ModelError, match=said):
            load(written(**told(kept, **changes)))
    for content in (b"{", b"[1]", b"[" * 100_000, b'{"a": NaN}', b"\xff", b'{"a": "\\ud800"}'):
        with pytest.raises(ModelError, match=r"no JSON|holds no network"):
            load(written(**{"model.json": content}))


def test_a_network_too_large_for_the_machine_is_refused(written: Callable[..., Path], kept: dict[str, bytes]) -> None:
    """Before a number of it is made."""
    about = json.loads(kept["model.json"])
    values = [str(k) for k in range(20_000)]
    columns = [{"column": "c", "kind": "category", "features": values, "fill": "?", "values": values, "rest": False}]
    large = {**about["network"], "features": 20_000, "widths": [1024] * 8}
    recipe = {**about["preprocessing"], "columns": columns}
    changed = told(kept, network=large, seeds=list(range(16)), preprocessing=recipe)
    with pytest.raises(ConfigError):
        load(written(**changed))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk fails the old file stays and nothing is left beside it; a bad place is told beforehand."""
    path = tmp_path / "a.zip"
    path.write_bytes(b"old")

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ModelError, match="No space left"):
        save(trained(), path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.zip", b"old")]
    for place in (tmp_path, tmp_path / "no" / "a.zip"):
        with pytest.raises(ModelError, match="cannot be written"):
            check_place(place)
