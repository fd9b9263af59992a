"""A flat look into data of any width, and what a network makes of every place on it.

Data of two features is flat by itself. Of more, the plane is the one of the first two principal components of the
training part: the two directions in which its rows differ most, all other directions at their mean. That is a slice,
not the whole: rows lie before and behind it, and are shown where they fall on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.networks import Stack

SIDE = 60
"""Most points along each side of a picture."""

UNIT_SIDE = 20
"""Points along each side of a unit's picture: small ones, many at once."""

UNITS = 16
"""Most units of a layer that have a picture."""

POINTS = 500
"""Most rows of the training part that are shown as points."""

ROWS = 1_000
"""Most rows of the training part that the directions are found from."""

AT_ONCE = 0.1
"""Seconds that a picture may take: on a slow machine, or for a large network, it gets coarser."""


@dataclass(frozen=True)
class Plane:
    """What is drawn of a plane: `grid` is (x0, x1, y0, y1), `points` are training rows (x, y, class) where they fall.

    `axes` names the two features; it is empty for a slice, where `shares` tells how much of the spread of the rows
    each of its directions holds.
    """

    axes: tuple[str, ...]
    shares: tuple[float, ...]
    grid: tuple[float, float, float, float]
    points: tuple[tuple[float, float, int], ...]


@dataclass(frozen=True)
class Picture:
    """What the members make of the plane after `number` epochs.

    `surface` is their mean P(class) as uint8 (255 = certain), class by class, each row by row from the lowest y up.
    `spread`, with several members, is how far they disagree: the deviation of P between them, largest over the
    classes, 255 = 0.5 (half are certain of the opposite).
    """

    paced: ClassVar[bool] = False

    number: int
    surface: bytes
    spread: bytes


@dataclass(frozen=True)
class Units:
    """What the hidden units of the first member say over the plane after `number` epochs, layer by layer.

    `widths` counts the units of each layer, `maps` holds the pictures of its first UNITS ones, UNIT_SIDE² bytes each:
    128 is 0, 255 the unit's largest size, 1 that below zero. `peaks` are those largest sizes; 0 means that the unit is
    silent everywhere.
    """

    paced: ClassVar[bool] = False

    number: int
    widths: tuple[int, ...]
    maps: tuple[bytes, ...]
    peaks: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, eq=False)
class Cut:
    """Where a plane lies among the rows: its place (x, y) is centre + x · across[0] + y · across[1], standardised."""

    plane: Plane
    centre: np.ndarray
    across: np.ndarray

    def rows(self, side: int) -> np.ndarray:
        """The places of a picture as standardised rows (side², features), x running fastest, from the lowest y up."""
        x0, x1, y0, y1 = self.plane.grid
        y, x = np.meshgrid(np.linspace(y0, y1, side), np.linspace(x0, x1, side), indexing="ij")
        rows = self.centre + x.reshape(-1, 1) * self.across[0] + y.reshape(-1, 1) * self.across[1]
        return np.asarray(rows, np.float32)


def cut(data: Dataset) -> Cut:
    """The plane of a data set: its two features in their own units, or the slice through its principal components."""
    x = data.train.x
    axes: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    if len(data.features) == x.shape[1] == 2:
        centre, across = -data.mean / data.scale, np.diag(1 / data.scale)
        places, axes = x * data.scale + data.mean, tuple(data.features)
        low, high = places.min(0), places.max(0)
    else:
        centre, across, shares = _directions(x)
        places = (x - centre) @ across.T
        # One row far out would make all others a dot.
        low, high = np.percentile(places, (0.5, 99.5), axis=0)
    room = np.maximum(0.1 * (high - low), 1e-3)
    (x0, y0), (x1, y1) = (low - room).tolist(), (high + room).tolist()
    points = tuple((float(u), float(v), int(k)) for (u, v), k in zip(places[:POINTS], data.train.y, strict=False))
    return Cut(Plane(axes, shares, (x0, x1, y0, y1), points), centre, across)


