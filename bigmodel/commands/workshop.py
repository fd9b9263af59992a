"""`bench` and `recipe`: what this project measures of itself, and how its models are made."""

from __future__ import annotations

import argparse
import importlib
import runpy
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from bigmodel.commands.options import read_config, reader
from bigmodel.commands.output import Result, save_files
from bigmodel.errors import BigModelError
from bigmodel.ui.words import say

BENCH = Path(__file__).resolve().parents[2] / "tests" / "bench"
RECIPES = {
    "text-en": ("text_en", "TextEnConfig"),
    "text-zh": ("text_zh", "TextZhConfig"),
    "speech-en": ("speech_en", "SpeechEnConfig"),
}


def add_bench(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--only", default=None, metavar="NAME", help=say("cli.only"))
    sub.add_argument("--curve", default="", metavar="FILE", help=say("cli.curve"))


def run_bench(parsed: argparse.Namespace) -> Iterator[Any]:
    rows = _rows()
    if parsed.curve:
        yield from _curve(Path(parsed.curve))
        return
    if parsed.only and parsed.only not in rows:
        raise BigModelError("cli.bench", name=parsed.only, names=", ".join(rows))
    for name in (parsed.only,) if parsed.only else tuple(rows):
        yield rows[name]()


def _curve(out: Path) -> Iterator[Any]:
    """What more networks cost, measured and drawn."""
    made = runpy.run_path(str(BENCH / "cost.py"))
    save_files(out.parent, {})  # before anything is measured: what cannot be written is told at once
    costs = []
    for cost in made["measure"]():
        costs.append(cost)
        yield cost
    save_files(out.parent, {out.name: made["chart"](costs)})
    yield Result({"told": made["told"](costs), "chart": str(out)})


def _rows() -> dict[str, Callable[[], Any]]:
    """The rows of tests/bench/*rows.py: the peers' code is no part of the package, so it takes a checkout."""
    rows: dict[str, Callable[[], Any]] = {}
    for path in sorted(BENCH.glob("*rows.py"), key=lambda path: (path.stem != "rows", path.stem)):
        rows |= runpy.run_path(str(path))["ROWS"]
    if not rows:
        raise BigModelError("cli.checkout", folder=str(BENCH.parents[1]))
    return rows


def add_recipe(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("name", choices=tuple(RECIPES), help=say("cli.recipe.name"))
    sub.add_argument("--evaluate", default="", metavar="DIR", help=say("cli.recipe.evaluate"))
    taken = {"name"}
    for name, (module, config) in RECIPES.items():
        found = getattr(importlib.import_module(f"bigmodel.recipes.{module}"), config)
        for f in fields(found):
            if f.name not in taken:
                taken.add(f.name)
                kind = reader(typing.get_type_hints(found)[f.name])
                sub.add_argument(f"--{f.name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS, help=name)


def run_recipe(parsed: argparse.Namespace) -> Iterator[Any]:
    module = importlib.import_module(f"bigmodel.recipes.{RECIPES[parsed.name][0]}")
    config = getattr(module, RECIPES[parsed.name][1])
    if parsed.evaluate:
        yield from module.evaluate(read_config(parsed, config, data=parsed.evaluate))
    else:
        yield from module.cook(read_config(parsed, config))
