"""The network in use, and one row of it: what the form of the predict panel shows, and what comes of a row."""

from __future__ import annotations

import json
import os
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bigmodel.datasets.prepare import number
from bigmodel.errors import ModelError
from bigmodel.predict import Predictions, predict_row
from bigmodel.runs import Run
from bigmodel.saved import Model, marks_of, model_of
from bigmodel.train.judging import Judged
from bigmodel.ui.data import Source, load
from bigmodel.ui.train.judge import cells_of, network
from bigmodel.ui.words import dictionary, say

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset

MOST_CELL = 20_000
"""Letters of a typed cell."""

MOST_BARS = 12
"""Classes that are shown of many: the likeliest."""

AGREE = 0.001
"""Probabilities of several seeds that are closer than this are the same to a reader."""

SPREAD = 3.0
"""Standard deviations that a number's slider reaches on either side."""


@dataclass(frozen=True, eq=False)
class Use:
    """A network in use. `data` is what it learned from, where that is at hand; `file` the name of a loaded one."""

    model: Model
    data: Dataset | None
    file: str = ""

    @property
    def key(self) -> str:
        """Names the columns and classes: a form for another key is another form."""
        told = json.dumps([self.model.recipe["columns"], self.model.classes], sort_keys=True, default=str)
        return f"{zlib.crc32(told.encode()):08x}"


def in_use(run: Run | None, file: str | None) -> Use:
    """The loaded network if there is one; else the run's, as it stands or as it was in the epoch that is looked at.

    RunError without any; ModelError where the file is no saved network.
    """
    if file:
        model, data = _loaded(str(file), os.stat(file).st_mtime if os.path.exists(file) else 0.0)
        return Use(model, data, os.path.basename(file))
    past = run.snapshot().past if run is not None else None
    stack, epoch = network(run, past.number if past else None)
    assert run is not None, "a network belongs to a run"
    shelf, source = run.shelf, run.shelf.get("source")
    marks = marked(run, epoch)
    made = source.config if source is not None and not source.file else None
    model = model_of(shelf["config"], shelf["data"], stack, epoch, source=made, scores=marks)
    return Use(model, shelf["data"])


def marked(run: Run, epoch: int) -> dict[str, dict[str, float | None]]:
    """The marks of a run's network after an epoch, part by part; the sealed part only if it was opened."""
    judged = [event for event in run.snapshot().events if isinstance(event, Judged) and event.number == epoch]
    return {event.part: marks_of(event.scores, epoch) for event in judged}


@lru_cache(maxsize=4)
def _loaded(path: str, stamp: float) -> tuple[Model, Dataset | None]:
    """A saved network, with the built-in data set that it learned from: only that can be made again."""
    from bigmodel.datasets import DatasetConfig
    from bigmodel.saved import load as load_network

    model = load_network(path)
    # Its rows are the same whoever reads them, and to count their words is the quickest.
    source = replace(DatasetConfig(**model.source), features="tfidf") if model.source else None
    data = load(Source(source)) if source else None
    columns = tuple(entry["column"] for entry in data.recipe["columns"]) if data else ()
    same = data is not None and (columns, data.classes) == (model.columns, model.classes)
    return model, data if same else None


# ---- the form ------------------------------------------------------------------------------------------------------


def form_of(use: Use, cells: Sequence[str], language: str) -> dict[str, Any]:
    """The value of the form: a field a column."""
    words = {name: say(f"train.use.form.{name}", language) for name in ("gap", "other", "numbers", "wipe", "pad")}
    return {
        "key": f"{use.key} {language}",
        "turn": random.randrange(1 << 30),
        "columns": [_field(entry, language) for entry in use.model.recipe["columns"]],
        "cells": list(cells),
        "image": _image(use),
        "words": words,
    }


def _field(entry: Mapping[str, Any], language: str) -> dict[str, Any]:
    kind = entry["kind"] if entry["kind"] in ("number", "category", "date") else "text"
    found: dict[str, Any] = {"name": entry["column"], "kind": kind, "hint": ""}
    if kind == "number":
        low, high = entry["mean"] - SPREAD * entry["scale"], entry["mean"] + SPREAD * entry["scale"]
        step = 10.0 ** round(_power(entry["scale"]) - 2)
        hint = say("train.use.hint.number", language, mean=entry["mean"], scale=entry["scale"])
        return {**found, "low": _rounded(low, step), "high": _rounded(high, step), "step": step, "hint": hint}
    if kind == "category":
        others = ["…"] if entry["rest"] else []
        return {**found, "options": ["", *(value for value in entry["values"] if value != entry["fill"]), *others]}
    return {**found, "hint": say("train.use.hint.date", language)} if kind == "date" else found


def _power(value: float) -> int:
    return int(f"{value:e}".split("e")[1])


def _rounded(value: float, step: float) -> float:
    return float(f"{round(value / step) * step:.6g}") + 0.0 if abs(value / step) < 1e15 else value


