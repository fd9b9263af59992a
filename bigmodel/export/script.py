"""A training as one plain PyTorch script that makes the same curve, with nothing of this package in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bigmodel.export import data as rows
from bigmodel.export import loop, network, stages, tuning
from bigmodel.export.plan import Plan, Training, plan

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset

_TEST = """# The test part stays sealed until it is asked for: python train.py --test
if "--test" in sys.argv:
    print("test accuracy", [measure(member.network, "test")[1] for member in members])
"""


@dataclass(frozen=True)
class Pieces:
    """What a script and a notebook are made of, in this order. Each is code that stands on what came before."""

    imports: str
    settings: str
    data: str
    network: str
    loop: str
    run: str


def pieces(training: Training, *, notebook: bool = False) -> Pieces:
    """The code of a training. In a notebook a table is looked for where the notebook runs."""
    data = training.data
    place = 'Path("data.csv")' if notebook else 'Path(__file__).with_name("data.csv")'
    return _pieces(_parts(training, place, notebook), data, notebook)


def _parts(training: Training, place: str, notebook: bool) -> dict[str, str]:
    """The code but for what it imports, part by part."""
    data = training.data
    if data.tuned:
        way = tuning.planned(training)
        return {
            "settings": tuning.settings(training, way),
            "data": rows.code(training.source, data, place=place),
            "network": tuning.network(data, notebook=notebook),
            "loop": tuning.definitions(way),
            "run": stages.run(way),
        }
    way = plan(training)
    return {
        "settings": stages.settings(way),
        "data": rows.code(training.source, data, place=place),
        "network": network.code(way, data),
        "loop": loop.definitions(way),
        "run": stages.run(way),
    }


def _pieces(parts: dict[str, str], data: Dataset, notebook: bool) -> Pieces:
    """The parts, with what they import."""
    code = "\n".join(parts.values())
    used = [name for name in ("copy", "csv", "math") if f"{name}." in code] + ([] if notebook else ["sys"])
    lines = [f"import {name}" for name in used] + (["from pathlib import Path"] if "Path(" in code else [])
    lines += ["", "import numpy as np", "import torch", *rows.imports(data), "from torch import nn"]
    lines += ["from torch.nn import functional as F"]
    lines += ["from transformers import AutoModel"] if data.tuned else ["", "torch.set_num_threads(1)"]
    return Pieces("\n".join(lines).strip() + "\n", **parts)


def script(training: Training) -> str:
    """train.py."""
    code = pieces(training)
    body = (code.imports, code.settings, f"{code.data}\n", f"{code.network}\n", f"{code.loop}\n", code.run, _TEST)
    told = about(plan(training), tuned=training.data.tuned)
    return f'"""{title(training)}\n\n{told}"""\n\n' + "\n".join(body)


def title(training: Training) -> str:
    """What is learned, by what, in a line."""
    name = {"upload": "own table", "drawn": "drawn points"}.get(training.data.name, training.data.name)
    if training.data.tuned:
        encoder = Path(tuning.encoder_of(training.data)).name
        return f"{name}, {encoder} fine-tuned: the same encoder, start and batches as in BigModel Lab."
    return f"{name}, {training.config.architecture}: the same network, starts and batches as in BigModel Lab."


def about(way: Plan, *, tuned: bool = False) -> str:
    """How to run it, and what it does."""
    needs = "transformers" if tuned else "scikit-learn"
    several = " The losses are means over the seeds." if len(way.seeds) > 1 else ""
    forks = len(way.stages) - 1
    forked = (
        f" It was forked {'once' if forks == 1 else f'{forks} times'}: the stages follow one another." if forks else ""
    )
    return (
        "It prints the curve, an epoch a line; with --test it opens the test part too. It needs torch, numpy and\n"
        f"{needs}.{several}{forked}\n"
    )
