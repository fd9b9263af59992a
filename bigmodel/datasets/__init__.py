"""Data to learn from: made, classic or uploaded → a Dataset of three parts, standardised by its training part."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from bigmodel.config import bounded, check, chosen
from bigmodel.datasets import drawn
from bigmodel.errors import ConfigError

DRAWN = "drawn"
MADE = ("article", "moons", "circles", "blobs", "spirals", "xor")
CLASSICS = ("iris", "wine", "cancer", "digits")
SENTENCES = ("sentences_en", "sentences_zh")
"""Tables of our own beside this file, under the project's licence: 450 everyday English sentences and 300 Chinese ones,
of five topics each."""
FEATURES = ("tfidf", "frozen", "tuned")
DATASETS = (*MADE, *CLASSICS, DRAWN, *SENTENCES)


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """Which data, how much of it, and how it is split.

    `rows` counts for the made sets (article, moons, circles, blobs, spirals, xor), `noise` for those of two features.
    With the defaults, "article" is exactly make_classification(1000, 10 features, 5 informative, random_state=42).
    `distinct` counts for tables: rows that stand there several times are taken once. `points` is the drawing of "drawn"
    (see `datasets.drawn`); without any it is an example. `terms` is the most words and pairs of words (or runs of
    characters) that a column of text may become; with `features` "frozen" or "tuned" a pre-trained `encoder` reads it
    instead, at most `tokens` of each text, as it is or to be trained on ("auto": the one that ships for its language).
    """

    dataset: str = chosen("article", *DATASETS)
    rows: int = bounded(1000, 20, 20_000, step=10)
    noise: float = bounded(0.1, 0.0, 1.0, step=0.05)
    test_share: float = bounded(0.2, 0.05, 0.5, step=0.05)
    valid_share: float = bounded(0.2, 0.05, 0.5, step=0.05)
    seed: int = bounded(42, 0, 2**31 - 1, step=1)
    distinct: bool = False
    points: str = ""
    terms: int = bounded(2000, 10, 5000, step=10)
    features: str = chosen("tfidf", *FEATURES)
    encoder: str = "auto"
    tokens: int = bounded(64, 4, 512, step=4)

    def __post_init__(self) -> None:
        check(self)
        wrong = drawn.problem(self.points)
        if wrong is not None:
            raise ConfigError((wrong,))


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a data set: x float32 (n, f), standardised; y int64 (n,), the class numbers."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """A split data set.

    raw = x · scale + mean, feature by feature. `notices` tell what was done to a table: (key, values).
    `test_rows` and `valid_rows` are the original cells of the rows of these parts, all columns (pandas DataFrames),
    for tables only.
    `image` is (height, width) where the features are the dots of a picture. `prepare` turns further rows (a DataFrame
    with the columns of the recipe) into standardised x, by `recipe`: see `bigmodel.datasets.prepare`.
    """

    name: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    train: Part
    valid: Part
    test: Part
    mean: np.ndarray
    scale: np.ndarray
    notices: tuple[Notice, ...] = ()
    test_rows: Any = None
    valid_rows: Any = None
    image: tuple[int, int] | None = None
    prepare: Callable[[Any], np.ndarray] | None = None
    recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def tuned(self) -> bool:
        """Whether its rows hold tokens, on which an encoder is fine-tuned."""
        return any(entry["kind"] == "tokens" for entry in self.recipe.get("columns", ()))


@dataclass(frozen=True)
class Reading:
    """A table on its way in: `done` of `of` (0: nobody knows) rows, columns or texts, whichever the stage counts."""

    paced: ClassVar[bool] = False

    stage: str
    done: int
    of: int = 0


@dataclass(frozen=True)
class Notice:
    """Something done to an uploaded table, as the key of a sentence (`datasets.notice.<key>`) and what fills it."""

    key: str
    values: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, eq=False)
class Table:
    """An uploaded table, read but not yet split.

    `columns` and `types` ("number", "category", "date", "text", "id", "empty") go together; `rows` counts rows;
    `target` is the guessed target column; `values` holds the cells by column (a pandas DataFrame), dates as days;
    `cells` the same with dates as they were written; with `comma`, 1,5 was read as one and a half.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: int
    target: str
    notices: tuple[Notice, ...]
    values: Any
    cells: Any
    comma: bool = False


def load_dataset(config: DatasetConfig) -> Dataset:
    """The chosen built-in data set: made from the seed, drawn by hand, one of scikit-learn's, or a table of our own."""
    return drain(loading(config))


def loading(config: DatasetConfig) -> Generator[Any, None, Dataset]:
    """The same, with events while an encoder is fetched and reads."""
    if config.dataset in SENTENCES:
        from bigmodel.datasets.encode import encoding

        table = sentences(config.dataset)
        table = once(table) if config.distinct else table
        return (yield from encoding(table, table.target, config, name=config.dataset))
    load = _made if config.dataset in MADE else _drawn if config.dataset == DRAWN else _classic
    x, y, features, classes = load(config)
    # The article splits without regard to the classes; everything else keeps their shares.
    rows = split_rows(y, config, stratify=config.dataset != "article")
    return standardised(config.dataset, x, y, features, classes, rows)


