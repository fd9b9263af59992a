"""The models that can be chosen: what ships, what is in the local cache, what the hub is known for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bigmodel.checkpoints import places
from bigmodel.checkpoints.places import ALIASES, Task, cached, read_config, suits, weights


@dataclass(frozen=True)
class ModelInfo:
    """One line of the menu. `size_mb`: what lies on disk or what a download brings; `note`: a key of the dictionary."""

    name: str
    task: Task
    source: Literal["shipped", "cached", "hub"]
    size_mb: float
    language: Literal["en", "zh", "many"] | None
    note: str


# Sizes of the safetensors that a download brings, in MB of 10^6 bytes.
_HUB = (
    ModelInfo("openai-community/gpt2", "text", "hub", 548, "en", "model.note.gpt2"),
    ModelInfo("distilbert/distilgpt2", "text", "hub", 353, "en", "model.note.distilgpt2"),
    ModelInfo("openai-community/gpt2-medium", "text", "hub", 1520, "en", "model.note.gpt2_medium"),
    ModelInfo("openai-community/gpt2-large", "text", "hub", 3247, "en", "model.note.gpt2_large"),
    ModelInfo("openai-community/gpt2-xl", "text", "hub", 6431, "en", "model.note.gpt2_xl"),
    ModelInfo("HuggingFaceTB/SmolLM2-135M", "text", "hub", 269, "en", "model.note.smollm2"),
    ModelInfo("Qwen/Qwen2.5-0.5B", "text", "hub", 988, "many", "model.note.qwen25"),
    ModelInfo("distilbert/distilbert-base-uncased", "encoder", "hub", 268, "en", "model.note.distilbert"),
    ModelInfo("google-bert/bert-base-uncased", "encoder", "hub", 440, "en", "model.note.bert"),
    ModelInfo("google-bert/bert-base-chinese", "encoder", "hub", 412, "zh", "model.note.bert_zh"),
    ModelInfo("distilbert/distilbert-base-multilingual-cased", "encoder", "hub", 542, "many", "model.note.distilbert"),
    ModelInfo("sentence-transformers/all-MiniLM-L6-v2", "encoder", "hub", 91, "en", "model.note.sentences"),
    ModelInfo("BAAI/bge-small-zh-v1.5", "encoder", "hub", 96, "zh", "model.note.sentences"),
    ModelInfo("facebook/wav2vec2-base-960h", "speech", "hub", 378, "en", "model.note.wav2vec2"),
    ModelInfo("openai/whisper-tiny", "speech", "hub", 151, "many", "model.note.whisper"),
    ModelInfo("openai/whisper-base", "speech", "hub", 290, "many", "model.note.whisper"),
    ModelInfo("openai/whisper-small", "speech", "hub", 967, "many", "model.note.whisper"),
    ModelInfo("openai/whisper-medium", "speech", "hub", 3056, "many", "model.note.whisper"),
    ModelInfo("openai/whisper-large-v3", "speech", "hub", 3087, "many", "model.note.whisper"),
)


def catalogue(task: Task) -> tuple[ModelInfo, ...]:
    """The models for a task: shipped ones, then those in the local cache, then the hub's well-known ones."""
    here = tuple(_cached(task))
    names = {ALIASES.get(info.name, info.name) for info in here}
    return (*_shipped(task), *here, *(info for info in _HUB if info.task == task and info.name not in names))


def _shipped(task: Task) -> Iterator[ModelInfo]:
    for folder in sorted(places.SHIPPED.iterdir()) if places.SHIPPED.is_dir() else ():
        if suits(read_config(folder), task) and weights(folder):
            language: Literal["en", "zh"] | None = "en" if folder.name.endswith("-en") else "zh"
            yield ModelInfo(folder.name, task, "shipped", _size(folder), language, "model.note.shipped")


def _cached(task: Task) -> Iterator[ModelInfo]:
    known = {info.name: info for info in _HUB}
    for name, folder in cached():
        if suits(read_config(folder), task):
            info = known.get(ALIASES.get(name, name))
            language, note = (info.language, info.note) if info else (None, "model.note.cached")
            yield ModelInfo(name, task, "cached", _size(folder), language, note)


def _size(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in weights(folder)) / 1e6, 1)
