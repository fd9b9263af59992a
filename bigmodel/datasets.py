"""Data to learn from: made, classic or uploaded → a Dataset of three parts, standardised by its training part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigmodel.config import bounded, check, chosen

DATASETS = ("article", "moons", "circles", "blobs", "spirals", "xor", "iris", "wine", "cancer", "digits")


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """Which data, how much of it, and how it is split.

    `rows` counts for the made sets (article, moons, circles, blobs, spirals, xor), `noise` for those of two features. With
    the defaults, "article" is exactly make_classification(1000, 10 features, 5 informative, random_state=42).
    """

    dataset: str = chosen("article", *DATASETS)
    rows: int = bounded(1000, 20, 20_000, step=10)
    noise: float = bounded(0.1, 0.0, 1.0, step=0.05)
    test_share: float = bounded(0.2, 0.05, 0.5, step=0.05)
    valid_share: float = bounded(0.2, 0.05, 0.5, step=0.05)
    seed: int = bounded(42, 0, 2**31 - 1, step=1)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a data set: x float32 (n, f), standardised; y int64 (n,), the class numbers."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """A split data set. raw = x · scale + mean, feature by feature. `notices` tell what was done to a table: (key, values)."""

    name: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    train: Part
    valid: Part
    test: Part
    mean: np.ndarray
    scale: np.ndarray
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Notice:
    """Something done to an uploaded table, as the key of a sentence (`datasets.notice.<key>`) and what fills it."""

    key: str
    values: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, eq=False)
class Table:
    """An uploaded table, read but not yet split.

    `columns` and `types` ("number", "category", "date", "text", "empty") go together; `rows` counts rows; `target` is the
    guessed target column; `values` holds the cells by column (a pandas DataFrame).
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: int
    target: str
    notices: tuple[Notice, ...]
    values: object


def load_dataset(config: DatasetConfig) -> Dataset:
    """The chosen built-in data set."""
    raise NotImplementedError


def read_table(path: str) -> Table:
    """An uploaded CSV or TSV file. DataError when it cannot be used."""
    raise NotImplementedError


def table_dataset(table: Table, target: str, config: DatasetConfig) -> Dataset:
    """The table as a data set that predicts `target`. DataError when that cannot be learned."""
    raise NotImplementedError
