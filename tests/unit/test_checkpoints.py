"""Models found, fetched, checked and kept: all against a small hub of our own, in a cache of our own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bigmodel import checkpoints
from bigmodel.checkpoints import load, places
from bigmodel.errors import ModelError
from tests import hub as hubs

TINY = "lab/tiny-gpt2"
HEAVY = "lab/heavy"


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """The hub's own folders: good models and bad ones."""
    root = tmp_path_factory.mktemp("hub")
    hubs.make_text(root / TINY)
    hubs.make_text(root / HEAVY, width=192)
    hubs.make_speech(root / "lab/tiny-ctc")
    pickled = root / "lab/pickled"
    shutil.copytree(root / TINY, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    (root / "lab/closed").mkdir()
    shutil.copytree(root / TINY, root / "lab/closed", dirs_exist_ok=True)
    return root


@pytest.fixture
def hub(models, tmp_path, monkeypatch):
    """The running hub, an empty cache, and no model open."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for opened in load._open.values():
        opened.clear()
    with hubs.serving(models) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        server.gated.add("lab/closed")
        yield server


@pytest.fixture
def no_hub(tmp_path, monkeypatch):
    """An address where nobody listens, and an empty cache."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))


def key_of(name: str, task: str = "text") -> str:
    """The key of the error that choosing a model brings."""
    with pytest.raises(ModelError) as caught:
        checkpoints.load_text(name) if task == "text" else checkpoints.load_speech(name)
    assert "{" not in str(caught.value)
    assert caught.value.key not in str(caught.value)
    return caught.value.key


def test_a_download_is_shown_from_its_start_to_its_whole_length(hub, models):
    """Bytes never go back and end at the size of config, tokenizer and weights together."""
    events = list(checkpoints.fetch(TINY))
    assert [event.bytes for event in events] == sorted(event.bytes for event in events)
    assert events[-1].bytes == events[-1].of_bytes == sum(p.stat().st_size for p in (models / TINY).iterdir())


def test_a_model_once_downloaded_needs_no_network(hub, monkeypatch):
    """The second load asks the hub nothing, and works with the network turned off."""
    checkpoints.load_text(TINY)
    load._open["text"].clear()
    asked = len(hub.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert checkpoints.load_text(TINY).context == 64
    assert len(hub.asked) == asked


def test_the_hubs_own_library_finds_what_we_downloaded(hub):
    """The cache is in the layout of huggingface_hub."""
    from huggingface_hub import scan_cache_dir, snapshot_download

    list(checkpoints.fetch(TINY))
    folder = snapshot_download(TINY, cache_dir=places.cache_folder(), local_files_only=True)
    assert Path(folder) == places.find(TINY)
    assert not scan_cache_dir(places.cache_folder()).warnings


def test_a_download_stopped_halfway_goes_on_from_there(hub):
    """Closing the events stops the reading at once; the next download asks only for the rest."""
    hub.pause = 0.02
    events = checkpoints.fetch(HEAVY)
    half = next(e for e in events if e.file == "model.safetensors" and e.bytes > 0.3 * e.of_bytes)
    started = time.monotonic()
    events.close()
    assert time.monotonic() - started < 0.2
    assert places.find(HEAVY) is None
    hub.pause = 0.0
    assert list(checkpoints.fetch(HEAVY))[-1].bytes == half.of_bytes
    ranges = [line for line in hub.asked if line.endswith("-") and "bytes=0-" not in line]
    assert len(ranges) == 1
    assert "model.safetensors" in ranges[0]
    assert checkpoints.load_text(HEAVY).model.config.n_embd == 192


def test_a_damaged_part_is_never_taken_for_a_model(hub, models):
    """Bytes that differ from the hub's checksum are thrown away, and the next try gets them whole."""
    import hashlib

    digest = hashlib.sha256((models / TINY / "model.safetensors").read_bytes()).hexdigest()
    blobs = places.repo_folder(TINY) / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{digest}.part").write_bytes(b"damaged")
    assert key_of(TINY) == "model.broken_off"
    assert checkpoints.load_text(TINY).context == 64


def test_old_weights_come_as_the_safetensors_that_the_hubs_robot_made(hub):
    """Where `main` has a pickle only, the robot's pull request is taken, not a stranger's, and kept like any model."""
    assert key_of("lab/pickled") == "model.pickle"
    hub.offers["lab/pickled"] = TINY
    assert checkpoints.load_text("lab/pickled").context == 64
    assert not any(".bin" in line or "pr%2F3" in line for line in hub.asked)
    assert places.find("lab/pickled") is not None


def test_only_config_tokenizer_and_safetensors_are_downloaded(hub, models):
    """A pickle beside the safetensors stays on the hub."""
    (models / TINY / "pytorch_model.bin").write_bytes(b"pickle")
    try:
        list(checkpoints.fetch(TINY))
    finally:
        (models / TINY / "pytorch_model.bin").unlink()
    assert not any(".bin" in line for line in hub.asked)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lab/nobody", "model.missing"),
        ("lab/closed", "model.gated"),
        ("lab/pickled", "model.pickle"),
        ("lab/tiny-ctc", "model.task.text"),
        ("not a name", "model.name"),
        ("a/b--c", "model.name"),
        ("", "model.name"),
        ("/no/such/folder", "model.folder"),
    ],
)
def test_a_model_that_cannot_be_used_says_why(hub, name, key):
    """Each way to be wrong has its own sentence."""
    assert key_of(name) == key


