"""Rows of a table → the numbers that a network takes, by a recipe: plain JSON of what the training part taught.

A recipe is all there is of the preprocessing. The parts of a data set are made by it, and so is a row that is typed in
later or a file that comes with a saved model:

    {"dataset": "upload", "target": "kind", "classes": ["cat", "dog"], "columns": [
      {"column": "a", "kind": "number", "features": ["a"], "fill": 3.0, "mean": 2.5, "scale": 1.5, "comma": false},
      {"column": "day", "kind": "date", …},                                   days since 1970, else as a number
      {"column": "b", "kind": "category", "features": ["b_x", "b_y"], "fill": "?", "values": ["x", "y"], "rest": true},
     {"column": "c", "kind": "text", "features": ["c: 'good'"], "analyzer": "word", "longest": 2, "terms": ["good"],
      "idf": [1.5], "scale": 0.2}]}

A number is filled where it is missing, then (value - mean) / scale. A category is a 0/1 feature per value; with `rest`
one more for all other values. A text is a TF-IDF weight per term, divided by the scale (see `texts.py`); or what a
pre-trained encoder makes of it, scaled like a number; or the numbers of its tokens (see `encoders.py`):

     {"column": "c", "kind": "encoder", "features": ["c ~1", …], "encoder": "text-en", "print": "0a…", "tokens": 64, …}
     {"column": "c", "kind": "tokens", "features": ["c [1]", …], "encoder": "text-en", "tokens": 12}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bigmodel.datasets.texts import weighed
from bigmodel.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from bigmodel.checkpoints import Encoder

HUGE = 1e30
"""Larger values cannot be scaled and count as infinite."""
MISSING = {"", "na", "n/a", "nan", "null", "?"}
DATE = re.compile(r"\d{1,4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,4}日?([ T]\d{1,2}:\d{2}.*)?")


def prepare(recipe: Mapping[str, Any], rows: pd.DataFrame, speller: Encoder | None = None) -> np.ndarray:
    """Rows with the columns of the recipe, as a person writes them → float32 (rows, features), standardised.

    Cells may be numbers or text, missing ones None, NaN or "". DataError where a whole column is missing. Text becomes
    token numbers by the `speller` of a fine-tuned network, or by the encoder that the recipe names.
    """
    missing = [entry["column"] for entry in recipe["columns"] if entry["column"] not in rows.columns]
    if missing:
        raise DataError("data.columns_missing", columns=", ".join(missing[:5]), count=len(missing))
    from bigmodel.datasets.encoders import encoded, spelled

    makers = {"number": _scaled, "date": _scaled, "category": _one_hot, "text": weighed}
    makers |= {"encoder": encoded, "tokens": partial(spelled, speller=speller)}
    out = np.zeros((len(rows), sum(len(entry["features"]) for entry in recipe["columns"])), np.float32)
    place = 0
    for entry in recipe["columns"]:
        width = len(entry["features"])
        out[:, place : place + width] = makers[entry["kind"]](entry, rows[entry["column"]])
        place += width
    return out


def number(cell: object, comma: bool = False) -> float | None:
    """The number a cell holds; with `comma`, 1.234,5 is one too."""
    if isinstance(cell, str) and comma and "," in cell:
        cell = cell.replace(".", "").replace(",", ".")
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def days(cells: list[str | None]) -> pd.Series[Any]:
    """Days since 1970 of written dates, with fractions; what is no date is missing."""
    import pandas as pd

    dates = [cell if isinstance(cell, str) and DATE.fullmatch(cell.strip()) else None for cell in cells]
    plain = pd.Series(
        [None if date is None else re.sub(r"\s*[年月]\s*", "-", date).replace("日", "") for date in dates]
    )
    moments = pd.to_datetime(plain, errors="coerce", format="mixed", utc=True)
    found: pd.Series[Any] = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    return found


def words(cells: pd.Series[Any]) -> list[str | None]:
    """Cells as text, as a table file would hold them: 3.0 is 3, missing is None."""
    return [None if _gap(cell) else f"{cell:g}" if isinstance(cell, float) else str(cell).strip() for cell in cells]


def _gap(cell: object) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and cell.strip().lower() in MISSING)


def _scaled(entry: Mapping[str, Any], cells: pd.Series[Any]) -> np.ndarray:
    if cells.dtype.kind in "fiub":
        values = cells.to_numpy(float)
    elif entry["kind"] == "date":
        values = days([cell if isinstance(cell, str) else None for cell in cells]).to_numpy(float)
    else:
        read = (number(cell, bool(entry.get("comma"))) for cell in cells)
        values = np.array([np.nan if value is None else value for value in read], float)
    known = np.abs(values) <= HUGE  # neither missing nor infinite
    scaled: np.ndarray = (np.where(known, values, entry["fill"]) - entry["mean"]) / entry["scale"]
    return scaled[:, None]


def _one_hot(entry: Mapping[str, Any], cells: pd.Series[Any]) -> np.ndarray:
    import pandas as pd

    texts = [entry["fill"] if text is None else text for text in words(cells)]
    codes = pd.Index(entry["values"], dtype=object).get_indexer(pd.Index(texts, dtype=object))
    out = np.zeros((len(texts), len(entry["features"])))
    known = codes >= 0
    out[np.flatnonzero(known), codes[known]] = 1
    if entry["rest"]:
        out[~known, -1] = 1
    return out
