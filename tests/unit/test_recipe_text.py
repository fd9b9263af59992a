"""The text recipes on miniatures: they train, resume to the same weights, and make models that load."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bigmodel.errors import DataError, ModelError
from bigmodel.recipes import common, text_en, text_zh
from bigmodel.recipes.text import Checked, Sample, Saved, Step, TextConfig, Trait, cook, corpus
from bigmodel.recipes.text.corpus import HELD_OUT, held_out, kept_for_training, read
from bigmodel.recipes.text_en import TextEnConfig
from bigmodel.recipes.text_zh import TextZhConfig

END = "\n<|endoftext|>\n"
SHIPPED = Path(common.__file__).parents[1] / "pretrained"


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tiny corpora of the right names."""
    folder = tmp_path_factory.mktemp("english")
    for n, source in enumerate(source for source in text_en.SOURCES if not source.told):
        docs = [
            f"The {w} dog number {i} of {source.file} ran home. It was {w}." for i in range(60) for w in ("red", "old")
        ]
        (folder / f"{source.file}.txt.gz").write_bytes(gzip.compress(END.join(docs[n:]).encode()))
    return folder


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quatrains of one pattern, a document without lines, and prose."""
    folder = tmp_path_factory.mktemp("chinese")
    poems = [f"《其{i}》\n某人\n白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。" for i in range(120)]
    poems[7] = "《无诗》\n某人"
    prose = [f"却说老者笑道：今日是第{i}日。" for i in range(120)]
    for name, docs in (("verse", poems), ("prose", prose)):
        (folder / f"{name}.txt.gz").write_bytes(gzip.compress(END.join(docs).encode()))
    return folder


def tiny(kind: type[TextConfig], data: Path, out: Path, steps: int, **others: Any) -> TextConfig:
    small = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 320, "context": 32, "batch": 2, "rate": 0.01}
    small |= {"tellings": 60}
    places = {"data": str(data), "out": str(out / "model"), "checkpoints": str(out / "checkpoints")}
    return kind(steps=steps, threads=1, **{**small, **places, **others})


def weights(out: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(out / "model" / "model.safetensors")


def test_trains_and_exports(english: Path, tmp_path: Path) -> None:
    """The loss falls, and what is saved loads as any GPT-2, with a card that holds the measured figures."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    events = list(cook(tiny(TextEnConfig, english, tmp_path, 60)))
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].loss < steps[0].loss - 0.5
    assert steps[-1].tokens == 60 * 2 * 32
    saved = next(event for event in events if isinstance(event, Saved))
    checked = [event for event in events if isinstance(event, Checked)][-1]
    traits = [event for event in events if isinstance(event, Trait)]
    assert len([event for event in events if isinstance(event, Sample)]) == 10
    model = AutoModelForCausalLM.from_pretrained(saved.folder)
    tokenizer = AutoTokenizer.from_pretrained(saved.folder)
    assert model.config.model_type == "gpt2"
    assert tokenizer.decode(tokenizer("The red dog. 大模型").input_ids) == "The red dog. 大模型"
    card = (Path(saved.folder) / "README.md").read_text(encoding="utf-8")
    assert f"{dict(checked.bits_per_byte)['tinystories']:.3f}" in card
    for trait in traits:
        assert f"| {trait.name} | {trait.value:.3g} | {trait.count} |" in card
    assert json.loads((Path(saved.folder) / "training.json").read_text())["step"] == 60


