"""The data of a script: a built-in set by the few lines that make it, anything else as a table that lies beside it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from bigmodel.errors import BigModelError, RunError

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset, DatasetConfig
    from bigmodel.datasets.doctor import Finding

MOST_NUMBERS = 5_000_000
"""Rows × features of a table that are written beside a script."""

_MADE = {
    "article": "make_classification(n_samples={rows}, n_features=10, n_informative=5, random_state={seed})",
    "moons": "make_moons({rows}, noise={noise}, random_state={seed})",
    "circles": "make_circles({rows}, noise={noise}, factor=0.5, random_state={seed})",
    "blobs": "make_blobs({rows}, centers=3, cluster_std={spread}, random_state={seed})",
    "iris": "load_iris(return_X_y=True)",
    "wine": "load_wine(return_X_y=True)",
    "cancer": "load_breast_cancer(return_X_y=True)",
    "digits": "load_digits(return_X_y=True)",
}

_WRITTEN = {
    "spirals": """rng = np.random.default_rng({seed})
y = np.arange({rows}) % 2
along = rng.uniform(0.05, 1, {rows})
angle = along * 3.5 * np.pi + y * np.pi
x = (5 * along)[:, None] * np.stack((np.sin(angle), np.cos(angle)), 1)
x = x + {noise} * rng.standard_normal(x.shape)
""",
    "xor": """rng = np.random.default_rng({seed})
x = rng.uniform(-1, 1, ({rows}, 2))
y = (x[:, 0] * x[:, 1] < 0).astype(np.int64)
x = x + {noise} * rng.standard_normal(x.shape)
""",
}

_PLAIN = """

def cut(rows, share):
    return train_test_split(rows, test_size=share, random_state={seed})
"""

_EVEN = """

def cut(rows, share):
    \"\"\"With the same share of each class, where every class has enough rows.\"\"\"
    _, counts = np.unique(y[rows], return_counts=True)
    room = min(share, 1 - share) * len(rows) >= len(counts) and counts.min() >= 2
    return train_test_split(rows, test_size=share, random_state={seed}, stratify=y[rows] if room else None)
"""

_SPLIT = """

rest, test_rows = cut(np.arange(len(y)), {test_share})
train_rows, valid_rows = cut(rest, {valid_share})
scaler = StandardScaler().fit(x[train_rows])  # it has seen the training part only
parts = {{
    name: (torch.from_numpy(scaler.transform(x[rows]).astype(np.float32)), torch.from_numpy(y[rows].astype(np.int64)))
    for name, rows in (("train", train_rows), ("valid", valid_rows), ("test", test_rows))
}}
"""

_TABLE = """# data.csv holds the rows as the network saw them: all numbers, scaled as the training part taught.{more}
with open({place}, newline="", encoding="utf-8") as file:
    _, *lines = csv.reader(file)
parts = {{
    name: (
        torch.tensor([[float(cell) for cell in line[2:]] for line in lines if line[0] == name], dtype=torch.float32),
        torch.tensor([int(line[1]) for line in lines if line[0] == name]),
    )
    for name in ("train", "valid", "test")
}}
"""

LARGE = 5_000_000
"""Bytes of a table above which the doctor is not asked again: he was when it came."""

SPLITTING = (
    "from sklearn.model_selection import train_test_split",
    "from sklearn.preprocessing import StandardScaler",
)


def own(data: Dataset) -> bool:
    """Whether the data is no built-in set."""
    return data.name not in _MADE and data.name not in _WRITTEN


def check(data: Dataset) -> None:
    """RunError when a table is too large to lie beside a script."""
    numbers = data.train.x.shape[1] * sum(len(part.y) for part in (data.train, data.valid, data.test))
    if own(data) and numbers > MOST_NUMBERS:
        raise RunError("export.large", numbers=numbers, most=MOST_NUMBERS)


def noticed(file: str, target: str, config: DatasetConfig) -> tuple[Finding, ...]:
    """What the data doctor finds in an own table; nothing when it is gone, or too large to be read once more."""
    from bigmodel.datasets import read_table
    from bigmodel.datasets.doctor import examine

    try:
        if not file or Path(file).stat().st_size > LARGE:
            return ()
        table = read_table(file)
        return examine(table, target or table.target, config).findings
    except (OSError, BigModelError):
        return ()


def imports(data: Dataset) -> tuple[str, ...]:
    """What the lines that make the data import from scikit-learn."""
    if own(data):
        return ()
    made = _MADE.get(data.name, "").split("(")[0]
    return (*([f"from sklearn.datasets import {made}"] if made else []), *SPLITTING)


def code(source: DatasetConfig, data: Dataset, *, place: str) -> str:
    """Lines that leave `parts`: the tensors of each part. An own table is read from `place`, an expression."""
    if own(data):
        return _TABLE.format(place=place, more="\n# A text is the numbers of its tokens." if data.tuned else "")
    said = {"rows": source.rows, "noise": source.noise, "seed": source.seed, "spread": 0.5 + 5 * source.noise}
    cut = (_PLAIN if data.name == "article" else _EVEN).format(seed=source.seed)
    made = _WRITTEN.get(data.name) or f"x, y = {_MADE[data.name]}\n"
    return made.format(**said) + cut + _SPLIT.format(test_share=source.test_share, valid_share=source.valid_share)


def table(data: Dataset) -> str:
    """All rows as the network saw them, with their part and class number, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", "class", *data.features])
    for name, part in (("train", data.train), ("valid", data.valid), ("test", data.test)):
        for label, row in zip(part.y.tolist(), part.x, strict=True):
            writer.writerow([name, label, *(f"{value:.9g}" for value in row.tolist())])
    return out.getvalue()