def test_a_hub_that_is_down_says_so_within_two_seconds(no_hub):
    """The probe is refused at once."""
    started = time.monotonic()
    assert key_of("lab/elsewhere") == "model.unreachable"
    assert time.monotonic() - started < 2


def test_a_hub_that_never_answers_says_so_within_two_seconds(tmp_path, monkeypatch):
    """A line that swallows everything must not hold up the page."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert key_of("lab/elsewhere") == "model.unreachable"
        assert time.monotonic() - started < 2


def test_a_full_disk_is_told_before_the_download(hub, monkeypatch):
    """What is needed and what is free, and not one byte of weights asked for."""
    from types import SimpleNamespace

    monkeypatch.setattr("bigmodel.checkpoints.hub.shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    assert key_of(TINY) == "model.disk"
    assert not any("resolve" in line for line in hub.asked)


def test_a_name_that_is_never_looked_up_says_so_within_two_seconds(hub, monkeypatch):
    """Looking up a host takes as long as the system likes; the probe does not wait for it."""
    from types import SimpleNamespace

    stuck = SimpleNamespace(head=lambda *args, **options: time.sleep(4))
    monkeypatch.setattr("bigmodel.checkpoints.hub._utils", lambda: SimpleNamespace(get_session=lambda: stuck))
    started = time.monotonic()
    assert key_of(TINY) == "model.unreachable"
    assert time.monotonic() - started < 2


def test_a_network_turned_off_is_respected(hub, monkeypatch):
    """HF_HUB_OFFLINE: nothing is asked, and the sentence says so."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert key_of(TINY) == "model.offline"
    assert hub.asked == []


def test_a_failed_choice_leaves_the_open_model_as_it_was(hub):
    """After an error the model opened before is still the same object."""
    before = checkpoints.load_text(TINY)
    assert key_of("lab/nobody") == "model.missing"
    assert checkpoints.load_text(TINY) is before


