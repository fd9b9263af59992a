"""Speech: our transcript against the library's pipeline, the same model, in CPU time on one thread; and its memory."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "bigmodel" / "pretrained" / "speech-en" / "example.flac"
CHUNK = 12.0  # seconds: what both sides hear at once, at most
# The most memory at any segment of an hour over that of the idle process with its model open, in MB.
HOUR = """
import sys
from pathlib import Path
from bigmodel.checkpoints import load_speech
from bigmodel.transcribe import TranscribeConfig, transcribe
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
model = load_speech("speech-en")
idle, most, heard = resident(), 0.0, 0
for segment in transcribe(TranscribeConfig(), sys.argv[1], model):
    most, heard = max(most, resident()), heard + bool(segment.text)
assert heard > 100, heard
print(most - idle)
"""


def rtf() -> Any:
    """Ten minutes of speech, letter by letter on both sides; ours also gives every word its time and confidence."""
    from transformers import pipeline

    from bigmodel.checkpoints import load_speech
    from bigmodel.transcribe import TranscribeConfig, transcribe

    model, wave = load_speech("speech-en"), _speech(600)
    config = TranscribeConfig(chunk_seconds=CHUNK, word_list=0.0)
    heard = pipeline(
        "automatic-speech-recognition",
        model=model.model,
        tokenizer=model.processor.tokenizer,
        feature_extractor=model.processor.feature_extractor,
        chunk_length_s=CHUNK,
    )

    def ours() -> str:
        return " ".join(segment.text for segment in transcribe(config, (16_000, wave), model) if segment.text)

    def peer() -> str:
        return str(heard({"raw": wave, "sampling_rate": 16_000})["text"])

    return _rows().faster("transcribe-rtf", 1.5, ours, peer, repeats=3)


def words() -> Any:
    """What the word list costs: the same ten minutes with it, over letter by letter."""
    from bigmodel.checkpoints import load_speech
    from bigmodel.transcribe import TranscribeConfig, transcribe

    model, wave = load_speech("speech-en"), _speech(600)

    def heard(word_list: float) -> None:
        for _ in transcribe(TranscribeConfig(word_list=word_list), (16_000, wave), model):
            pass

    rows = _rows()
    mine, theirs = rows.side_by_side(lambda: heard(0.4), lambda: heard(0.0), repeats=3)
    return rows.Row("transcribe-words", mine, theirs, mine / theirs, 1.5, mine / theirs <= 1.5)


def hour() -> Any:
    """An hour from a FLAC file, in a process of its own."""
    import tempfile

    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.flac"
        soundfile.write(path, _speech(3600), 16_000)
        command = [sys.executable, "-c", HOUR, str(path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    mine = float(done.stdout.split()[-1])
    return _rows().Row("transcribe-hour", mine, 300.0, mine / 300, 1.0, mine <= 300)


def _speech(seconds: float) -> Any:
    """The example recording again and again, float32 (n,) at 16 kHz."""
    import numpy as np
    import soundfile

    wave, _ = soundfile.read(EXAMPLE, dtype="float32")
    return np.tile(wave, int(seconds * 16_000 / len(wave)) + 1)[: int(seconds * 16_000)]


ROWS: dict[str, Callable[[], Any]] = {"transcribe-rtf": rtf, "transcribe-words": words, "transcribe-hour": hour}


def _rows() -> ModuleType:
    """The neighbour file, by path: this folder is no package."""
    name = "bigmodel_bench_rows"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("rows.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
