"""What a saved network tells about itself in model.json, written and checked."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bigmodel.errors import BigModelError, ConfigError, ModelError
from bigmodel.jsonable import jsonable
from bigmodel.networks.shape import Shape
from bigmodel.saved import Model

if TYPE_CHECKING:
    from bigmodel.train import TrainConfig

FORMAT, VERSION = "bigmodel-lab network", 1
VERSIONS = ("torch", "safetensors", "scikit-learn", "transformers")
ENCODER = "encoder"
"""The architecture of a fine-tuning."""

MOST_BYTES = 16 * 2**20
MOST_CLASSES = 1000
MOST_MEMBERS = 16
MOST_COLUMNS = 1000
_KINDS = ("number", "date")


@dataclass(frozen=True)
class About:
    """What was read: `network` builds the plain module, `model` lacks its stack only. A fine-tuned encoder has no
    `shape`: its own files tell it."""

    network: dict[str, Any]
    shape: Shape | None
    seeds: tuple[int, ...]
    model: Model


def written(model: Model) -> bytes:
    """The JSON of a network."""
    shape = model.stack.shape
    network: dict[str, Any] = {"architecture": shape.architecture, "features": shape.features, "classes": shape.classes}
    if isinstance(shape, Shape):
        others = ("widths", "activation", "normalisation", "dropout")
        network |= {name: getattr(shape, name) for name in others}
    else:
        network |= {"encoder": model.encoders[0]}
    found = {
        "format": FORMAT,
        "version": VERSION,
        "network": network,
        "loss": shape.loss,
        "seeds": list(model.seeds),
        "epochs": model.epochs,
        "classes": list(model.classes),
        "image": model.image,
        "preprocessing": model.recipe,
        "scores": model.scores,
        "setting": model.setting,
        "source": model.source,
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
    }
    return json.dumps(jsonable(found), ensure_ascii=False, indent=1, allow_nan=False).encode()


def read(content: bytes) -> About:
    """What a model.json tells. ModelError: no JSON, not ours, of a later version, or with something impossible."""
    found = _parsed(content)
    if found.get("format") != FORMAT:
        raise ModelError("saved.not_ours")
    version = _take(found, "version", lambda value: _whole(value, 1, 10**6))
    if version > VERSION:
        raise ModelError("saved.newer", version=version, known=VERSION)
    classes = _take(found, "classes", _names)
    told = _take(found, "network", lambda value: isinstance(value, dict))
    tuned = told.get("architecture") == ENCODER
    network = (_encoder if tuned else _network)(told, len(classes))
    loss = _take(found, "loss", lambda value: value == "cross_entropy" or (value == "mse" and not tuned))
    seeds = _take(found, "seeds", lambda value: _seeds(value) and (len(value) == 1 or not tuned))
    recipe = _take(found, "preprocessing", lambda value: isinstance(value, dict))
    _check_recipe(recipe, network["features"], classes, tuned)
    image = _take(found, "image", lambda value: value is None or (_image(value, network["features"]) and not tuned))
    model = Model(
        stack=None,  # type: ignore[arg-type]  # the weights come last
        classes=tuple(classes),
        recipe=recipe,
        epochs=_take(found, "epochs", lambda value: _whole(value, 0, 10**9)),
        image=tuple(image) if image else None,
        setting=_take(found, "setting", lambda value: isinstance(value, dict)),
        source=_source(found),
        scores=_take(found, "scores", _scores),
    )
    return About(network, None if tuned else Shape(**network, loss=loss), tuple(seeds), model)


def _parsed(content: bytes) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        found = json.loads(content, parse_constant=refuse) if len(content) <= MOST_BYTES else None
        json.dumps(found, ensure_ascii=False).encode()  # half a letter pair cannot be shown to anybody
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ModelError("saved.json")
    return found


def _take(values: Mapping[str, Any], name: str, right: Callable[[Any], bool], place: str = "") -> Any:
    """A value of the JSON. ModelError where it is missing or wrong."""
    value = values.get(name)
    if not right(value):
        shown = json.dumps(value, ensure_ascii=False)
        raise ModelError("saved.field", field=f"{place}{name}", value=shown[:60] + ("…" if len(shown) > 60 else ""))
    return value


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _names(value: object) -> bool:
    if not isinstance(value, list) or not 2 <= len(value) <= MOST_CLASSES:
        return False
    return all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _seeds(value: object) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_MEMBERS or len(set(map(str, value))) != len(value):
        return False
    return all(_whole(seed, 0, 2**32) for seed in value)


def _image(value: object, features: int) -> bool:
    if not isinstance(value, list) or len(value) != 2 or not all(_whole(side, 1, 4096) for side in value):
        return False
    return bool(value[0] * value[1] == features)


def _scores(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    parts = [part for part in value.values() if isinstance(part, dict)]
    return len(parts) == len(value) and all(v is None or _number(v) for part in parts for v in part.values())


def _source(found: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a built-in data set, or nothing."""
    from bigmodel.datasets import DatasetConfig

    source: dict[str, Any] = _take(found, "source", lambda value: isinstance(value, dict))
    try:
        if source:
            DatasetConfig(**source)
    except (TypeError, ValueError, ConfigError):
        raise ModelError("saved.field", field="source", value=str(source)[:60]) from None
    return source