def test_an_empty_tokenizer_is_refused(models, tmp_path):
    """A vocabulary of nothing is what a failed download can leave; it must not come back as a model."""
    folder = tmp_path / "mute"
    shutil.copytree(models / TINY, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"].update(vocab={}, merges=[])
    tokenizer["added_tokens"] = []
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(
        json.dumps({k: v for k, v in config.items() if not k.endswith("_token")})
    )
    assert key_of(str(folder)) == "model.vocabulary"


def test_damaged_weights_are_refused(models, tmp_path):
    """Half a file of weights is an error, not a model."""
    folder = tmp_path / "torn"
    shutil.copytree(models / TINY, folder)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert key_of(str(folder)) == "model.corrupt"


def test_weights_of_another_model_are_refused(models, tmp_path):
    """transformers would fill what is missing with noise and only log it."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "stranger"
    shutil.copytree(models / TINY, folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({f"other.{k}": v for k, v in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    assert key_of(str(folder)) == "model.incomplete"


def test_a_repository_with_code_of_its_own_runs_none(models, tmp_path):
    """auto_map is ignored: the code beside the weights is never imported."""
    folder = tmp_path / "trap"
    shutil.copytree(models / TINY, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "trap.Config", "AutoModelForCausalLM": "trap.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    assert checkpoints.load_text(str(folder)).context == 64
    assert not (tmp_path / "sprung").exists()


def test_a_speech_model_is_opened_with_its_processor(hub):
    """A CTC model comes with its alphabet and the rate that it hears."""
    model = checkpoints.load_speech("lab/tiny-ctc")
    assert (model.kind, model.sample_rate) == ("ctc", 16_000)
    assert model.processor.tokenizer.convert_ids_to_tokens(5) == "A"
    assert key_of(TINY, "speech") == "model.task.speech"


def test_a_model_for_another_task_is_refused_before_its_weights_come(hub):
    """Three gigabytes are not downloaded to learn that they cannot be used."""
    assert key_of("lab/tiny-ctc") == "model.task.text"
    assert not any("safetensors" in line for line in hub.asked)


def test_a_model_too_large_for_memory_is_refused(hub, monkeypatch):
    """The app says so instead of being ended by the system, and the numbers are those of float32."""
    list(checkpoints.fetch(TINY))
    monkeypatch.setattr(load, "free_memory", lambda: 100_000)
    with pytest.raises(ModelError) as caught:
        checkpoints.load_text(TINY)
    assert caught.value.key == "model.memory"
    monkeypatch.setattr(load, "free_memory", lambda: None)
    count = sum(p.numel() for p in checkpoints.load_text(TINY).model.parameters())
    assert caught.value.values["needed"] == round(4 * count / 1e6)


def test_a_model_cached_under_its_short_name_is_found(hub, models):
    """`gpt2` and `openai-community/gpt2` are one model, whichever name brought it."""
    shutil.copytree(models / TINY, places.repo_folder("gpt2") / "snapshots" / "rev")
    assert places.find("gpt2") == places.find("openai-community/gpt2") is not None
    assert checkpoints.load_text("gpt2") is checkpoints.load_text("openai-community/gpt2")
    assert checkpoints.loaded("gpt2")
    assert next(i.name for i in checkpoints.catalogue("text") if i.name.endswith("gpt2")) == "gpt2"


def test_two_visitors_open_a_model_once(hub, monkeypatch):
    """The second waits for the first and gets the same object."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(checkpoints.load_text, [TINY, TINY])
    assert one is two


def test_two_models_are_opened_one_after_the_other(hub, models, tmp_path, monkeypatch):
    """Two visitors who choose different models at once both get theirs: the library cannot read two at a time."""
    from concurrent.futures import ThreadPoolExecutor

    opener, inside, most = load._text, [], []

    def watched(name, folder):
        inside.append(name)
        time.sleep(0.05)
        most.append(len(inside))
        model = opener(name, folder)
        inside.remove(name)
        return model

    monkeypatch.setattr(load, "_text", watched)
    names = [TINY, str(tmp_path / "b")]
    shutil.copytree(models / TINY, names[1])
    with ThreadPoolExecutor(2) as pool:
        assert [model.name for model in pool.map(checkpoints.load_text, names)] == names
    assert most == [1, 1]


def test_at_most_two_models_stay_open(hub, models, tmp_path):
    """The one used longest ago is let go."""
    names = [TINY, str(tmp_path / "b"), str(tmp_path / "c")]
    for folder in names[1:]:
        shutil.copytree(models / TINY, folder)
    for name in (names[0], names[1], names[0], names[2]):
        checkpoints.load_text(name)
    assert [checkpoints.loaded(name) for name in names] == [True, False, True]


def test_ready_downloads_and_opens_as_events(hub):
    """After the last event the model is there, and a second time there is nothing to wait for."""
    kinds = [type(event).__name__ for event in checkpoints.ready(TINY, "text")]
    assert kinds[0] == "Fetched"
    assert kinds[-1] == "Opening"
    assert checkpoints.loaded(TINY)
    assert list(checkpoints.ready(TINY, "text")) == []


def test_ready_hands_on_what_went_wrong(hub):
    """The error of the opening thread arrives where the events are read."""
    with pytest.raises(ModelError, match="not a model that understands speech"):
        list(checkpoints.ready(TINY, "speech"))


def test_the_menu_lists_shipped_then_cached_then_hub_models(hub, monkeypatch, models):
    """What needs no network comes first; what is cached is not offered twice."""
    monkeypatch.setattr(places, "SHIPPED", models / "lab")
    list(checkpoints.fetch(TINY))
    menu = checkpoints.catalogue("text")
    order = {"shipped": 0, "cached": 1, "hub": 2}
    assert [order[info.source] for info in menu] == sorted(order[info.source] for info in menu)
    assert [info.name for info in menu if info.source == "cached"] == [TINY]
    assert "tiny-gpt2" in {info.name for info in menu if info.source == "shipped"}
    assert "openai-community/gpt2" in {info.name for info in menu if info.source == "hub"}
    assert {info.task for info in menu} == {"text"}


def test_a_broken_cache_is_an_empty_one(hub, tmp_path):
    """Stray files and half folders in the cache do not break the menu."""
    cache = places.cache_folder()
    (cache / "models--x--y" / "snapshots" / "rev").mkdir(parents=True)
    (cache / "models--x--y" / "snapshots" / "rev" / "config.json").write_text("not json")
    (cache / "models--a").write_text("a file")
    assert {info.source for info in checkpoints.catalogue("speech")} <= {"shipped", "hub"}


def test_every_note_of_the_menu_has_words():
    """The notes are keys of both dictionaries."""
    from bigmodel.ui.words import say

    for info in (*checkpoints.catalogue("text"), *checkpoints.catalogue("speech")):
        assert say(info.note, "en") != say(info.note, "zh")


def test_importing_checkpoints_loads_neither_torch_nor_transformers():
    """The page opens before they do."""
    code = (
        "import sys, bigmodel.checkpoints as c; c.catalogue('text'); print({'torch', 'transformers'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