def test_resumes_to_the_same_weights(english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cut off and resumed ends with the very weights of an unbroken one."""
    import torch

    # A schedule, and windows, that do not know the end, since the first half is told another one.
    monkeypatch.setattr(common, "warm_hold_decay", lambda done, decay: 1.0)
    monkeypatch.setattr(corpus, "SHORT", 0.0)
    list(cook(tiny(TextEnConfig, english, tmp_path / "whole", 8)))
    list(cook(tiny(TextEnConfig, english, tmp_path / "cut", 4)))
    list(cook(tiny(TextEnConfig, english, tmp_path / "cut", 8)))
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_what_falls_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes on where an earlier call stopped; what is due comes first after its own wait, then every so often."""
    now = [50.0]
    monkeypatch.setitem(common.CLOCKS, "wall", lambda: now[0])
    watch = common.Watch("wall", before=1000.0)
    assert watch.seconds == 1000
    due = []
    for now[0] in range(50, 80):
        due += [(watch.seconds, name) for name, first in (("a", None), ("b", 3)) if watch.due(name, 10, first)]
    assert due == [(1004, "b"), (1011, "a"), (1015, "b"), (1022, "a"), (1026, "b")]


def test_a_checkpoint_of_another_shape_is_named(english: Path, tmp_path: Path) -> None:
    """Going on with other widths than those of the checkpoint is one sentence, not torch's list of sizes."""
    list(cook(tiny(TextEnConfig, english, tmp_path, steps=1)))
    with pytest.raises(ModelError, match="another shape"):
        list(cook(tiny(TextEnConfig, english, tmp_path, steps=2, width=32)))


def test_the_next_edition_begins_where_the_last_ended(english: Path, tmp_path: Path) -> None:
    """--start takes weights and tokenizer over, and the card tells of both trainings; a wrong folder or shape is one
    sentence."""
    list(cook(tiny(TextEnConfig, english, tmp_path / "one", 40)))
    start = str(tmp_path / "one" / "model")
    events = list(cook(tiny(TextEnConfig, english, tmp_path / "two", 2, start=start)))
    fresh = list(cook(tiny(TextEnConfig, english, tmp_path / "three", 2)))
    first, scratch = (next(e.loss for e in run if isinstance(e, Step)) for run in (events, fresh))
    assert first < scratch - 0.3
    card = (tmp_path / "two" / "model" / "README.md").read_text(encoding="utf-8")
    assert re.search(r"\| 1 \| \S.*? \| 40 \| .*\n\| 2 \| \S.*? \| 2 \| ", card)
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        list(cook(tiny(TextEnConfig, english, tmp_path / "four", 2, start=str(tmp_path / "nowhere"))))
    # A start without weights fails before its tokenizer is asked for; one of another shape after.
    with pytest.raises(ModelError, match="another shape"):
        list(cook(tiny(TextEnConfig, english, tmp_path / "five", 2, start=start, width=32)))


def test_a_start_may_lie_in_several_files(english: Path, tmp_path: Path) -> None:
    """A model that was saved in shards is begun from, and mixed with, like one in a single file."""
    from transformers import GPT2LMHeadModel

    list(cook(tiny(TextEnConfig, english, tmp_path / "one", 2)))
    folder = tmp_path / "one" / "model"
    whole = weights(tmp_path / "one")
    GPT2LMHeadModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="5KB")
    (folder / "model.safetensors").unlink()
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    list(cook(tiny(TextEnConfig, english, tmp_path / "two", 2, start=str(folder), average=1.0)))
    mixed = weights(tmp_path / "two")
    assert all(whole[name].equal(mixed[name]) for name in whole)


def test_editions_are_averaged(english: Path, tmp_path: Path) -> None:
    """A quarter of the start's weights in what is saved: each weight lies a quarter of the way back, and the card
    tells."""
    import torch

    list(cook(tiny(TextEnConfig, english, tmp_path / "one", 1)))
    start = str(tmp_path / "one" / "model")
    list(cook(tiny(TextEnConfig, english, tmp_path / "two", 2, start=start)))
    list(cook(tiny(TextEnConfig, english, tmp_path / "mix", 2, start=start, average=0.25)))
    one, two, mix = (weights(tmp_path / name) for name in ("one", "two", "mix"))
    assert any(not torch.equal(one[key], two[key]) for key in one)
    for key in one:
        torch.testing.assert_close(mix[key].float(), two[key].float().lerp(one[key].float(), 0.25), atol=2e-3, rtol=0)
    assert "mixed with 25% of the one before" in (tmp_path / "mix" / "model" / "README.md").read_text(encoding="utf-8")


