"""A model's folder → the model, checked before it is handed out. Loads torch and transformers when first called."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from bigmodel.checkpoints.hub import Fetched, fetch
from bigmodel.checkpoints.places import ALIASES, Task, check_task, find, free_memory, numbers, read_config, weights
from bigmodel.errors import ModelError
from bigmodel.lexicon import Lexicon

SAMPLE_RATE = 16_000
KEPT = 2  # models kept open per task
_MISSING = 0.01  # share of a model's numbers that may be absent from its file (an unused mask vector, say)
_WAIT = 0.2  # seconds between two Opening events

Model = TypeVar("Model", "TextModel", "SpeechModel", "Encoder")


@dataclass(frozen=True, eq=False)
class TextModel:
    """A language model, opened. `context`: the most tokens it can see, prompt and continuation together."""

    name: str
    model: Any
    tokenizer: Any
    context: int
    device: str


@dataclass(frozen=True, eq=False)
class SpeechModel:
    """A speech model, opened: "ctc" says a letter per frame, "seq2seq" writes. `processor`: features and tokenizer.

    `words`: the word list that lies beside a shipped CTC model. `calibration`: (slope, offset) that turn the logit of a
    word's confidence into that of its chance to be right, as measured for this model; None where nobody has.
    """

    name: str
    kind: Literal["ctc", "seq2seq"]
    model: Any
    processor: Any
    sample_rate: int
    device: str
    words: Lexicon | None = None
    calibration: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Encoder:
    """A model that reads, opened: for each token its last hidden state, `width` numbers. `context`: the most tokens it
    can see. Others may read with it at the same time, so whoever trains it trains a copy."""

    name: str
    model: Any
    tokenizer: Any
    context: int
    width: int
    device: str


@dataclass(frozen=True)
class Opening:
    """The model is on this machine and is being read into memory."""

    name: str
    seconds: float


# The one cache of the core: per task, the models last used. Guarded by the lock; a failed load leaves it as it was.
_open: dict[str, OrderedDict[str, Any]] = {"text": OrderedDict(), "speech": OrderedDict(), "encoder": OrderedDict()}
_guard = threading.Lock()
_opening: dict[tuple[Task, str], threading.Lock] = {}
# transformers is neither imported nor filled with weights by two threads at once: either of them finds half a model.
_reading = threading.Lock()


def loaded(name: str, task: Task = "text") -> bool:
    """Whether `load_text`, or its sister for the task, would return at once."""
    with _guard:
        return ALIASES.get(name, name) in _open[task]


def load_text(name: str) -> TextModel:
    """The language model of a shipped name, a local folder or a hub id; downloaded where it must be, kept when opened.

    Raises ModelError: no such model, hub out of reach, not a language model, weights or vocabulary that cannot be used.
    """
    return _load(name, "text", _text)


def load_speech(name: str) -> SpeechModel:
    """The speech model of a shipped name, a local folder or a hub id; otherwise as `load_text`."""
    return _load(name, "speech", _speech)


def load_encoder(name: str) -> Encoder:
    """The encoder of a shipped name, a local folder or a hub id; otherwise as `load_text`. What writes text will do."""
    return _load(name, "encoder", _encoder)


def ready(name: str, task: Task) -> Iterator[Fetched | Opening]:
    """Download and open a model, as events; afterwards `load_text(name)` and its sisters return at once.

    No step lasts: opening goes on in a thread of its own, and a caller that stops listening loses nothing but the wait.
    """
    if loaded(name, task):
        return
    yield from fetch(name, task)
    failed: list[BaseException] = []
    load = {"text": load_text, "speech": load_speech, "encoder": load_encoder}[task]

    def work() -> None:
        try:
            load(name)
        except BaseException as error:
            failed.append(error)

    started = time.monotonic()
    thread = threading.Thread(target=work, name=f"open {name}", daemon=True)
    thread.start()
    while thread.is_alive():
        yield Opening(name, time.monotonic() - started)
        thread.join(_WAIT)
    if failed:
        raise failed[0]


def _load(name: str, task: Task, opener: Callable[[str, Path], Model]) -> Model:
    name = ALIASES.get(name, name)
    with _guard:
        one_at_a_time = _opening.setdefault((task, name), threading.Lock())
    with one_at_a_time:  # two visitors who choose the same model open it once; another's download need not wait
        with _guard:
            if name in _open[task]:
                _open[task].move_to_end(name)
                return cast(Model, _open[task][name])
        for _ in fetch(name, task):
            pass
        folder = find(name)
        if folder is None:
            raise ModelError("model.missing", name=name)
        check_task(name, folder, task)
        with _reading:
            _check_memory(name, folder)
            model = opener(name, folder)
        with _guard:
            _open[task][name] = model
            while len(_open[task]) > KEPT:
                _open[task].popitem(last=False)
        return model


def _check_memory(name: str, folder: Path) -> None:
    """Refuse what would not fit into memory: the system would end the whole app for it, and every visitor's run."""
    if not weights(folder):
        raise ModelError("model.pickle", name=name)
    needed, free = 4 * numbers(folder), free_memory()
    if free is not None and needed > free:
        raise ModelError("model.memory", name=name, needed=round(needed / 1e6), free=round(free / 1e6))


