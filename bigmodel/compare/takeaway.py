"""What can be taken away from a race: its table as CSV, all of it as JSON, and scripts that search again elsewhere.

The scripts need scikit-learn (and Optuna) alone. They load and split the data as the race did, and train scikit-learn's
`MLPClassifier` with the same settings; what it does not have stands in a comment at their top, and is left out.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigmodel.compare import CompareConfig, Entry, Trial
from bigmodel.compare.answer import Answer
from bigmodel.compare.entries import settings
from bigmodel.datasets import DRAWN, SENTENCES, Dataset, DatasetConfig, drawn
from bigmodel.datasets.texts import LENGTH
from bigmodel.jsonable import jsonable

SOLVERS = {"sgd": "sgd", "adam": "adam", "adamw": "adam"}
ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


@dataclass(frozen=True)
class Where:
    """Where the data of a race comes from: a built-in set, or `file` with its `target` column."""

    config: DatasetConfig
    file: str = ""
    target: str = ""

    @property
    def table(self) -> bool:
        """Whether it is a table: a file, or one of our own, which a script holds in itself."""
        return bool(self.file) or self.config.dataset in SENTENCES


# ---- numbers -------------------------------------------------------------------------------------------------------


def as_csv(config: CompareConfig, trials: Sequence[Trial], answer: Answer | None, seeds: Sequence[int]) -> str:
    """A line per entry: its setting, its numbers with their interval over seeds, and the loss of each seed."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    knob = () if config.knob == "none" else (config.knob,)
    out.writerow(
        ["learning_rate", "optimizer", "schedule", *knob, "epochs", "valid_loss", "valid_loss_low", "valid_loss_high"]
        + ["valid_accuracy", "train_loss", "train_accuracy", "diverged_at_step", "left", "best", "equal_to_best"]
        + [f"valid_loss_seed_{seed}" for seed in seeds]
    )
    standings = {standing.trial: standing for standing in answer.standings} if answer else {}
    for place, trial in enumerate(trials):
        entry, found = trial.entry, standings.get(place)
        numbers = [trial.valid_accuracy, trial.train_loss, trial.train_accuracy]
        band = [found.low, found.high] if found else [math.nan, math.nan]
        told = [trial.diverged_at if trial.diverged_at is not None else "", int(trial.left)]
        marks = [int(answer is not None and place == answer.best), int(found is not None and found.equal)]
        out.writerow(
            [repr(entry.learning_rate), entry.optimizer, entry.schedule, *([entry.value] if knob else []), trial.number]
            + [_cell(value) for value in (trial.valid_loss, *band, *numbers)]
            + [*told, *marks, *map(_cell, trial.losses)]
        )
    return text.getvalue()


