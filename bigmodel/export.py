"""A training to take away: one plain PyTorch script that makes the same curve, with nothing of this package in it.

The packed stack is the same to rounding as the plain loop that is written here, so the script prints the page's losses.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bigmodel.errors import RunError

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset, DatasetConfig
    from bigmodel.train import Epoch, TrainConfig

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

_SPIRALS = """rng = np.random.default_rng({seed})
y = np.arange({rows}) % 2
along = rng.uniform(0.05, 1, {rows})
angle = along * 3.5 * np.pi + y * np.pi
x = (5 * along)[:, None] * np.stack((np.sin(angle), np.cos(angle)), 1)
x = x + {noise} * rng.standard_normal(x.shape)
"""

_XOR = """rng = np.random.default_rng({seed})
x = rng.uniform(-1, 1, ({rows}, 2))
y = (x[:, 0] * x[:, 1] < 0).astype(np.int64)
x = x + {noise} * rng.standard_normal(x.shape)
"""

_SPLIT = """

def cut(rows, share):
    _, counts = np.unique(y[rows], return_counts=True)
    room = {stratify} and min(share, 1 - share) * len(rows) >= len(counts) and counts.min() >= 2
    return train_test_split(rows, test_size=share, random_state={seed}, stratify=y[rows] if room else None)


rest, test_rows = cut(np.arange(len(y)), {test_share})
train_rows, valid_rows = cut(rest, {valid_share})
scaler = StandardScaler().fit(x[train_rows])  # it has seen the training part only
parts = {{
    name: (torch.from_numpy(scaler.transform(x[rows]).astype(np.float32)), torch.from_numpy(y[rows].astype(np.int64)))
    for name, rows in (("train", train_rows), ("valid", valid_rows), ("test", test_rows))
}}
"""

_TABLE = """# data.csv holds the rows as the network saw them: gaps filled, numbers scaled, categories as 0 and 1.
with open(Path(__file__).with_name("data.csv"), newline="", encoding="utf-8") as file:
    _, *lines = csv.reader(file)
parts = {
    name: (
        torch.tensor([[float(cell) for cell in line[2:]] for line in lines if line[0] == name], dtype=torch.float32),
        torch.tensor([int(line[1]) for line in lines if line[0] == name]),
    )
    for name in ("train", "valid", "test")
}
"""

_LOOP = """

def start(seed):
    \"\"\"A network with its optimizer and the order of its rows, all from one seed.\"\"\"
    torch.manual_seed(seed)
    network = nn.Sequential(
{layers}
    )
    optimizer = torch.optim.{optimizer}
    return network, optimizer, torch.Generator().manual_seed(seed)


def loss_of(z, y, smoothing=0.0):
{loss}


def penalty(network):
    weights = [module.weight for module in network if isinstance(module, nn.Linear)]
    return L1 * sum(w.abs().sum() for w in weights) + L2 / 2 * sum(w.square().sum() for w in weights)


def epoch(network, optimizer, order):
    x, y = parts["train"]
    network.train()
    for rows in torch.split(torch.randperm(len(y), generator=order), BATCH):
{alone}        loss = loss_of(network(x[rows]), y[rows], SMOOTHING)
        if L1 or L2:
            loss = loss + penalty(network)
        optimizer.zero_grad()
        loss.backward()
        if CLIP:
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()


@torch.no_grad()
def measure(network, name):
    x, y = parts[name]
    network.eval()
    z = network(x)
    return float(loss_of(z, y)), float((z.argmax(1) == y).float().mean())


members = [start(seed) for seed in SEEDS]
print("epoch,train_loss,valid_loss,train_accuracy,valid_accuracy")
for number in range(EPOCHS + 1):
    if number:
        for member in members:
            epoch(*member)
    # The means over the seeds.
    found = np.mean([[*measure(network, "train"), *measure(network, "valid")] for network, _, _ in members], 0)
    train_loss, train_accuracy, valid_loss, valid_accuracy = found
    print(f"{{number}},{{train_loss:.6f}},{{valid_loss:.6f}},{{train_accuracy:.4f}},{{valid_accuracy:.4f}}")

# The test part stays sealed until it is asked for: python train.py --test
if "--test" in sys.argv:
    print("test accuracy", [measure(network, "test")[1] for network, _, _ in members])