def _encoder(network: dict[str, Any], classes: int) -> dict[str, Any]:
    """What is told of a fine-tuned encoder beside its own files."""
    _take(network, "classes", lambda value: value == classes, "network.")
    features = _take(network, "features", lambda value: _whole(value, 1, 10**6), "network.")
    name = _take(network, "encoder", lambda value: isinstance(value, str) and len(value) <= 200, "network.")
    return {"architecture": ENCODER, "features": features, "classes": classes, "encoder": name}


def _network(network: dict[str, Any], classes: int) -> dict[str, Any]:
    """The shape, within the limits of the settings. It has what `networks.plain.build` takes and nothing else."""
    from bigmodel.train import TrainConfig

    names = ("architecture", "widths", "activation", "normalisation", "dropout")
    widths = _take(network, "widths", lambda value: isinstance(value, list), "network.")
    features = _take(network, "features", lambda value: _whole(value, 1, 10**6), "network.")
    _take(network, "classes", lambda value: value == classes, "network.")
    for name in names:
        _take(network, name, lambda value: value is not None, "network.")
    try:
        config: TrainConfig = TrainConfig(**{name: network[name] for name in names} | {"widths": tuple(widths)})
    except (ConfigError, TypeError, ValueError) as error:
        problem: BigModelError | None = error.problems[0] if isinstance(error, ConfigError) else None
        name = str(problem.values.get("field", "widths")) if problem else "architecture"
        _take(network, name if name in names else "widths", lambda value: False, "network.")
        raise
    side = math.isqrt(features)
    if config.architecture == "image_cnn" and side * side != features:
        _take(network, "features", lambda value: False, "network.")
    taken = {name: getattr(config, name) for name in names}
    taken["widths"] = config.widths if config.architecture != "logistic" else ()
    return {**taken, "features": features, "classes": classes}


def _check_recipe(recipe: dict[str, Any], features: int, classes: list[str], tuned: bool) -> None:
    """ModelError unless the recipe makes that many numbers of a row, whatever stands in it. Tokens are for a fine-tuned
    encoder, and it is nothing without them."""
    columns = _take(recipe, "columns", lambda v: isinstance(v, list) and 0 < len(v) <= MOST_COLUMNS, "preprocessing.")
    for entry in columns:
        name = entry.get("column") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not _entry(entry):
            raise ModelError("saved.column", column=str(name)[:60])
    if len({entry["column"] for entry in columns}) < len(columns):
        raise ModelError("saved.column", column=columns[-1]["column"][:60])
    spelled = [entry["column"] for entry in columns if entry["kind"] == "tokens"]
    if bool(spelled) != tuned:
        raise ModelError("saved.column", column=(spelled or [columns[0]["column"]])[0][:60])
    made = sum(len(entry["features"]) for entry in columns)
    if made != features:
        raise ModelError("saved.made", made=made, wanted=features)
    for name in ("target", "dataset"):
        _take(recipe, name, lambda value: isinstance(value, str), "preprocessing.")
    _take(recipe, "classes", lambda value: value == classes, "preprocessing.")


def _entry(entry: dict[str, Any]) -> bool:
    """Whether a column's part of the recipe is whole."""
    kind, features = entry.get("kind"), entry.get("features")
    if not isinstance(features, list) or not features or not all(isinstance(name, str) for name in features):
        return False
    if kind in ("text", "encoder", "tokens"):
        return _words(entry, len(features))
    if kind in _KINDS:
        numbers = [entry.get(name) for name in ("fill", "mean", "scale")]
        return len(features) == 1 and all(map(_number, numbers)) and entry["scale"] > 0
    if kind == "category":
        values, rest = entry.get("values"), entry.get("rest")
        if not isinstance(values, list) or not isinstance(rest, bool) or not isinstance(entry.get("fill"), str):
            return False
        return all(isinstance(value, str) for value in values) and len(values) + rest == len(features)
    return False


def _words(entry: dict[str, Any], count: int) -> bool:
    """Whether the part of a column of text is whole: weighed terms, or an encoder that reads it."""

    def numbers(name: str) -> bool:
        values = entry.get(name)
        return isinstance(values, list) and len(values) == count and all(map(_number, values))

    if entry["kind"] == "text":
        terms, scale = entry.get("terms"), entry.get("scale")
        if not isinstance(terms, list) or len(terms) != count or not all(isinstance(term, str) for term in terms):
            return False
        known = entry.get("analyzer") in ("word", "char", "char_wb") and len(set(terms)) == count
        return known and _whole(entry.get("longest"), 1, 5) and numbers("idf") and _number(scale) and scale > 0  # type: ignore[operator]
    if not isinstance(entry.get("encoder"), str) or not _whole(entry.get("tokens"), 1, 4096):
        return False
    if not isinstance(entry.get("print", ""), str):
        return False
    if entry["kind"] == "tokens":
        return bool(entry["tokens"] == count)
    return numbers("mean") and numbers("scale") and 0 not in entry["scale"]