def _directions(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """(centre, the first two principal components, their shares of the spread) of rows (n, features)."""
    centre = x.mean(0, dtype=np.float64)
    few = x[:ROWS] - centre
    wide = few.shape[1] > len(few)
    # The smaller of the two products has the same eigenvalues, and the vectors of one give those of the other.
    values, vectors = np.linalg.eigh(few @ few.T if wide else few.T @ few)
    first = vectors[:, :-3:-1]
    across = np.zeros((2, few.shape[1]))
    across[: first.shape[1]] = (few.T @ first if wide else first).T
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    # Either sign is right; one of them is chosen, so that the picture is the same everywhere.
    largest = np.abs(across).argmax(1)
    across *= np.where(across[[0, 1], largest] < 0, -1.0, 1.0)[:, None]
    total = max(float(values.clip(0).sum()), 1e-12)
    one, two = (*values[:-3:-1].clip(0), 0.0)[:2]
    return centre, across, (float(one) / total, float(two) / total)


def paint(stack: Stack, where: Cut, number: int, side: int = SIDE) -> Picture:
    """What the living members make of the plane."""
    import torch

    from bigmodel.networks import predict, threads

    with threads(1):
        share = predict(stack, torch.from_numpy(where.rows(side)))  # (K, places, classes)
        surface = _bytes(share.nanmean(0).T * 255)
        if len(stack.alive) < 2:
            return Picture(number, surface, b"")
        apart = share.std(0, correction=0).amax(1)
        return Picture(number, surface, _bytes(apart * 510))


def listen(stack: Stack, where: Cut, number: int) -> Units | None:
    """What the hidden units of the first living member say over the plane; None for a network without any."""
    import torch

    from bigmodel.networks import hidden, threads

    with threads(1):
        layers = [values[0].T for values in hidden(stack, torch.from_numpy(where.rows(UNIT_SIDE)))]  # (units, places)
        if not layers:
            return None
        shown = [values[:UNITS] for values in layers]
        peaks = [values.abs().amax(1) for values in shown]
        maps = [_bytes(v / p.clamp(min=1e-12)[:, None] * 127 + 128) for v, p in zip(shown, peaks, strict=True)]
    sizes = tuple(tuple(float(f"{p:.3g}") for p in peak.tolist()) for peak in peaks)
    return Units(number, tuple(map(len, layers)), tuple(maps), sizes)


def _bytes(values: object) -> bytes:
    """Rounded to uint8, NaN as 0."""
    import torch

    assert isinstance(values, torch.Tensor)
    picture: bytes = values.nan_to_num(0).round().clamp(0, 255).to(torch.uint8).contiguous().numpy().tobytes()
    return picture


class Painter:
    """Makes pictures at a pace that costs the training little: never more than a tenth of its time.

    The longer the training, the rarer they are (every hundredth of its age): early, much happens in a moment, and what
    is kept of a long run stays small.
    """

    def __init__(self, stack: Stack, where: Cut) -> None:
        self._stack, self._where = stack, where
        self._begun = time.monotonic()
        self._next = {"picture": 0.0, "units": 0.0}
        self._side = 0

    def look(self, number: int, *, last: bool = False) -> Iterator[Picture | Units]:
        """The pictures that are due after `number` epochs; all of them at the `last` one."""
        if not self._stack.alive:
            return
        self._side = self._side or self._fitting()
        if last or time.monotonic() >= self._next["picture"]:
            begun = time.monotonic()
            yield paint(self._stack, self._where, number, self._side)
            self._wait("picture", 0.15, begun)
        if last or time.monotonic() >= self._next["units"]:
            begun = time.monotonic()
            units = listen(self._stack, self._where, number)
            if units is not None:
                yield units
            self._wait("units", 0.5, begun)

    def _wait(self, kind: str, least: float, begun: float) -> None:
        now = time.monotonic()
        self._next[kind] = now + max(least, 20 * (now - begun), (now - self._begun) / 100)

    def _fitting(self) -> int:
        """How many points a side fit into the time of a picture, by the second of two small ones."""
        side, seconds = 12, 0.0
        for _ in range(2):
            begun = time.perf_counter()
            paint(self._stack, self._where, 0, side)
            seconds = max(1e-6, time.perf_counter() - begun)
        return int(max(side, min(SIDE, side * (AT_ONCE / seconds) ** 0.5)))