def _cell(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def as_json(**parts: Any) -> str:
    """All of a race: what is no finite number is null."""
    return json.dumps(jsonable(parts), ensure_ascii=False, indent=1, allow_nan=False)


# ---- scripts -------------------------------------------------------------------------------------------------------


def sklearn_script(
    config: CompareConfig, entries: Sequence[Entry], seeds: Sequence[int], where: Where, data: Dataset, epochs: int
) -> str:
    """The race once more, one network after the other, by scikit-learn: a ranking, and the winner's test score."""
    lines, missing = [], set[str]()
    for entry in entries:
        told, lacking = _classifier(config, entry)
        missing |= lacking
        lines.append(f"    {told!r},")
    return "\n".join(
        (
            *_head("The race of learning rates once more, by scikit-learn alone.", missing),
            *_imports(where, data),
            "",
            f"EPOCHS, SEEDS = {epochs}, {list(seeds)}",
            "SETTINGS = [",
            *dict.fromkeys(lines),
            "]",
            "",
            *_data(where, data),
            *_SCORE,
            "table = []",
            "for setting in SETTINGS:",
            "    networks = [train(setting, seed) for seed in SEEDS]",
            "    losses = [loss(network, valid) for network in networks]",
            "    table.append((float(np.mean(losses)), setting, networks))",
            '    print(f"{np.mean(losses):9.4f}  {setting}", flush=True)',
            "",
            "best_loss, best, networks = min(table, key=lambda row: row[0])",
            'print(f"\\nbest: validation loss {best_loss:.4f} with {best}")',
            "if all(networks):",
            "    accuracies = [network.score(x[test], y[test]) for network in networks]",
            '    print(f"test accuracy {np.mean(accuracies):.4f} over {len(SEEDS)} seeds")',
            "",
        )
    )


def optuna_script(
    config: CompareConfig, entries: Sequence[Entry], seeds: Sequence[int], where: Where, data: Dataset, epochs: int
) -> str:
    """The same space searched by Optuna: the rate on a logarithmic scale, the other knobs among the values raced."""
    rates = [entry.learning_rate for entry in entries]
    kinds: list[dict[str, Any]] = []
    missing: set[str] = set()
    for entry in entries:
        told, lacking = _classifier(config, entry)
        missing |= lacking
        told.pop("learning_rate_init")
        kinds += [told] if told not in kinds else []
    return "\n".join(
        (
            *_head("The race's space of settings, searched by Optuna (pip install optuna scikit-learn).", missing),
            "import optuna",
            *_imports(where, data),
            "",
            f"EPOCHS, SEEDS, TRIALS = {epochs}, {list(seeds)}, {max(10, len(entries))}",
            f"LOWEST, HIGHEST = {min(rates)!r}, {max(rates)!r}",
            "KINDS = [",
            *(f"    {kind!r}," for kind in kinds),
            "]",
            "",
            *_data(where, data),
            *_SCORE,
            "def objective(trial):",
            '    rate = trial.suggest_float("learning_rate", LOWEST, HIGHEST, log=True)',
            '    kind = trial.suggest_categorical("kind", list(range(len(KINDS))))',
            '    setting = {**KINDS[kind], "learning_rate_init": rate}',
            "    return float(np.mean([loss(train(setting, seed), valid) for seed in SEEDS]))",
            "",
            "",
            f"sampler = optuna.samplers.TPESampler(seed={config.seed})",
            'study = optuna.create_study(direction="minimize", sampler=sampler)',
            "study.optimize(objective, n_trials=TRIALS)",
            'best = {**KINDS[study.best_params["kind"]], "learning_rate_init": study.best_params["learning_rate"]}',
            'print(f"best: validation loss {study.best_value:.4f} with {best}")',
            "accuracies = [network.score(x[test], y[test]) for seed in SEEDS if (network := train(best, seed))]",
            'print(f"test accuracy {np.mean(accuracies):.4f} over {len(accuracies)} seeds")',
            "",
        )
    )


def _classifier(config: CompareConfig, entry: Entry) -> tuple[dict[str, Any], set[str]]:
    """The settings of MLPClassifier that are nearest to an entry, and what it has none for."""
    own: dict[str, Any] = {**{name: getattr(config, name) for name in _FIELDS}, **settings(config, entry)}
    missing = {name for name, nothing in _MISSING.items() if own[name] != nothing}
    missing |= {f"the optimizer {own['optimizer']} (Adam stands in)"} if own["optimizer"] not in SOLVERS else set()
    decays = own["optimizer"] == "adamw" and own["weight_decay"] > 0
    missing |= {"AdamW's weight decay (Adam stands in)"} if decays else set()
    missing |= (
        {f"the activation {own['activation']} (ReLU stands in)"} if own["activation"] not in ACTIVATIONS else set()
    )
    if own["architecture"] not in ("mlp", "logistic"):
        missing |= {f"the architecture {own['architecture']} (an MLP of the same widths stands in)"}
    told: dict[str, Any] = {
        "learning_rate_init": entry.learning_rate,
        "solver": SOLVERS.get(own["optimizer"], "adam"),
        "activation": ACTIVATIONS.get(own["activation"], "relu"),
        "hidden_layer_sizes": () if own["architecture"] == "logistic" else tuple(own["widths"]),
        "batch_size": own["batch"],
        # Its penalty is divided by the rows of the batch, ours is not.
        "alpha": own["l2"] * own["batch"],
    }
    if told["solver"] == "sgd":
        told |= {"momentum": own["momentum"], "nesterovs_momentum": False}
    return told, missing


_MISSING: dict[str, Any] = {
    "normalisation": "none",
    "dropout": 0.0,
    "loss": "cross_entropy",
    "label_smoothing": 0.0,
    "l1": 0.0,
    "clip": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
}
_FIELDS = (*_MISSING, "architecture", "widths", "activation", "momentum", "weight_decay", "l2", "batch")


def _head(title: str, missing: set[str]) -> Iterator[str]:
    yield f'"""{title}'
    yield ""
    yield "Weights start otherwise than in BigModel Lab, and batches come in another order: expect the same picture,"
    yield "not the same digits."
    if missing:
        yield ""
        yield "MLPClassifier has nothing for these settings of the race, and goes without: " + ", ".join(
            sorted(missing)
        )
    yield '"""'
    yield ""
    yield "import warnings"
    yield ""


def encoded(data: Dataset) -> bool:
    """Whether an encoder has read a column: its features lie beside a script as data.csv, for the encoder does not."""
    return any(column["kind"] == "encoder" for column in data.recipe.get("columns", ()))


def _imports(where: Where, data: Dataset) -> Iterator[str]:
    if encoded(data):
        yield "import numpy as np"
        yield "import pandas as pd"
        yield "from sklearn.exceptions import ConvergenceWarning"
        yield "from sklearn.metrics import log_loss"
        yield "from sklearn.neural_network import MLPClassifier"
        return
    if where.table and not where.file:
        yield "import io"
        yield ""
    yield "import numpy as np"
    if where.table:
        yield "import pandas as pd"
        yield "from sklearn.compose import make_column_transformer"
    yield "from sklearn import datasets"
    yield "from sklearn.exceptions import ConvergenceWarning"
    if where.table:
        yield "from sklearn.feature_extraction.text import TfidfVectorizer"
        yield "from sklearn.impute import SimpleImputer"
    yield "from sklearn.metrics import log_loss"
    yield "from sklearn.model_selection import train_test_split"
    yield "from sklearn.neural_network import MLPClassifier"
    if where.table:
        yield "from sklearn.pipeline import make_pipeline"
        yield "from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler"
    else:
        yield "from sklearn.preprocessing import StandardScaler"


def _data(where: Where, data: Dataset) -> Iterator[str]:
    """Lines that load the data, split it as the race did, and scale it by the training part."""
    config = where.config
    if encoded(data):
        yield from _ENCODED
        return
    yield from _table(where, data) if where.table else _built_in(config)
    stratify = "None" if not where.table and config.dataset == "article" else "y[rows]"
    yield ""
    yield ""
    yield "def cut(rows, share):"
    yield f"    return train_test_split(rows, test_size=share, random_state={config.seed}, stratify={stratify})"
    yield ""
    yield ""
    yield f"rest, test = cut(np.arange(len(y)), {config.test_share!r})"
    yield f"fit, valid = cut(rest, {config.valid_share!r})"
    if where.table:
        yield "x = np.asarray(prepare.fit(frame.iloc[fit]).transform(frame))"
    else:
        yield "x = StandardScaler().fit(x[fit]).transform(x)"
    yield ""


_ENCODED = (
    "# data.csv holds the rows as the race saw them: split, read by the encoder, scaled by the training part.",
    'frame = pd.read_csv("data.csv")  # lay the file beside this script',
    'x, y = frame.iloc[:, 2:].to_numpy(), frame["class"].to_numpy()',
    'fit, valid, test = (np.flatnonzero(frame["part"] == part) for part in ("train", "valid", "test"))',
    "",
)


def _built_in(config: DatasetConfig) -> Iterator[str]:
    n, noise, seed = config.rows, config.noise, config.seed
    made = {
        "article": f"x, y = datasets.make_classification({n}, n_features=10, n_informative=5, random_state={seed})",
        "moons": f"x, y = datasets.make_moons({n}, noise={noise!r}, random_state={seed})",
        "circles": f"x, y = datasets.make_circles({n}, noise={noise!r}, factor=0.5, random_state={seed})",
        "blobs": f"x, y = datasets.make_blobs({n}, centers=3, cluster_std={0.5 + 5 * noise!r}, random_state={seed})",
        "iris": "x, y = datasets.load_iris(return_X_y=True)",
        "wine": "x, y = datasets.load_wine(return_X_y=True)",
        "cancer": "x, y = datasets.load_breast_cancer(return_X_y=True)",
        "digits": "x, y = datasets.load_digits(return_X_y=True)",
    }
    if config.dataset in made:
        yield made[config.dataset]
        return
    if config.dataset == DRAWN:
        yield from drawn.script(config.points or drawn.examples()["moons"])
        return
    yield f"random = np.random.default_rng({seed})"
    if config.dataset == "spirals":
        yield f"y = np.arange({n}) % 2"
        yield f"along = random.uniform(0.05, 1, {n})"
        yield "angle = along * 3.5 * np.pi + y * np.pi"
        yield "x = (5 * along)[:, None] * np.stack((np.sin(angle), np.cos(angle)), 1)"
    else:
        yield f"x = random.uniform(-1, 1, ({n}, 2))"
        yield "y = (x[:, 0] * x[:, 1] < 0).astype(int)"
    yield f"x = x + {noise!r} * random.standard_normal(x.shape)"


def _table(where: Where, data: Dataset) -> Iterator[str]:
    """A table lies beside the script under its own name, or is written into it. Gaps and scales are scikit-learn's
    business here."""
    kinds: dict[str, list[str]] = {"number": [], "date": [], "category": [], "text": []}
    for column in data.recipe["columns"]:
        kinds[column["kind"]].append(column["column"])
    yield from _frame(where)
    target = where.target or data.recipe["target"]
    yield f"frame = frame.dropna(subset=[{target!r}]).reset_index(drop=True)"
    for column in kinds["date"]:
        yield f"frame[{column!r}] = pd.to_datetime(frame[{column!r}], errors='coerce').astype('int64') / 8.64e13"
    for column in kinds["text"]:
        yield f"frame[{column!r}] = frame[{column!r}].fillna('').astype(str)"
    yield f"y = frame[{target!r}].astype(str).to_numpy()"
    yield "numbers = make_pipeline(SimpleImputer(), StandardScaler())"
    yield "encoder = OneHotEncoder(handle_unknown='ignore', sparse_output=False)"
    yield "words = make_pipeline(SimpleImputer(strategy='most_frequent'), encoder)"
    yield f"longer = FunctionTransformer(lambda weights: {LENGTH} * weights)  # rows of length 1 are learnt slowly"
    yield "prepare = make_column_transformer("
    yield f"    (numbers, {kinds['number'] + kinds['date']!r}),"
    yield f"    (words, {kinds['category']!r}),"
    for entry in (entry for entry in data.recipe["columns"] if entry["kind"] == "text"):
        terms = f"analyzer={entry['analyzer']!r}, ngram_range=(1, {entry['longest']}), sublinear_tf=True"
        terms += f", max_features={where.config.terms}"
        yield f"    (make_pipeline(TfidfVectorizer({terms}), longer), {entry['column']!r}),"
    yield "    sparse_threshold=0,"
    yield ")"


def _frame(where: Where) -> Iterator[str]:
    if not where.file:
        path = Path(__file__).parents[1] / "datasets" / f"{where.config.dataset}.csv"
        yield "TABLE = ("
        yield from (f"    {line!r}" for line in path.read_text(encoding="utf-8").splitlines(keepends=True))
        yield ")"
        yield "frame = pd.read_csv(io.StringIO(TABLE))"
        return
    readers = {"xlsx": "read_excel", "parquet": "read_parquet"}
    reader = readers.get(where.file.rsplit(".", 1)[-1].lower(), "read_csv")
    options = ', sep=None, engine="python"' if reader == "read_csv" else ""
    yield f"frame = pd.{reader}({where.file!r}{options})  # lay the file beside this script"


_SCORE = (
    "",
    "def train(setting, seed):",
    '    """A network after EPOCHS epochs; None when it diverges."""',
    "    network = MLPClassifier(**setting, random_state=seed, max_iter=EPOCHS, n_iter_no_change=EPOCHS + 1, tol=0.0)",
    "    with warnings.catch_warnings():",
    '        warnings.simplefilter("ignore", ConvergenceWarning)',
    '        warnings.simplefilter("ignore", RuntimeWarning)',
    "        try:",
    "            return network.fit(x[fit], y[fit])",
    "        except ValueError:",
    "            return None",
    "",
    "",
    "def loss(network, rows):",
    '    """The loss on these rows; a large one for a network that diverged."""',
    "    if network is None:",
    "        return 1e6",
    "    return log_loss(y[rows], network.predict_proba(x[rows]), labels=network.classes_)",
    "",
    "",
)
