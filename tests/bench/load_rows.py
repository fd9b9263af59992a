"""The models that ship: how long a visitor waits for them, each in a process of its own whose libraries are loaded."""

from __future__ import annotations

import functools
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Row = runpy.run_path(str(Path(__file__).parent / "rows.py"))["Row"]
EXAMPLE = ROOT / "bigmodel" / "pretrained" / "speech-en" / "example.flac"
# Opens one model and uses it once; the libraries, which a server loads once, are there before: a model of no size of
# the same architecture has been made.
MEASURE = """
import json, os, sys, time
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
from pathlib import Path
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForCTC, AutoProcessor, AutoTokenizer
from transformers.generation import GenerationMixin
from bigmodel.checkpoints import load_speech, load_text
import bigmodel.generate.forward, bigmodel.transcribe.parakeet, torchaudio
name, example = sys.argv[1:]
config = AutoConfig.from_pretrained(Path("bigmodel/pretrained") / name)
kind = AutoModelForCTC if name.startswith("speech") else AutoModelForCausalLM
kind.from_config(config)
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
idle, begun = resident(), time.perf_counter()
model = load_speech(name) if name.startswith("speech") else load_text(name)
told = {"seconds": time.perf_counter() - begun, "memory": resident() - idle}
begun = time.perf_counter()
if name.startswith("speech"):
    import numpy as np, soundfile
    from bigmodel.transcribe import TranscribeConfig, transcribe
    wave, rate = soundfile.read(example, dtype="float32")
    begun = time.perf_counter()
    segments = list(transcribe(TranscribeConfig(), (rate, np.resize(wave, 10 * rate)), model))
    assert any(segment.words for segment in segments)
else:
    from bigmodel.generate import GenerateConfig, generate
    prompt, begun = "I love" if name == "text-en" else "春天", time.perf_counter()
    next(piece for piece in generate(GenerateConfig(), prompt, model) if piece.number)
print(json.dumps({**told, "answer": time.perf_counter() - begun}))
"""


@functools.cache
def _measured(name: str) -> dict[str, float]:
    command = [sys.executable, "-c", MEASURE, name, str(EXAMPLE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _worst(row: str, value: str, names: tuple[str, ...], most: float) -> Any:
    """The highest of some models' values against the most there may be."""
    mine = max(_measured(name)[value] for name in names)
    return Row(row, mine, most, mine / most, 1.0, mine <= most)


def load() -> Any:
    """Seconds until the slowest of the three is open."""
    return _worst("load", "seconds", ("text-en", "text-zh", "speech-en"), 1.0)


def load_memory() -> Any:
    """MB that the largest of the three takes."""
    return _worst("load-memory", "memory", ("text-en", "text-zh", "speech-en"), 150.0)


def first_token() -> Any:
    """Seconds from the start of a text to its first token, the first time that the model is used."""
    return _worst("first-token", "answer", ("text-en", "text-zh"), 0.2)


def clip() -> Any:
    """Seconds for ten seconds of speech, with the word list, the first time that the model is used."""
    return _worst("clip", "answer", ("speech-en",), 1.0)


ROWS: dict[str, Callable[[], Any]] = {
    "load": load,
    "load-memory": load_memory,
    "first-token": first_token,
    "clip": clip,
}
