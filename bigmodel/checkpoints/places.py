"""Where models lie on this machine and what a folder of one must hold. Reads the environment; imports little."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from bigmodel.errors import ModelError

Task = Literal["text", "speech", "encoder"]

SHIPPED = Path(__file__).resolve().parent.parent / "pretrained"
ALIASES = {
    "gpt2": "openai-community/gpt2",
    "gpt2-medium": "openai-community/gpt2-medium",
    "gpt2-large": "openai-community/gpt2-large",
    "gpt2-xl": "openai-community/gpt2-xl",
    "distilgpt2": "distilbert/distilgpt2",
    "distilbert-base-uncased": "distilbert/distilbert-base-uncased",
    "distilbert-base-multilingual-cased": "distilbert/distilbert-base-multilingual-cased",
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "bert-base-chinese": "google-bert/bert-base-chinese",
}
_TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


def _true(name: str) -> bool:
    return os.environ.get(name, "").strip().upper() in {"1", "ON", "YES", "TRUE"}


def endpoint() -> str:
    """The hub's address: HF_ENDPOINT, else the public hub."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def offline() -> bool:
    """Whether the environment forbids the network."""
    return _true("HF_HUB_OFFLINE") or _true("TRANSFORMERS_OFFLINE")


def public_host() -> bool:
    """Whether strangers use this app (a Space): the host's own hub token must not open private models for them."""
    return "SPACE_ID" in os.environ


def cache_folder() -> Path:
    """The hub's local cache, where its own library keeps it."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def looks_like_path(name: str) -> bool:
    """Whether a name can only mean a folder: `/x`, `./x`, `~/x`, `C:\\x`, or more than one slash."""
    return name.startswith(("/", "./", "../", "~", ".\\")) or "\\" in name or name.count("/") > 1


def hub_id(name: str) -> str:
    """The full id of a model of the hub. Raises ModelError where the name cannot be one."""
    name = ALIASES.get(name, name)
    if not _ID.fullmatch(name) or "--" in name or ".." in name or name.endswith((".git", "-", ".")):
        raise ModelError("model.name", name=name)
    return name


def repo_folder(name: str) -> Path:
    """Where the cache keeps all revisions of a hub model."""
    return cache_folder() / ("models--" + name.replace("/", "--"))


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a model's folder, empty where there is none or it is broken."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def task_of(config: dict[str, Any]) -> Task | None:
    """What the model of a config is for, from the architecture that it names; None for anything else."""
    architecture = next(iter(config.get("architectures") or ()), "")
    if architecture.endswith("ForCTC") or architecture in _LISTENERS:
        return "speech"
    if architecture.endswith(("LMHeadModel", "ForCausalLM")):
        return "text"
    return "encoder" if _READERS.fullmatch(architecture) else None


def suits(config: dict[str, Any], task: Task) -> bool:
    """Whether the model of a config can be used for a task: what writes text reads it, too."""
    found = task_of(config)
    return found == task or (task == "encoder" and found == "text")


def check_task(name: str, folder: Path, task: Task) -> None:
    """Raise ModelError if the model in a folder is for something else."""
    config = read_config(folder)
    if not suits(config, task):
        found = next(iter(config.get("architectures") or ()), "?")
        raise ModelError(f"model.task.{task}", name=name, architecture=found)


_READERS = re.compile(
    r"(Bert|DistilBert|MobileBert|ModernBert|Roberta|XLMRoberta|Camembert|Albert|Electra|MPNet|Deberta|DebertaV2|Ernie|"
    r"RoFormer)(Model|For\w+)"
)
_LISTENERS = (
    "WhisperForConditionalGeneration",
    "MoonshineForConditionalGeneration",
    "Speech2TextForConditionalGeneration",
    "SpeechEncoderDecoderModel",
)


def weights(folder: Path) -> tuple[Path, ...]:
    """The safetensors of a model's folder, all of them; nothing where a shard is missing."""
    single = folder / "model.safetensors"
    if single.exists():
        return (single,)
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        shards = sorted({folder / str(name) for name in index["weight_map"].values()})
    except (OSError, ValueError, KeyError, AttributeError):
        return ()
    return tuple(shards) if all(shard.exists() for shard in shards) else ()


def numbers(folder: Path) -> int:
    """How many numbers the weights of a folder hold, from the headers of its files; a broken header counts nothing."""
    count = 0
    for path in weights(folder):
        try:
            with path.open("rb") as file:
                header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), 1 << 26)))
            count += sum(math.prod(entry["shape"]) for key, entry in header.items() if key != "__metadata__")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return count


def free_memory() -> int | None:
    """Bytes that programs could still take, None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def complete(folder: Path) -> bool:
    """Whether a folder holds all that loading needs: config, tokenizer, weights."""
    return (
        (folder / "config.json").exists()
        and any((folder / name).exists() for name in _TOKENIZERS)
        and bool(weights(folder))
    )


def snapshot(name: str) -> Path | None:
    """The complete revision of a hub model in the local cache, `main` first, else the newest; None if there is none."""
    repo = repo_folder(name)
    try:
        newest = sorted((repo / "snapshots").iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        main = repo / "refs" / "main"
        wanted = main.read_text(encoding="utf-8").strip() if main.exists() else ""
    except OSError:
        return None
    newest.sort(key=lambda path: path.name != wanted)
    return next((path for path in newest if complete(path)), None)


def folder_of(name: str) -> Path | None:
    """The folder that a name means by itself: a shipped one, or one that it gives; None for a model of the hub."""
    if re.fullmatch(r"[\w-]+", name) and (SHIPPED / name / "config.json").exists():
        return SHIPPED / name
    folder = Path(name).expanduser()
    return folder if name.strip() and (folder / "config.json").is_file() else None


def find(name: str) -> Path | None:
    """The folder of a model on this machine: shipped, given as a folder, or in the cache; None if it must be fetched.

    Raises ModelError for a name that is neither a folder nor a possible hub id.
    """
    folder = folder_of(name)
    if folder is not None:
        return folder
    if looks_like_path(name):
        raise ModelError("model.folder", name=name)
    full = hub_id(name)
    names = (full, *(short for short, long in ALIASES.items() if long == full))
    return next((found for found in map(snapshot, names) if found is not None), None)


def cached() -> Iterator[tuple[str, Path]]:
    """Hub models in the local cache that are complete, as (id, folder). A missing or broken cache is an empty one."""
    try:
        repos = sorted(path for path in cache_folder().iterdir() if path.name.startswith("models--"))
    except OSError:
        return
    for repo in repos:
        name = repo.name.removeprefix("models--").replace("--", "/", 1)
        folder = snapshot(name) if _ID.fullmatch(name) else None
        if folder is not None:
            yield name, folder
