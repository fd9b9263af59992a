"""Runs made by hand: events as the jobs yield them, and a look at what a view makes of them."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

from gradio import utils

from bigmodel.compare import Entry, Plan, Round, Tiles, Trial
from bigmodel.datasets import DatasetConfig, Notice
from bigmodel.errors import BigModelError
from bigmodel.generate import Option, Piece
from bigmodel.metrics import Scores
from bigmodel.metrics.curves import Bin, Curve, Curves
from bigmodel.runs import Snapshot
from bigmodel.train import Epoch, Member
from bigmodel.train.judging import Judged
from bigmodel.train.plane import SIDE, UNIT_SIDE, UNITS, Picture, Plane, Units
from bigmodel.transcribe import Segment, Word
from bigmodel.ui.data import Source
from bigmodel.ui.train.setup import Setup
from bigmodel.ui.wire import folded

SOURCE = Source(DatasetConfig())


def snapshot(*events: Any, state: Any = "running", place: int = 0, error: BigModelError | None = None) -> Snapshot:
    """A run as it stands after these events, five seconds in."""
    return Snapshot(state, events, len(events), place, 5.0, error)


def epoch(number: int, of: int = 10, *, members: int = 1, broken: bool = False) -> Epoch:
    """An epoch of a training whose losses fall; a broken one has lost its numbers."""
    loss, gain = (math.nan, math.nan) if broken else (1.23456 / (number + 1), 1 - 0.87654 / (number + 2))
    one = Member(0.001, 42, loss, loss, gain, gain, 3 if broken else None)
    return Epoch(
        number=number,
        of=of,
        step=number * 20,
        steps=of * 20,
        seconds=0.1 * number,
        rate=0.001,
        train_loss=loss,
        valid_loss=loss,
        train_accuracy=gain,
        valid_accuracy=gain,
        members=(one,) * members,
        ended="diverged" if broken else None,
    )


def epochs(count: int, of: int = 10, **kinds: Any) -> list[Epoch]:
    """The start and `count` epochs after it."""
    return [epoch(number, of, **kinds) for number in range(count + 1)]


def setup(classes: tuple[str, ...] = ("0", "1"), notices: tuple[Notice, ...] = ()) -> Setup:
    """The first event of a training on two-feature data."""
    points = tuple((0.1 * k, -0.1 * k, k % len(classes)) for k in range(40))
    plane = Plane(("x", "y"), (), (-1.0, 1.0, -1.0, 1.0), points)
    return Setup("moons", ("x", "y"), classes, (640, 160, 200), 4482, plane, notices)


def picture(number: int, *, spread: bool = False) -> Picture:
    """What a network of two classes makes of the plane."""
    return Picture(number, bytes(2 * SIDE * SIDE), bytes(SIDE * SIDE) if spread else b"")


def units(number: int) -> Units:
    """Two hidden layers, the second one narrow, its last unit silent."""
    count = UNIT_SIDE**2
    return Units(number, (64, 3), (bytes(UNITS * count), bytes(3 * count)), ((1.0,) * UNITS, (1.0, 2.0, 0.0)))


def scores(classes: tuple[str, ...] = ("0", "1"), members: tuple[float, ...] = (0.9,)) -> Scores:
    """The test of a network."""
    size = len(classes)
    matrix = tuple(tuple(90 if i == j else 10 for j in range(size)) for i in range(size))
    average = "binary" if size == 2 else "macro"
    return Scores(0.9, 0.91, 0.92, 0.93, None, 0.3, matrix, classes, average, 200, members, 0.94, (0.85, 0.94))


def judged(
    part: Any = "valid",
    number: int = 10,
    looks: int = 0,
    *,
    classes: tuple[str, ...] = ("0", "1"),
    members: tuple[float, ...] = (0.9,),
    drawn: bool = True,
) -> Judged:
    """The marks of a network on a part; of two classes with a threshold that can be moved."""
    ends = ((0.0, 0.0), (1.0, 1.0))
    lines = tuple(
        Curve(k, ends, ends[::-1], 0.8, 0.7, 0.5) for k in ([1] if len(classes) == 2 else range(len(classes)))
    )
    cuts = tuple((k, 100 - k, k // 2, 100 - k // 2) for k in range(101)) if len(classes) == 2 else ()
    curves = Curves(lines, (Bin(0.3, 0.25, 80), Bin(0.8, 0.9, 120)), 0.05, cuts) if drawn else None
    return Judged(part, number, looks, scores(classes, members), curves)


def turn(
    number: int,
    rates: tuple[float, ...] = (0.001, 0.01, 0.1),
    broken: tuple[float, ...] = (),
    seeds: int = 1,
    left: tuple[float, ...] = (),
) -> Round:
    """A round of a race; the rates in `broken` diverged at step 7, those in `left` were taken out."""
    trials = []
    for rate in rates:
        lost = rate in broken and number > 0
        loss = math.nan if lost else rate + 1.23456 / (number + 1)
        losses = tuple(loss + 0.001 * k for k in range(seeds))
        step, part = (7, 0.35) if lost else (None, None)
        entry = Entry(rate, "adam", "constant")
        numbers = (loss, loss, 1 - loss, 1 - loss)
        trials.append(Trial(entry, number, *numbers, losses, step, part, left=rate in left and number > 0))
    return Round(number, 500, number * 20, 10_000, 0.1 * number, 600.0, tuple(trials))


def plan(rates: int = 3, seeds: int = 1) -> Plan:
    """What a race says first."""
    return Plan(rates, seeds, rates * seeds, 100 * rates * seeds, 1.5, 1024, 1)


def tiles(number: int, places: tuple[int, ...] = (0, 1, 2), side: int = 4) -> Tiles:
    """Small boundaries of a race."""
    return Tiles(number, places, side, zlib.compress(bytes(side * side * len(places))))


def piece(number: int, text: str = " word", *, of: int = 1024, finish: Any = None, read: int = 3) -> Piece:
    """A token with ten rivals."""
    rivals = tuple(Option(f"rival {k}", k, 0.123456789, 0.0 if k > 7 else 0.23456789) for k in range(10))
    return Piece(number, of, text, text, 5, 0.5, 0.6, 1, rivals, 1.5, 123.4, 7, 3, read, 512, finish)


def segment(number: int, text: str = "hello there") -> Segment:
    """Two seconds of speech; no text is silence."""
    start = 2.0 * (number - 1)
    words = tuple(Word(word, start + k, start + k + 0.5, 0.75) for k, word in enumerate(text.split()))
    return Segment(number, text, start, start + 2, words, start + 2, 3600.0, 1.0, 20.0, 0.75 if words else 0.0)


def strict(values: Any) -> str:
    """What goes over the line. Fails on what is no JSON: NaN, infinities, bytes, tuples' keys …"""
    return json.dumps(list(values), allow_nan=False, ensure_ascii=False)


def sent(before: Any, after: Any) -> int:
    """How many bytes Gradio sends to turn one view into the next: it sends differences, element by element."""
    return len(strict(utils.diff(travelling(before), travelling(after))))


def travelling(view: Any) -> list[Any]:
    """A view as it goes over the line."""
    return [folded(value) for value in view]
