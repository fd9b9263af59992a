"""Small decision boundaries of a race: one picture per entry, of its first seed, on the data's plane.

Data of two features is its own plane, any other has that of its first two principal components (`train/plane.py`). A
pixel is a byte: the class that the network gives the place, and in SHADES steps how sure it is of it. Pictures are
pixels row by row from the top, one entry after the other, packed by zlib. This module imports torch; import it when a
job starts.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from bigmodel.compare import Tiles
from bigmodel.networks import Stack, predict, threads
from bigmodel.train.plane import cut

if TYPE_CHECKING:
    from bigmodel.compare.race import Heat, Race

SIDE = 24
"""Points along each side."""

MOST_TILES = 64
SHADES = 16
MOST_CLASSES = 256 // SHADES
PACE = 0.25
"""Seconds between two paintings at least; also at least 20 times what one takes, and a hundredth of the race's age."""

WORK = 1_500_000_000
"""Multiply-adds of one painting: with large networks there are fewer tiles."""


class Painter:
    """Paints the entries of a race now and then. Who diverged or left keeps its last picture."""

    def __init__(self, race: Race) -> None:
        self._race = race
        flat = cut(race.data)
        rows = flat.rows(SIDE).reshape(SIDE, SIDE, -1)[::-1]  # from the top, as a screen is filled
        self._points = torch.from_numpy(rows.reshape(SIDE * SIDE, -1).copy())
        self._due = 0.0

    def look(self, *, last: bool = False) -> Iterator[Tiles]:
        """The tiles, if it is time for them; always at the `last` look."""
        race = self._race
        if race.number < 0 or not (last or race.seconds >= self._due):
            return
        begun = time.perf_counter()
        places = self._places()
        with threads(1), torch.inference_mode():
            for heat in race.heats:
                self._paint(heat, set(places))
        blank = bytes(SIDE * SIDE)
        pixels = zlib.compress(b"".join(race.pixels.get(place, blank) for place in places), 6)
        spent = time.perf_counter() - begun
        race.beside += spent
        self._due = race.seconds + max(PACE, 20 * spent, race.seconds / 100)
        yield Tiles(race.number, places, SIDE, pixels)

    def _places(self) -> tuple[int, ...]:
        """The entries that have a tile, by rate: all, or evenly chosen ones."""
        race = self._race
        per_tile = SIDE * SIDE * max(heat.course.stack.shape.parameters for heat in race.heats)
        most = max(1, min(MOST_TILES, WORK // per_tile))
        order = sorted(range(len(race.entries)), key=lambda place: (race.entries[place].learning_rate, place))
        return tuple(order[:: math.ceil(len(order) / most)])

    def _paint(self, heat: Heat, places: set[int]) -> None:
        """The tiles of one stack: of its members with the first seed."""
        alive = heat.course.stack.alive
        wanted = [k for k, m in enumerate(alive) if int(heat.places[m]) in places and heat.seeds[m] == 0]
        if not wanted:
            return
        stack = heat.course.stack
        if len(wanted) < len(alive):
            stack = Stack.of(stack.picture())
            stack.keep(torch.tensor(wanted))
        sure, best = predict(stack, self._points).max(2)
        chance = 1 / len(self._race.data.classes)
        shade = ((sure - chance) / (1 - chance) * (SHADES - 1)).nan_to_num(0).clamp(0, SHADES - 1).round()
        pixels = (best.clamp(max=MOST_CLASSES - 1) * SHADES + shade).to(torch.uint8).numpy()
        for row, k in zip(np.ascontiguousarray(pixels), wanted, strict=True):
            self._race.pixels[int(heat.places[alive[k]])] = row.tobytes()
