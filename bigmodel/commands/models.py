"""`generate`, `transcribe` and `models`: what the shipped models and those of the hub do."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from bigmodel.commands.options import add_config, read_config, until_interrupted
from bigmodel.commands.output import Asked, Result
from bigmodel.ui.words import say


def add_generate(sub: argparse.ArgumentParser) -> None:
    from bigmodel.generate import GenerateConfig

    sub.add_argument("--prompt", default="I love", help=say("generate.prompt.info"))
    sub.add_argument("--model", default="text-en", help=say("cli.model"))
    add_config(sub, GenerateConfig)


def run_generate(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.checkpoints import load_text, ready
    from bigmodel.generate import GenerateConfig, count_tokens, generate

    config = read_config(parsed, GenerateConfig)
    yield from ready(parsed.model, "text")
    model = load_text(parsed.model)
    count_tokens(parsed.prompt, model)  # a prompt that cannot be read is told before anything is printed
    yield Asked(parsed.prompt)
    pieces = []
    for piece in until_interrupted(generate(config, parsed.prompt, model)):
        pieces += [piece] if piece.number else []
        yield piece
    last = pieces[-1]
    yield Result(
        {
            "prompt": parsed.prompt,
            "text": "".join(piece.text for piece in pieces),
            "tokens": len(pieces),
            "tokens_per_second": last.tokens_per_second,
            "seed": last.seed,
            "model": parsed.model,
            "finish": last.finish,
        }
    )


def add_transcribe(sub: argparse.ArgumentParser) -> None:
    from bigmodel.transcribe import TranscribeConfig

    sub.add_argument("files", nargs="+", metavar="FILE", help=say("cli.files"))
    sub.add_argument("--model", default="speech-en", help=say("cli.model"))
    add_config(sub, TranscribeConfig)


def run_transcribe(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.checkpoints import load_speech, ready
    from bigmodel.transcribe import TranscribeConfig, transcribe

    config = read_config(parsed, TranscribeConfig)
    yield from ready(parsed.model, "speech")
    model = load_speech(parsed.model)
    for file in parsed.files:
        segments = []
        for segment in until_interrupted(transcribe(config, file, model)):
            segments.append(segment)
            yield segment
        words = [asdict(w) for segment in segments for w in segment.words]
        text = " ".join(segment.text for segment in segments if segment.text)
        yield Result({"file": file, "text": text, "words": words, "model": parsed.model})


def add_models(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--task", choices=("text", "speech", "encoder"), default=None, help=say("cli.task"))


def run_models(parsed: argparse.Namespace) -> Iterator[Any]:
    from bigmodel.checkpoints import catalogue

    for task in (parsed.task,) if parsed.task else ("text", "speech", "encoder"):
        yield from catalogue(task)
