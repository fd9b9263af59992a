"""A table → a data set: its classes, its split, and the recipe that the training part teaches."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from bigmodel.datasets import Dataset, DatasetConfig, Notice, Part, Table, split_rows
from bigmodel.datasets.encoders import encoder_for, frozen, numbered
from bigmodel.datasets.prepare import prepare
from bigmodel.datasets.texts import learned, plain
from bigmodel.errors import DataError

MOST_NUMBERS = 20_000_000
"""Rows × features after encoding."""
FEWEST_ROWS = 10
MOST_CLASSES = 100
FEWEST_OF_CLASS = 3
"""One row of a class for each part."""
MOST_CATEGORIES = 30
"""Columns that one categorical column may become; its rarer values share one."""


def encoding(
    table: Table, target: str, config: DatasetConfig, leave_out: Sequence[str] = (), name: str = "upload"
) -> Generator[Any, None, Dataset]:
    """See `bigmodel.datasets.table_dataset`; events while an encoder is fetched and reads."""
    notices = list(table.notices)
    if target not in table.columns:
        raise DataError("data.no_target", target=target, columns=", ".join(table.columns[:20]))
    frame, classes = classes_of(table, target, notices)
    numbers, categories, texts = inputs_of(table, target, leave_out)
    if not numbers and not categories and not texts:
        raise DataError("data.no_features", target=target)
    features = len(numbers) + sum(min(MOST_CATEGORIES, frame[c].nunique() + 1) for c in categories)
    frame = _fit_in(frame, features + len(texts) * (config.terms if config.features == "tfidf" else 1000), notices)
    notices += _notices(frame, numbers, categories)
    y = frame[target].map({value: k for k, value in enumerate(classes)}).to_numpy(np.int64)
    parts = split_rows(y, config)
    taught = frame.iloc[parts[0]]
    said = tuple(name_of(value) for value in classes)
    columns = [*_numbers(taught, numbers, table), *_categories(taught, categories)]
    known: dict[str, np.ndarray] = {}
    if config.features == "tfidf":
        columns += _texts(taught, texts, config.terms, notices)
    else:
        known = yield from _read(frame, texts, parts[0], config, columns, notices)
    if not columns:
        raise DataError("data.no_features", target=target)
    recipe = {"dataset": name, "target": target, "classes": list(said), "columns": columns}
    train, valid, test = (Part(_numbers_of(recipe, frame, rows, known), y[rows]) for rows in parts)
    shown: Any = table.cells
    return Dataset(
        name=name,
        features=tuple(name for entry in columns for name in entry["features"]),
        classes=said,
        train=train,
        valid=valid,
        test=test,
        mean=np.concatenate([_spread(entry, "mean", 0.0) for entry in columns]),
        scale=np.concatenate([_spread(entry, "scale", 1.0) for entry in columns]),
        notices=tuple(notices),
        test_rows=shown.loc[frame.index[parts[2]]].reset_index(drop=True),
        valid_rows=shown.loc[frame.index[parts[1]]].reset_index(drop=True),
        prepare=partial(prepare, recipe),
        recipe=recipe,
    )


def _notices(frame: pd.DataFrame, numbers: list[str], categories: list[str]) -> list[Notice]:
    """What is told of columns with gaps, and of those with more values than columns they may become."""
    told = []
    if gaps := [c for c in numbers + categories if frame[c].isna().any()]:
        told.append(notice("gaps", columns=some(gaps)))
    if wide := [c for c in categories if frame[c].nunique() > MOST_CATEGORIES]:
        told.append(notice("categories", columns=some(wide), most=MOST_CATEGORIES))
    return told


def inputs_of(table: Table, target: str, leave_out: Sequence[str] = ()) -> tuple[list[str], ...]:
    """The columns to learn from: those of numbers (dates among them), of categories, and of free text."""
    used = [(c, t) for c, t in zip(table.columns, table.types, strict=True) if c != target and c not in leave_out]
    kinds = (("number", "date"), ("category",), ("text",))
    return tuple([c for c, t in used if t in kind] for kind in kinds)


def classes_of(table: Table, target: str, notices: list[Notice]) -> tuple[pd.DataFrame, list[Any]]:
    """The rows that can be learned from, numbered as in the table, and the classes in order."""
    frame: Any = table.values
    kind = table.types[table.columns.index(target)]
    known = frame[frame[target].notna()]
    if known.empty:
        raise DataError("data.target_empty", target=target)
    if len(known) < len(frame):
        notices.append(notice("target_gaps", target=target, rows=len(frame) - len(known)))
    counts = known[target].value_counts()
    if len(counts) < 2:
        raise DataError("data.one_class", target=target, value=name_of(counts.index[0]))
    if kind == "date" or (kind == "number" and _continuous(known[target], len(counts))):
        raise DataError("data.continuous", target=target, distinct=len(counts))
    if len(counts) > MOST_CLASSES:
        raise DataError("data.many_classes", target=target, classes=len(counts), most=MOST_CLASSES)
    common = counts[counts >= FEWEST_OF_CLASS].index
    if len(common) < 2:
        raise DataError("data.thin_classes", target=target, least=FEWEST_OF_CLASS)
    if len(common) < len(counts):
        notices.append(notice("rare_classes", classes=len(counts) - len(common), least=FEWEST_OF_CLASS))
    kept = known[known[target].isin(common)]
    if len(kept) < FEWEST_ROWS:
        raise DataError("data.few", rows=len(kept), least=FEWEST_ROWS)
    return kept, sorted(common)


def notice(key: str, **values: object) -> Notice:
    """A notice with its values."""
    return Notice(key, tuple(values.items()))


def some(columns: Sequence[str]) -> str:
    """The first few names of a list."""
    return ", ".join(columns[:5]) + (f" … ({len(columns)})" if len(columns) > 5 else "")


def name_of(value: object) -> str:
    """A class as text: 3.0 is 3."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _continuous(values: pd.Series[Any], distinct: int) -> bool:
    """Whether numbers measure something rather than name classes."""
    whole = bool((values == values.round()).all())
    return distinct > 20 and (not whole or distinct > MOST_CLASSES or len(values) < 5 * distinct)


