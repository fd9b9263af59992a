"""The README of a saved network: what it is, what it is good for, and how to load it without this lab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigmodel.saved import Model

MOST_COLUMNS = 40
"""Columns that are listed."""

_LOAD = """import json

import torch
from safetensors.torch import load_file

from network import build  # the file beside this one: plain PyTorch, nothing else

about = json.load(open("model.json", encoding="utf-8"))
network = build(**about["network"])
network.load_state_dict(load_file("model.safetensors"))
network.eval()
"""

_FEATURES = '''

def features(row):
    """One row {column: cell} as the network reads it; a column that is left out is filled."""
    made = []
    for column in about["preprocessing"]["columns"]:
        cell = row.get(column["column"], column["fill"])
        if column["kind"] == "category":
            made += [float(cell == value) for value in column["values"]]
            made += [float(cell not in column["values"])] if column["rest"] else []
        else:  # a number, or the days of a date since 1970
            made.append((cell - column["mean"]) / column["scale"])
    return made


x = torch.tensor([features({})])
'''

_OTHER = """
# The columns of text need the preprocessing of model.json, which is more than fits here: this is a row of zeros.
x = torch.zeros(1, about["network"]["features"])
"""

_SOFTMAX = "p = torch.softmax(network(x), 1)[0]\n"
_CUT = "p = network(x)[0].clamp(min=0)  # by squared error an output is itself an estimate\np = p / p.sum()\n"
_PRINT = 'print({name: round(float(share), 4) for name, share in zip(about["classes"], p)})\n'


def written(model: Model) -> str:
    """The card."""
    shape, columns = model.stack.shape, model.columns
    widths = "-".join(map(str, (shape.features, *shape.widths, shape.classes)))
    listed = ", ".join(columns[:MOST_COLUMNS]) + (f" … ({len(columns)} in all)" if len(columns) > MOST_COLUMNS else "")
    more = "" if len(model.seeds) == 1 else f", trained from {len(model.seeds)} seeds ({_some(model.seeds)})"
    name = "own table" if model.recipe["dataset"] == "upload" else _line(model.recipe["dataset"])
    return f"""# {name}: a network of BigModel Lab

A {shape.architecture} of {shape.parameters} numbers ({widths}){more} after {model.epochs} epochs. It predicts
`{_line(model.recipe["target"])}`: {_line(", ".join(model.classes))}.

It reads: {_line(listed)}.

{_scores(model)}

No data is in this archive, only what was learned: of the columns their means, spreads and known values.

## Load it in the lab

Train tab, "Use it", "Load a saved network"; or `python -m bigmodel predict THIS.zip rows.csv`.

## Load it without the lab

Unpack the archive, `pip install torch safetensors`, and run this beside its files:

```python
{code(model)}```
{_seeds(model)}
There is no pickle in here, and nothing of it needs one.
"""


def code(model: Model) -> str:
    """Python that loads the first member and predicts a row whose every cell is filled."""
    plain = all(entry["kind"] in ("number", "date", "category") for entry in model.recipe["columns"])
    ends = _CUT if model.stack.shape.loss == "mse" else _SOFTMAX
    return _LOAD + (_FEATURES if plain else _OTHER) + ends + _PRINT


def _scores(model: Model) -> str:
    rows = []
    for part, scores in model.scores.items():
        known = {name: value for name, value in scores.items() if value is not None and name not in ("rows", "epoch")}
        told = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in known.items())
        rows.append(f"- {_line(part)} part, {scores.get('rows') or 0:.0f} rows: {told}")
    return "\n".join(rows) or "It was saved before it was scored."


def _seeds(model: Model) -> str:
    if len(model.seeds) == 1:
        return ""
    return "\nEach `model-seedN.safetensors` is another member; the lab gives the mean of their probabilities.\n"


def _some(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds[:4])) + (" …" if len(seeds) > 4 else "")


def _line(text: Any) -> str:
    """A name on one line, which Markdown takes as it is."""
    return " ".join(str(text).replace("`", "'").replace("<", "‹").replace(">", "›").split())[:2000]
