"""The jobs of the command line: what each adds to the options, and its events."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from bigmodel.commands.compare import add_compare, add_finders, run_compare, run_finders
from bigmodel.commands.models import add_generate, add_models, add_transcribe, run_generate, run_models, run_transcribe
from bigmodel.commands.train import add_predict, add_train, run_predict, run_train
from bigmodel.commands.workshop import add_bench, add_recipe, run_bench, run_recipe

JOBS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], Iterator[Any]]]] = {
    "train": (add_train, run_train),
    "predict": (add_predict, run_predict),
    "compare": (add_compare, run_compare),
    "finders": (add_finders, run_finders),
    "generate": (add_generate, run_generate),
    "transcribe": (add_transcribe, run_transcribe),
    "models": (add_models, run_models),
    "bench": (add_bench, run_bench),
    "recipe": (add_recipe, run_recipe),
}