"""


def files(config: TrainConfig, source: DatasetConfig, data: Dataset, *, epochs: int | None = None) -> dict[str, str]:
    """The files of a training by their names: train.py, and data.csv where the data is no built-in set.

    `epochs` is how far the training came (None: to its end). RunError for what a plain script cannot repeat.
    """
    _check(config, data)
    own = data.name in ("upload", "drawn")
    found = {"train.py": _script(config, source, own, config.epochs if epochs is None else epochs, data)}
    return {**found, "data.csv": _table(data)} if own else found


def _check(config: TrainConfig, data: Dataset) -> None:
    numbers = data.train.x.shape[1] * sum(len(part.y) for part in (data.train, data.valid, data.test))
    if data.name == "upload" and numbers > MOST_NUMBERS:
        raise RunError("export.large", numbers=numbers, most=MOST_NUMBERS)
    plain = config.architecture in ("mlp", "logistic") and not config.changes and not config.patience
    if not plain or config.dropout or config.schedule != "constant" or config.warmup:
        raise RunError("export.plain")


def _script(config: TrainConfig, source: DatasetConfig, own: bool, epochs: int, data: Dataset) -> str:
    said: dict[str, object] = {
        "rows": source.rows,
        "noise": source.noise,
        "seed": source.seed,
        "spread": 0.5 + 5 * source.noise,
    }
    shares = {"test_share": source.test_share, "valid_share": source.valid_share}
    if own:
        made, imports = _TABLE, ""
    else:
        imports, made = _built_in(source.dataset, said)
        made += _SPLIT.format(stratify=source.dataset != "article", seed=source.seed, **shares)
    constants = {
        "SEEDS": [seed for _, seed in config.members],
        "EPOCHS": epochs,
        "BATCH": config.batch,
        "SMOOTHING": config.label_smoothing,
        "L1": config.l1,
        "L2": config.l2,
        "CLIP": config.clip,
    }
    mse = f"    soft = F.one_hot(y, {len(data.classes)}) * (1 - smoothing) + smoothing / {len(data.classes)}\n"
    mse += "    return F.mse_loss(z, soft)"
    loop = _LOOP.format(
        layers="\n".join(f"        {layer}," for layer in _layers(config, data)),
        optimizer=_optimizer(config),
        loss="    return F.cross_entropy(z, y, label_smoothing=smoothing)" if config.loss == "cross_entropy" else mse,
        alone="        if len(rows) == 1:\n            continue  # batch normalisation knows no batch of one row\n"
        if config.normalisation == "batch"
        else "",
    )
    modules = "import csv\nimport sys\nfrom pathlib import Path\n" if own else "import sys\n"
    title = "own table" if data.name == "upload" else source.dataset
    head = f'"""{title}: the same network, start and batches as in BigModel Lab."""\n\n'
    others = "\nimport numpy as np\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
    values = "".join(f"{key} = {value!r}\n" for key, value in constants.items())
    return f"{head}{modules}{others}{imports}\ntorch.set_num_threads(1)\n\n{values}\n{made}{loop}"


def _built_in(name: str, said: dict[str, object]) -> tuple[str, str]:
    """Imports and code of a built-in set: x and y."""
    common = "from sklearn.model_selection import train_test_split\nfrom sklearn.preprocessing import StandardScaler\n"
    if name in ("spirals", "xor"):
        return common, (_SPIRALS if name == "spirals" else _XOR).format(**said)
    call = _MADE[name].format(**said)
    return f"from sklearn.datasets import {call.split('(')[0]}\n{common}", f"x, y = {call}\n"


def _layers(config: TrainConfig, data: Dataset) -> list[str]:
    kinds = {"relu": "nn.ReLU()", "tanh": "nn.Tanh()", "sigmoid": "nn.Sigmoid()", "gelu": "nn.GELU()"}
    norms = {"batch": "nn.BatchNorm1d", "layer": "nn.LayerNorm"}
    inputs, lines = data.train.x.shape[1], list[str]()
    for width in config.widths if config.architecture != "logistic" else ():
        biased = ", bias=False" if config.normalisation == "batch" else ""
        lines.append(f"nn.Linear({inputs}, {width}{biased})")
        if config.normalisation != "none":
            lines.append(f"{norms[config.normalisation]}({width})")
        lines.append(kinds[config.activation])
        inputs = width
    return [*lines, f"nn.Linear({inputs}, {len(data.classes)})"]


def _optimizer(config: TrainConfig) -> str:
    names = {"sgd": "SGD", "adagrad": "Adagrad", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}
    more = {"sgd": f", momentum={config.momentum!r}", "adamw": f", weight_decay={config.weight_decay!r}"}
    rate = f"network.parameters(), lr={config.learning_rate!r}"
    return f"{names[config.optimizer]}({rate}{more.get(config.optimizer, '')})"


def _table(data: Dataset) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", "class", *data.features])
    for name, part in (("train", data.train), ("valid", data.valid), ("test", data.test)):
        for label, row in zip(part.y.tolist(), part.x, strict=True):
            writer.writerow([name, label, *(f"{value:.9g}" for value in row.tolist())])
    return out.getvalue()


def curve(epochs: Sequence[Epoch]) -> str:
    """Losses, accuracies and the rate, an epoch a line, as CSV; numbers that are none are empty."""
    names = ("number", "step", "seconds", "rate", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["epoch", *names[1:]])
    for epoch in epochs:
        values = (getattr(epoch, name) for name in names)
        writer.writerow(["" if isinstance(v, float) and not math.isfinite(v) else f"{v:.9g}" for v in values])
    return out.getvalue()