def _fit_in(frame: pd.DataFrame, features: int, notices: list[Notice]) -> pd.DataFrame:
    """As many rows as fit in memory once encoded."""
    room = MOST_NUMBERS // features
    if len(frame) <= room:
        return frame
    notices.append(notice("sampled", rows=len(frame), kept=room))
    return frame.sample(room, random_state=0).sort_index()


def _numbers(taught: pd.DataFrame, names: list[str], table: Table) -> list[dict[str, Any]]:
    """Gaps become the median, then mean 0 and deviation 1: an entry of the recipe for each column."""
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    if not names:
        return []
    filler = SimpleImputer(strategy="median", keep_empty_features=True)
    scaler = StandardScaler().fit(filler.fit_transform(taught[names].to_numpy(float)))
    kinds = dict(zip(table.columns, table.types, strict=True))
    fills = np.nan_to_num(filler.statistics_)
    return [
        {
            "column": name,
            "kind": kinds[name],
            "features": [name],
            "fill": float(fills[k]),
            "mean": float(scaler.mean_[k]),
            "scale": float(scaler.scale_[k]),
            "comma": table.comma,
        }
        for k, name in enumerate(names)
    ]


def _categories(taught: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """A 0/1 feature per value, gaps a value of their own, rare values together: an entry for each column."""
    from sklearn.preprocessing import OneHotEncoder

    if not names:
        return []
    filled = taught[names].astype(object).where(taught[names].notna(), "?")
    found = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES).fit(filled.to_numpy())
    entries = []
    for name, every, rare in zip(names, found.categories_, found.infrequent_categories_, strict=True):
        values = [str(value) for value in every if rare is None or value not in set(rare)]
        # The name of the shared feature must be nobody else's.
        features = [f"{name}_{value}" for value in values] + ([f"{name}_…"] if rare is not None else [])
        entries.append(
            {
                "column": name,
                "kind": "category",
                "features": features,
                "fill": "?",
                "values": values,
                "rest": rare is not None,
            }
        )
    return entries


def _texts(taught: pd.DataFrame, names: list[str], most: int, notices: list[Notice]) -> list[dict[str, Any]]:
    """TF-IDF weights: an entry for each column that holds words, and what was made of it."""
    found = [(name, learned(name, taught[name], most)) for name in names]
    silent = [name for name, entry in found if entry is None]
    if silent:
        notices.append(notice("wordless", columns=some(silent)))
    entries = [entry for _, entry in found if entry is not None]
    for entry in entries:
        notices.append(notice(f"tfidf_{entry['analyzer']}", column=entry["column"], terms=len(entry["terms"])))
    return entries


def _read(
    frame: pd.DataFrame,
    names: list[str],
    taught: np.ndarray,
    config: DatasetConfig,
    columns: list[dict[str, Any]],
    notices: list[Notice],
) -> Generator[Any, None, dict[str, np.ndarray]]:
    """What an encoder makes of columns of text: an entry for each is added, its features for all rows are the result.

    Fine-tuning trains one encoder, so all columns share it.
    """
    texts = {name: plain(frame[name]) for name in names}
    shared = encoder_for(config.encoder, [text for cells in texts.values() for text in cells])
    known: dict[str, np.ndarray] = {}
    for name in names:
        encoder = shared if config.features == "tuned" else encoder_for(config.encoder, texts[name])
        learn = numbered if config.features == "tuned" else frozen
        entry, known[name], cut = yield from learn(name, frame[name], taught, encoder, config.tokens)
        columns.append(entry)
        said = {"column": name, "encoder": encoder, "count": len(entry["features"])}
        notices.append(notice(f"text_{config.features}", **said))
        if cut:
            notices.append(notice("text_cut", column=name, rows=cut, tokens=config.tokens))
    return known


def _numbers_of(
    recipe: dict[str, Any], frame: pd.DataFrame, rows: np.ndarray, known: dict[str, np.ndarray]
) -> np.ndarray:
    """The features of some rows by the recipe; of columns that an encoder has read they are known."""
    others = [entry for entry in recipe["columns"] if entry["column"] not in known]
    x = prepare({**recipe, "columns": others}, frame.iloc[rows])
    return np.hstack([x, *(values[rows].astype(np.float32) for values in known.values())])


def _spread(entry: dict[str, Any], what: str, default: float) -> np.ndarray:
    """Mean or scale of an entry, feature by feature."""
    return np.broadcast_to(np.asarray(entry.get(what, default), float), (len(entry["features"]),))
