"""A trained network to keep: one ZIP of safetensors weights, plain JSON and a card, written and read back.

    model.json           the network's shape, its classes, the preprocessing, the scores
    model.safetensors    the weights of the first member under the names of `networks/plain.py`
    model-seed43.…       those of a further seed
    network.py           that file, for whoever loads the weights without this lab; never run from here
    README.md            what it is, and how to do that

`archive.py` is about the ZIP, `about.py` about the JSON, `card.py` about the README. What is read is a stranger's: its
size is limited before it is unpacked, only safetensors are weights, and every number is checked against the shape that
the JSON tells. Whatever is wrong is one ModelError.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigmodel.errors import ModelError

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset, DatasetConfig
    from bigmodel.metrics import Scores
    from bigmodel.networks import Stack
    from bigmodel.train import Setting

__all__ = ["Model", "dump", "load", "marks_of", "model_of", "save"]

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network with all that it takes to use it.

    `stack` holds its members, one a seed; `recipe` turns rows into what they read (see `datasets/prepare.py`). `image`
    is (height, width) where the columns are the dots of a picture. `setting` is what it was trained with, `source` the
    settings of a built-in data set (empty for an own table or a drawing), `scores` its marks by the part they are of.
    """

    stack: Stack
    classes: tuple[str, ...]
    recipe: Mapping[str, Any]
    epochs: int
    image: tuple[int, int] | None = None
    setting: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each member."""
        return tuple(self.stack.seeds[k] for k in self.stack.seed_of.tolist())

    @property
    def columns(self) -> tuple[str, ...]:
        """What a row must have."""
        return tuple(entry["column"] for entry in self.recipe["columns"])


def model_of(
    config: Setting,
    data: Dataset,
    stack: Stack,
    epochs: int,
    *,
    source: DatasetConfig | None = None,
    scores: Mapping[str, Mapping[str, float | None]] | None = None,
) -> Model:
    """The network of a training as it stands; the members that diverged are left behind. ModelError without any."""
    check(data)
    if not stack.alive:
        raise ModelError("saved.diverged")
    # A drawing is data: like an own table it stays behind.
    known = asdict(source) if source is not None and data.name == source.dataset and not source.points else {}
    return Model(
        stack=stack,
        classes=data.classes,
        recipe=data.recipe,
        epochs=epochs,
        image=data.image,
        setting=asdict(config),
        source=known,
        scores=scores or {},
    )


def check(data: Dataset) -> None:
    """ModelError for what cannot be saved: a fine-tuned encoder is no network of ours."""
    if data.tuned:
        raise ModelError("saved.tuned")


def marks_of(scores: Scores, epoch: int) -> dict[str, float | None]:
    """Scores as a saved network keeps them."""
    from bigmodel.metrics import numbers_of

    known = {name: value if math.isfinite(value) else None for name, value in numbers_of(scores).items()}
    return {"rows": scores.rows, "epoch": epoch, **known}


def dump(model: Model) -> bytes:
    """The ZIP of a network. ModelError where it is larger than what is read back."""
    from safetensors.torch import save as packed

    from bigmodel.networks import export, plain
    from bigmodel.saved import about, archive, card

    files = {"model.json": about.written(model), "README.md": card.written(model).encode()}
    files["network.py"] = Path(plain.__file__).read_bytes()
    for place, name in enumerate(_names(model.seeds)):
        tensors = export(model.stack, place).state_dict()
        files[name] = packed({key: tensor.contiguous() for key, tensor in tensors.items()})
    return archive.packed(files)


def save(model: Model, path: str | Path) -> None:
    """Write the ZIP: whole, or not at all. ModelError where that cannot be done."""
    from bigmodel.saved import archive

    archive.write(Path(path), dump(model))


def load(path: str | Path) -> Model:
    """The network of a ZIP that `save` wrote. ModelError for anything else."""
    import torch

    from bigmodel.networks import Stack, check_budget
    from bigmodel.saved import about, archive

    files = archive.unpacked(Path(path))
    found = about.read(files["model.json"])
    check_budget(found.shape, len(found.seeds), 1)
    stack = Stack(found.shape, found.seeds)
    views = dict(zip((part.name for part in found.shape.layout), stack.views(stack.numbers), strict=True))
    for place, name in enumerate(_names(found.seeds)):
        if name not in files:
            raise ModelError("saved.lacks", file=name)
        tensors = _tensors(name, files[name], found.network)
        with torch.no_grad():
            for key, view in views.items():
                view[place].copy_(tensors[key])
            for (norm, _), running in zip(found.shape.normalised, stack.running, strict=True):
                running[place, 0].copy_(tensors[f"{norm}.running_mean"])
                running[place, 1].copy_(tensors[f"{norm}.running_var"])
    return replace(found.model, stack=stack)


def _names(seeds: tuple[int, ...]) -> list[str]:
    """The weights' files, a member each."""
    return [WEIGHTS, *(f"model-seed{seed}.safetensors" for seed in seeds[1:])]


def _tensors(file: str, content: bytes, network: Mapping[str, Any]) -> dict[str, Any]:
    """The weights in a file. ModelError unless they are those of this network: names, sizes, and true numbers."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load as tensors_of

    from bigmodel.networks import plain

    try:
        tensors: dict[str, Any] = tensors_of(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError):
        raise ModelError("saved.weights", file=file) from None
    with torch.device("meta"):  # a network of sizes without numbers
        wanted = plain.build(**network).state_dict()
    others = sorted(set(wanted) ^ set(tensors))
    if others:
        raise ModelError("saved.names", file=file, name=others[0][:80], count=len(others))
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape or tensor.dtype != wanted[name].dtype:
            said = {"came": list(tensor.shape), "wanted": list(wanted[name].shape)}
            raise ModelError("saved.size", file=file, name=name, kind=str(tensor.dtype).removeprefix("torch."), **said)
        spread = name.endswith(".running_var")
        if not bool(torch.isfinite(tensor).all()) or (spread and bool((tensor < 0).any())):
            raise ModelError("saved.not_numbers", file=file, name=name)
    return tensors