def split_rows(y: np.ndarray, config: DatasetConfig, *, stratify: bool = True) -> tuple[np.ndarray, ...]:
    """Row numbers of the training, validation and test parts.

    Class shares are kept where every class has enough rows.
    """
    from sklearn.model_selection import train_test_split

    def cut(rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        _, counts = np.unique(y[rows], return_counts=True)
        room = min(share, 1 - share) * len(rows) >= len(counts) and counts.min() >= 2
        by = y[rows] if stratify and room else None
        kept, taken = train_test_split(rows, test_size=share, random_state=config.seed, stratify=by)
        return kept, taken

    rest, test = cut(np.arange(len(y)), config.test_share)
    train, valid = cut(rest, config.valid_share)
    return train, valid, test


def standardised(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    features: tuple[str, ...],
    classes: tuple[str, ...],
    rows: tuple[np.ndarray, ...],
) -> Dataset:
    """Parts by row numbers, every feature scaled to mean 0 and deviation 1 of the training part alone."""
    from sklearn.preprocessing import StandardScaler

    from bigmodel.datasets.prepare import prepare

    scaler = StandardScaler().fit(x[rows[0]])
    train, valid, test = (Part(scaler.transform(x[r]).astype(np.float32), y[r].astype(np.int64)) for r in rows)
    numbers = zip(features, scaler.mean_.tolist(), scaler.scale_.tolist(), strict=True)
    columns = [
        {"column": f, "kind": "number", "features": [f], "fill": mean, "mean": mean, "scale": scale}
        for f, mean, scale in numbers
    ]
    recipe = {"dataset": name, "target": "class", "classes": list(classes), "columns": columns}
    return Dataset(
        *(name, features, classes, train, valid, test, scaler.mean_, scaler.scale_),
        image=(8, 8) if name == "digits" else None,
        prepare=partial(prepare, recipe),
        recipe=recipe,
    )


def _made(config: DatasetConfig) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Values (rows, features), classes (rows,) and their names, of a set that is made from the seed."""
    from sklearn import datasets as made

    n, noise, seed = config.rows, config.noise, config.seed
    rng = np.random.default_rng(seed)
    if config.dataset == "article":
        x, y = made.make_classification(n_samples=n, n_features=10, n_informative=5, random_state=seed)
    elif config.dataset == "moons":
        x, y = made.make_moons(n, noise=noise, random_state=seed)
    elif config.dataset == "circles":
        x, y = made.make_circles(n, noise=noise, factor=0.5, random_state=seed)
    elif config.dataset == "blobs":
        x, y = made.make_blobs(n, centers=3, cluster_std=0.5 + 5 * noise, random_state=seed)
    elif config.dataset == "spirals":
        x, y = _spirals(n, rng)
        x = x + noise * rng.standard_normal(x.shape)
    else:
        x = rng.uniform(-1, 1, (n, 2))
        y = (x[:, 0] * x[:, 1] < 0).astype(np.int64)
        x = x + noise * rng.standard_normal(x.shape)
    names = tuple(f"x{k + 1}" for k in range(x.shape[1]))
    return x, y, names, tuple(str(k) for k in range(int(y.max()) + 1))


def _spirals(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two arms wound 1.75 turns round each other, out to radius 5."""
    y = np.arange(n) % 2
    along = rng.uniform(0.05, 1, n)
    angle = along * 3.5 * np.pi + y * np.pi
    return (5 * along)[:, None] * np.stack((np.sin(angle), np.cos(angle)), 1), y


def _drawn(config: DatasetConfig) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """The points that were drawn. DataError where they are too few."""
    x, y, classes = drawn.read(config.points or drawn.examples()["moons"])
    return x, y, ("x1", "x2"), classes


def _classic(config: DatasetConfig) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """One of the data sets that come with scikit-learn."""
    from sklearn import datasets as classics

    load = {"iris": "load_iris", "wine": "load_wine", "cancer": "load_breast_cancer", "digits": "load_digits"}
    found = getattr(classics, load[config.dataset])()
    return found.data, found.target, tuple(map(str, found.feature_names)), tuple(map(str, found.target_names))


def read_table(path: str) -> Table:
    """An uploaded CSV, TSV, Excel or Parquet file; kind, delimiter and encoding are found out. DataError when it cannot
    be used."""
    from bigmodel.datasets.table import read

    return read(path)


def read_rows(path: str) -> Any:
    """Rows to be predicted, from the same kinds of files, without a target and however few: a DataFrame of text cells
    for `Dataset.prepare`. Of a file of many rows the first ones."""
    from bigmodel.datasets.table import read_rows

    return read_rows(path)


def sentences(name: str) -> Table:
    """One of SENTENCES as the table that it is."""
    return read_table(str(Path(__file__).parent / f"{name}.csv"))


def table_dataset(table: Table, target: str, config: DatasetConfig, leave_out: Sequence[str] = ()) -> Dataset:
    """The table as a data set that predicts `target`; of the config only shares, seed and `distinct` count.

    Gaps are filled, numbers scaled, categories turned to 0/1 and texts to TF-IDF weights by scikit-learn transformers
    that have seen the training part only. The columns of `leave_out` are not learned from. DataError when that cannot
    be learned.
    """
    return drain(table_loading(table, target, config, leave_out))


def table_loading(
    table: Table, target: str, config: DatasetConfig, leave_out: Sequence[str] = ()
) -> Generator[Any, None, Dataset]:
    """The same, with events while an encoder is fetched and reads."""
    from bigmodel.datasets.encode import encoding

    if config.distinct:
        table = once(table, leave_out)
    return (yield from encoding(table, target, config, leave_out))


def once(table: Table, leave_out: Sequence[str] = ()) -> Table:
    """The table without rows that stand there already, as far as they are learned from."""
    used = [name for name in table.values.columns if name not in leave_out]
    first = ~table.values[used].duplicated().to_numpy()
    dropped = int((~first).sum())
    if not dropped:
        return table
    values, cells = (frame[first].reset_index(drop=True) for frame in (table.values, table.cells))
    notice = Notice("distinct", (("rows", dropped),))
    notices = (*table.notices, notice)
    return replace(table, rows=table.rows - dropped, values=values, cells=cells, notices=notices)


Result = TypeVar("Result")


def drain(steps: Generator[Any, None, Result]) -> Result:
    """The result of a generator, for whoever does not care for its events."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
