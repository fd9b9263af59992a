"""The text recipe on a miniature: it trains, resumes to the same weights, and makes a model that loads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from bigmodel.errors import DataError
from bigmodel.recipes import common
from bigmodel.recipes.text_en import Checked, Sample, Saved, Step, TextEnConfig, cook
from bigmodel.recipes.text_en.corpus import HELD_OUT, WEIGHTS, held_out, kept_for_training, read


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tiny corpora of the right names."""
    folder = tmp_path_factory.mktemp("corpora")
    for n, name in enumerate(WEIGHTS):
        docs = [f"The {w} dog number {i} of {name} ran home. It was {w}." for i in range(60) for w in ("red", "old")]
        (folder / f"{name}.txt.gz").write_bytes(gzip.compress("\n<|endoftext|>\n".join(docs[n:]).encode()))
    return folder


def tiny(data: Path, out: Path, steps: int) -> TextEnConfig:
    return TextEnConfig(
        data=str(data), out=str(out / "model"), checkpoints=str(out / "checkpoints"), steps=steps, threads=1,
        layers=1, width=16, heads=2, vocabulary=320, context=32, batch=2, rate=0.01,
    )  # fmt: skip


def test_trains_and_exports(data: Path, tmp_path: Path) -> None:
    """The loss falls, and what is saved loads as any GPT-2, with a card that holds the measured figures."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    events = list(cook(tiny(data, tmp_path, 60)))
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].loss < steps[0].loss - 0.5
    assert steps[-1].tokens == 60 * 2 * 32
    saved = next(event for event in events if isinstance(event, Saved))
    checked = [event for event in events if isinstance(event, Checked)][-1]
    assert len([event for event in events if isinstance(event, Sample)]) == 10
    model = AutoModelForCausalLM.from_pretrained(saved.folder)
    tokenizer = AutoTokenizer.from_pretrained(saved.folder)
    assert model.config.model_type == "gpt2"
    assert tokenizer.decode(tokenizer("The red dog. 大模型").input_ids) == "The red dog. 大模型"
    card = (Path(saved.folder) / "README.md").read_text(encoding="utf-8")
    assert f"{dict(checked.bits_per_byte)['tinystories']:.3f}" in card
    assert json.loads((Path(saved.folder) / "training.json").read_text())["step"] == 60


def test_resumes_to_the_same_weights(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cut off and resumed ends with the very weights of an unbroken one."""
    import torch
    from safetensors.torch import load_file

    # A schedule that does not know the end, since the first half is told another one.
    monkeypatch.setattr(common, "warm_hold_decay", lambda done: 1.0)
    list(cook(tiny(data, tmp_path / "whole", 8)))
    list(cook(tiny(data, tmp_path / "cut", 4)))
    list(cook(tiny(data, tmp_path / "cut", 8)))
    one, two = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_held_out_documents_are_never_trained_on(data: Path) -> None:
    """Training and held-out documents are apart and together all."""
    for documents in read(data).values():
        assert len(held_out(documents)) == -(-len(documents) // HELD_OUT)
        assert len(kept_for_training(documents)) + len(held_out(documents)) == len(documents)
        assert documents[0] in held_out(documents)


def test_missing_corpora_are_named(tmp_path: Path) -> None:
    """A folder without the corpora is one sentence that names them."""
    with pytest.raises(DataError, match=r"tinystories\.txt\.gz"):
        list(cook(TextEnConfig(data=str(tmp_path))))
