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

_READER = """import json

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

about = json.load(open("model.json", encoding="utf-8"))
encoder, tokenizer = AutoModel.from_pretrained("encoder").eval(), AutoTokenizer.from_pretrained("encoder")
head = load_file("model.safetensors")
"""

_FEATURES = '''

def features(row):
    """One row {column: cell} as the network reads it; a column that is left out is filled."""
    made = []
    for column in about["preprocessing"]["columns"]:
SKIP        cell = row.get(column["column"], column["fill"])
        if column["kind"] == "category":
            made += [float(cell == value) for value in column["values"]]
            made += [float(cell not in column["values"])] if column["rest"] else []
        else:  # a number, or the days of a date since 1970
            made.append((cell - column["mean"]) / column["scale"])
    return made
'''

_SKIP = """        if column["kind"] == "tokens":
            continue
"""

_FILLED = """

x = torch.tensor([features({})])
"""

_READ = '''

def read(text, tokens):
    """The mean of the encoder's last states over the tokens of a text."""
    most = min(tokens, tokenizer.model_max_length)
    ids = tokenizer(text, truncation=True, max_length=most, return_tensors="pt")["input_ids"]
    return encoder(input_ids=ids).last_hidden_state.mean(1)


@torch.no_grad()
def network(row):
    """One row {column: cell}, every text of it there: the texts as the encoder reads them, then the rest."""
    texts = [read(row[c["column"]], c["tokens"]) for c in about["preprocessing"]["columns"] if c["kind"] == "tokens"]
    return torch.cat([*texts, torch.tensor([features(row)])], 1) @ head["weight"].T + head["bias"]


row = {c["column"]: "Write a text here." for c in about["preprocessing"]["columns"] if c["kind"] == "tokens"}
p = torch.softmax(network(row), 1)[0]
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
    columns = model.columns
    listed = ", ".join(columns[:MOST_COLUMNS]) + (f" … ({len(columns)} in all)" if len(columns) > MOST_COLUMNS else "")
    more = "" if len(model.seeds) == 1 else f", trained from {len(model.seeds)} seeds ({_some(model.seeds)})"
    name = "own table" if model.recipe["dataset"] == "upload" else _line(model.recipe["dataset"])
    return f"""# {name}: a network of BigModel Lab

{_kind(model)}{more} after {model.epochs} epochs. It predicts
`{_line(model.recipe["target"])}`: {_line(", ".join(model.classes))}.

It reads: {_line(listed)}.

{_scores(model)}

No data is in this archive, only what was learned: of the columns their means, spreads and known values.

## Load it in the lab

Train tab, "Use it", "Load a saved network"; or `python -m bigmodel predict THIS.zip rows.csv`.

## Load it without the lab

Unpack the archive, `pip install torch safetensors{" transformers" * _tuned(model)}`, and run this beside its files:

```python
{code(model)}```
{_seeds(model)}
There is no pickle in here, and nothing of it needs one.
"""


def _tuned(model: Model) -> bool:
    """Whether it is a fine-tuned encoder."""
    return model.stack.shape.architecture == "encoder"


def _kind(model: Model) -> str:
    """What kind of network that is, and how large."""
    shape = model.stack.shape
    if _tuned(model):
        return f"The encoder {_line(model.encoders[0])} with a linear head, fine-tuned: {shape.parameters} numbers,"
    widths = "-".join(map(str, (shape.features, *getattr(shape, "widths", ()), shape.classes)))
    return f"A {shape.architecture} of {shape.parameters} numbers ({widths})"


def code(model: Model) -> str:
    """Python that loads the first member and predicts a row whose every cell is filled."""
    if _tuned(model):
        return _READER + _FEATURES.replace("SKIP", _SKIP) + _READ + _PRINT
    plain = all(entry["kind"] in ("number", "date", "category") for entry in model.recipe["columns"])
    ends = _CUT if model.stack.shape.loss == "mse" else _SOFTMAX
    return _LOAD + (_FEATURES.replace("SKIP", "") + _FILLED if plain else _OTHER) + ends + _PRINT


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