@contextmanager
def exclusively() -> Iterator[None]:
    """While it lasts nobody else imports transformers or opens a model."""
    with _reading:
        yield


def open_encoder(name: str, folder: Path) -> Encoder:
    """The encoder in a folder, checked like every other but not kept: whoever opens it owns it."""
    check_task(name, folder, "encoder")
    with _reading:
        _check_memory(name, folder)
        return _encoder(name, folder)


def _text(name: str, folder: Path) -> TextModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = _pretrained(name, AutoTokenizer, folder, clean_up_tokenization_spaces=False)
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise ModelError("model.vocabulary", name=name)
    model = _weights(name, AutoModelForCausalLM, folder)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        raise ModelError("model.vocabulary", name=name)
    context = int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2048)
    return TextModel(name, model, tokenizer, context, str(model.device))


def _encoder(name: str, folder: Path) -> Encoder:
    from transformers import AutoModel, AutoTokenizer

    tokenizer = _pretrained(name, AutoTokenizer, folder, clean_up_tokenization_spaces=False)
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise ModelError("model.vocabulary", name=name)
    # The pooler is a head over the first token, which many files leave out and nobody here reads.
    model = _weights(name, AutoModel, folder, spare="pooler.")
    config = model.config.get_text_config()
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        raise ModelError("model.vocabulary", name=name)
    config.use_cache = False
    context = min(
        int(getattr(config, "max_position_embeddings", None) or 2048), int(min(tokenizer.model_max_length, 1e6))
    )
    return Encoder(name, model, tokenizer, context, int(config.hidden_size), str(model.device))


def _speech(name: str, folder: Path) -> SpeechModel:
    from transformers import AutoModelForCTC, AutoModelForSpeechSeq2Seq, AutoProcessor

    architecture = next(iter(read_config(folder).get("architectures") or ()), "")
    kind: Literal["ctc", "seq2seq"] = "ctc" if architecture.endswith("ForCTC") else "seq2seq"
    processor = _pretrained(name, AutoProcessor, folder)
    if len(processor.tokenizer) == 0:
        raise ModelError("model.vocabulary", name=name)
    model = _weights(name, AutoModelForCTC if kind == "ctc" else AutoModelForSpeechSeq2Seq, folder)
    words = folder / "words.safetensors"
    return SpeechModel(
        name,
        kind,
        model,
        processor,
        SAMPLE_RATE,
        str(model.device),
        Lexicon.load(words) if kind == "ctc" and words.is_file() else None,
        _calibration(folder / "calibration.json"),
    )


def _calibration(path: Path) -> tuple[float, float] | None:
    if not path.is_file():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    return float(told["slope"]), float(told["offset"])


def _weights(name: str, auto: Any, folder: Path, spare: str = "") -> Any:
    """The model with its weights; what is named `spare` may be missing."""
    import torch

    model, told = _pretrained(name, auto, folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True)
    sizes = {key: value.numel() for key, value in model.state_dict().items()}
    absent = sum(sizes.get(key, 0) for key in told["missing_keys"] if not (spare and key.startswith(spare)))
    if told["mismatched_keys"] or absent > _MISSING * sum(sizes.values()):
        raise ModelError("model.incomplete", name=name)
    return model.eval().requires_grad_(False).to("cuda" if torch.cuda.is_available() else "cpu")


def _pretrained(name: str, auto: Any, folder: Path, **options: Any) -> Any:
    """`from_pretrained` of a local folder, quietly, never with code from it; what it raises becomes one sentence."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        return auto.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:
        # The libraries raise their own kinds here (SafetensorError, OSError, ValueError, KeyError, RuntimeError …).
        reason = " ".join(str(error).split())[:200]
        raise ModelError("model.corrupt", name=name, reason=reason) from error