def _image(use: Use) -> dict[str, Any] | None:
    """Size and darkest and brightest value of the pictures that it reads."""
    if use.model.image is None:
        return None
    height, width = use.model.image
    low, high = 0.0, 1.0
    if use.data is not None:
        raw = use.data.train.x * use.data.scale + use.data.mean
        low, high = _rounded(float(raw.min()), 1e-3), _rounded(float(raw.max()), 1e-3)
    return {"width": width, "height": height, "low": low, "high": high}


def example(use: Use, row: int | None = None) -> tuple[list[str], str]:
    """The cells of a row of the test part and its class; without the data at hand, the cells that gaps are filled with.

    ModelError where a certain or another row is asked for and there is none.
    """
    data = use.data
    if data is None or not len(data.test.y):
        if row is None:
            return [_filling(entry) for entry in use.model.recipe["columns"]], ""
        raise ModelError("saved.no_rows")
    place = (row or 0) % len(data.test.y)
    cells = cells_of(data, "test", [place]).iloc[0].to_dict()
    written = [_written(entry, cells.get(entry["column"])) for entry in use.model.recipe["columns"]]
    return written, data.classes[int(data.test.y[place])]


def _filling(entry: Mapping[str, Any]) -> str:
    """What stands in for a gap of a column."""
    if entry["kind"] == "number":
        return f"{entry['fill']:.6g}"
    return ""


def _written(entry: Mapping[str, Any], cell: object) -> str:
    """A cell as a field takes it."""
    if cell is None or cell != cell:
        return ""
    if entry["kind"] == "number":
        value = number(cell, bool(entry.get("comma")))
        # Raw values come back from standardised ones: what is below a hundred-thousandth of their spread is rounding.
        return "" if value is None else f"{_rounded(value, 10.0 ** (_power(entry['scale']) - 5)):.6g}"
    text = f"{cell:g}" if isinstance(cell, float) else str(cell).strip()
    return text[:MOST_CELL]


def cells_from(event: object, use: Use) -> list[str]:
    """The cells that a form sent: one for each column, of a sensible length, whatever came."""
    sent = event if isinstance(event, list) else []
    cells = [str(cell)[:MOST_CELL] if isinstance(cell, (str, int, float)) else "" for cell in sent]
    count = len(use.model.columns)
    return (cells + [""] * count)[:count]


# ---- what comes of it ----------------------------------------------------------------------------------------------


def predicted(use: Use, cells: Sequence[str]) -> Predictions:
    """One row, as typed."""
    return predict_row(use.model, dict(zip(use.model.columns, cells, strict=True)))


def bars(use: Use, found: Predictions, truth: str, language: str) -> dict[str, Any]:
    """The value of the bars."""
    p, low, high = found.p[0], found.low[0], found.high[0]
    shown = sorted(sorted(range(len(p)), key=lambda k: -p[k])[:MOST_BARS])
    rows = [(found.classes[k], *(round(float(v[k]), 4) for v in (p, low, high))) for k in shown]
    best, target = int(p.argmax()), use.model.recipe["target"]
    if use.model.recipe["dataset"] != "upload":
        target = say("train.use.class", language)
    caption = say("train.use.says", language, target=target, name=found.classes[best], share=float(p[best]))
    notes = [say("train.use.truth", language, name=truth)] if truth else []
    seeds = len(use.model.seeds)
    if seeds > 1 and high[best] - low[best] < AGREE:
        notes.append(say("train.use.agree", language, count=seeds))
    elif seeds > 1:
        notes.append(say("train.use.seeds", language, count=seeds, low=float(low[best]), high=float(high[best])))
    if len(shown) < len(p):
        notes.append(say("train.use.likeliest", language, count=len(shown), of=len(p)))
    for key, names in (("filled", found.filled[0]), ("unknown", found.unknown[0])):
        if names:
            listed = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
            notes.append(say(f"train.use.{key}", language, columns=listed, count=len(names)))
    return {"caption": caption, "note": " ".join(notes), "rows": rows}


def named(model: Model, language: str) -> str:
    """What a network is, in a few words."""
    shape = model.stack.shape
    name = model.recipe["dataset"]
    said: dict[str, Any] = {"data": dictionary(language).get(f"dataset.{name}", name[:60]), "epochs": model.epochs}
    if shape.architecture == "encoder":
        encoder = model.encoders[0][:60]
        return say("train.use.encoder", language, **said, encoder=encoder, parameters=shape.parameters)
    said |= {
        "architecture": say(f"architecture.{shape.architecture}", language),
        "widths": "-".join(map(str, (shape.features, *getattr(shape, "widths", ()), shape.classes))),
        "seeds": len(model.seeds),
    }
    return say("train.use.network", language, **said)


def told(use: Use, language: str) -> str:
    """Which network that is, on a line."""
    model, text = use.model, named(use.model, language)
    for part in ("test", "valid"):
        accuracy = model.scores.get(part, {}).get("accuracy")
        if accuracy is not None:
            rows = int(model.scores[part].get("rows") or 0)
            text += " · " + say(f"train.use.score.{part}", language, accuracy=accuracy, rows=rows)
            break
    start = say("train.use.loaded", language, file=use.file) if use.file else say("train.use.own", language)
    return start + " " + text
