"""Names of models to models that can be used: shipped folder, local folder, local cache, or the hub.

    catalogue("text")              what can be chosen, shipped models first
    for event in ready("gpt2", "text"): ...   download as far as needed, then open; both as events
    load_text("text-en")           the model itself; opened once, kept while it is in use
    load_speech("speech-en")
    load_encoder("bert-base-chinese")

Safetensors only, never a pickle, never code from a repository. This package is the only part of the core that reads the
environment (HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME, HF_HUB_CACHE).
"""

from bigmodel.checkpoints.hub import Fetched, fetch
from bigmodel.checkpoints.load import (
    Encoder,
    Opening,
    SpeechModel,
    TextModel,
    load_encoder,
    load_speech,
    load_text,
    loaded,
    ready,
)
from bigmodel.checkpoints.menu import ModelInfo, catalogue

__all__ = [
    "Encoder",
    "Fetched",
    "ModelInfo",
    "Opening",
    "SpeechModel",
    "TextModel",
    "catalogue",
    "fetch",
    "load_encoder",
    "load_speech",
    "load_text",
    "loaded",
    "ready",
]