def test_chinese_is_learnt_character_by_character(chinese: Path, tmp_path: Path) -> None:
    """One token a character, none ever half, an unknown one is □; the quatrain that was learnt comes out in form."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from bigmodel.recipes.text.network import continuation

    events = list(cook(tiny(TextZhConfig, chinese, tmp_path, 250, batch=4, rate=0.02)))
    folder = next(event for event in events if isinstance(event, Saved)).folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer("白日依山尽，")["input_ids"]) == 6
    assert tokenizer.decode(tokenizer("黄河入海流。\nOK").input_ids) == "黄河入海流。\nOK"
    assert tokenizer.decode(tokenizer("龘").input_ids) == text_zh.UNKNOWN
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert text_zh.regular(text_zh.phrases(continuation(model, tokenizer, "白日依山尽，", 1, 40))[:4], 4)
    traits = {event.name: event for event in events if isinstance(event, Trait)}
    assert traits["quatrains: the first four lines are equally long"].value > 0.5


def test_form_and_rhyme_are_measured() -> None:
    """Five or seven characters a line and nothing else is regular; rhyme looks at the finals of lines two and four."""
    poem = text_zh.phrases("白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。")
    assert text_zh.regular(poem, 4)
    assert text_zh.rhymes(poem)
    assert not text_zh.rhymes([*poem[:3], "更上一层山"])
    assert not text_zh.regular([*poem[:3], "更上一层"], 4)


def test_copies_are_found() -> None:
    """The longest run that a text shares with the corpus is found wherever it stands."""
    from bigmodel.recipes.text.copies import Copies

    copies = Copies(["the", "old", "king", "had", "three", "sons", "and", "the", "old", "queen", "had", "none"])
    assert copies.longest(["once", "the", "old", "queen", "had", "two"]) == 4
    assert copies.longest(["had", "none"]) == 2
    assert copies.longest(["nothing", "here"]) == 0


def test_a_thread_is_measured() -> None:
    """Who has learnt that a text goes on as it began tells its own continuation; who has not, knows nothing."""
    import torch

    from bigmodel.recipes.text.network import own_continuation

    class Echo:
        """Likes the tokens that were there (`faith` > 0), or none in particular."""

        device = torch.device("cpu")

        def __init__(self, faith: float) -> None:
            self.faith = faith

        def __call__(self, ids: torch.Tensor) -> Any:
            seen = torch.nn.functional.one_hot(ids, 9).cumsum(1).clamp(max=1).float()
            return type("Out", (), {"logits": self.faith * seen})

    class Digits:
        bos_token_id = 0

        def __call__(self, text: str, verbose: bool) -> Any:
            return type("Out", (), {"input_ids": [int(sign) for sign in text]})

    texts = ["11121112", "33343334", "55565556", "7"]
    assert own_continuation(Echo(2.0), Digits(), texts, 4) == (3, 3)  # the last is too short
    assert own_continuation(Echo(0.0), Digits(), texts, 4) == (0, 3)


def test_muon_steps_as_torchs_own() -> None:
    """Our float32 Muon makes the steps of torch.optim.Muon, to the rounding of its bfloat16."""
    import torch

    generator = torch.Generator().manual_seed(0)
    starts = [torch.randn(size, generator=generator) for size in ((16, 32), (16, 32), (48, 16))]
    ours, theirs = ([torch.nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    mine = common.Muon(ours, 0.01)
    peer = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        mine.step()
        peer.step()
    for start, a, b in zip(starts, ours, theirs, strict=True):
        moved = (b.detach() - start).norm()
        assert float((a - b).detach().norm() / moved) < 0.05


@pytest.mark.parametrize("kind", [TextEnConfig, TextZhConfig])
def test_held_out_documents_are_never_trained_on(kind: type[TextConfig], english: Path, chinese: Path) -> None:
    """Training and held-out documents are apart, and what is held out in one reading of a file is so in the other."""
    books = read(kind.plan.sources, english if kind is TextEnConfig else chinese, 60)
    for documents in books.values():
        assert len(held_out(documents)) == -(-len(documents) // HELD_OUT)
        assert len(kept_for_training(documents)) + len(held_out(documents)) == len(documents)
        assert documents[0] in held_out(documents)
    if kind is TextZhConfig:
        whole, bare = held_out(books["verse"]), held_out(books["verse, bare lines"])
        assert [doc.split("\n", 2)[2] for doc in whole] == bare


def test_missing_corpora_are_named(tmp_path: Path) -> None:
    """A folder without the corpora is one sentence that names them."""
    with pytest.raises(DataError, match=r"tinystories\.txt\.gz"):
        list(cook(TextEnConfig(data=str(tmp_path))))


def test_the_settings_load_nothing_heavy() -> None:
    """The command line can list the options without waiting for torch."""
    code = "import sys, bigmodel.recipes.text_en, bigmodel.recipes.text_zh\n"
    code += "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
