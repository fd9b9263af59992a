"""A trained network to keep: one ZIP of safetensors weights, plain JSON and a card, written and read back.

    model.json           the network's shape, its classes, the preprocessing, the scores
    model.safetensors    the weights of the first member under the names of `networks/plain.py`
    model-seed43.…       those of a further seed
    network.py           that file, for whoever loads the weights without this lab; never run from here
    README.md            what it is, and how to do that

Of a fine-tuning model.safetensors holds the head; the encoder lies beside it as a folder that transformers opens, with
its weights as safetensors, its config and its tokenizer (see `tuned.py`); there is no network.py.

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
    from bigmodel.networks.shape import Shape
    from bigmodel.saved.about import About
    from bigmodel.train import Setting
    from bigmodel.train.finetune import Tuned

__all__ = ["Model", "check", "dump", "load", "marks_of", "model_of", "save"]

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network with all that it takes to use it.

    `stack` holds its members, one a seed, or is a fine-tuned encoder; `recipe` turns rows into what they read (see
    `datasets/prepare.py`). `image` is (height, width) where the columns are the dots of a picture. `setting`
    is what it was trained with, `source` the settings of a built-in data set (empty for an own table or a drawing),
    `scores` its marks by the part they are of.
    """

    stack: Stack | Tuned
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
    def encoders(self) -> tuple[str, ...]:
        """The pre-trained models that read its columns of text, by name."""
        return tuple(dict.fromkeys(entry["encoder"] for entry in self.recipe["columns"] if "encoder" in entry))

    @property
    def columns(self) -> tuple[str, ...]:
        """What a row must have."""
        return tuple(entry["column"] for entry in self.recipe["columns"])


def model_of(
    config: Setting,
    data: Dataset,
    stack: Stack | Tuned,
    epochs: int,
    *,
    source: DatasetConfig | None = None,
    scores: Mapping[str, Mapping[str, float | None]] | None = None,
) -> Model:
    """The network of a training as it stands; the members that diverged are left behind. ModelError without any."""
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


def check(stack: Stack | Tuned) -> None:
    """ModelError for what cannot be saved once it is trained: too large an encoder."""
    from bigmodel.networks import Stack
    from bigmodel.saved.tuned import check_size

    if not isinstance(stack, Stack):
        check_size(stack)


def marks_of(scores: Scores, epoch: int) -> dict[str, float | None]:
    """Scores as a saved network keeps them."""
    from bigmodel.metrics import numbers_of

    known = {name: value if math.isfinite(value) else None for name, value in numbers_of(scores).items()}
    return {"rows": scores.rows, "epoch": epoch, **known}


def dump(model: Model) -> bytes:
    """The ZIP of a network. ModelError where it is larger than what is read back."""
    from bigmodel.networks import Stack
    from bigmodel.saved import about, archive, card, tuned

    files = {"model.json": about.written(model), "README.md": card.written(model).encode()}
    files |= _weights(model) if isinstance(model.stack, Stack) else tuned.written(model.stack)
    return archive.packed(files)


def _weights(model: Model) -> dict[str, bytes]:
    """The weights of each member, and the code of the network that they are of."""
    from safetensors.torch import save as packed

    from bigmodel.networks import Stack, export, plain

    assert isinstance(model.stack, Stack)
    files = {"network.py": Path(plain.__file__).read_bytes()}
    for place, name in enumerate(_names(model.seeds)):
        found = export(model.stack, place).state_dict()
        files[name] = packed({key: tensor.contiguous() for key, tensor in found.items()})
    return files


def save(model: Model, path: str | Path) -> None:
    """Write the ZIP: whole, or not at all. ModelError where that cannot be done."""
    from bigmodel.saved import archive

    archive.write(Path(path), dump(model))


def load(path: str | Path) -> Model:
    """The network of a ZIP that `save` wrote. ModelError for anything else."""
    from bigmodel.saved import about, archive, tuned

    files = archive.unpacked(Path(path))
    found = about.read(files["model.json"])
    if found.shape is None:
        return replace(found.model, stack=tuned.read(found.network, found.model.recipe, found.seeds[0], files))
    return replace(found.model, stack=_stack(found, found.shape, files))


def _stack(found: About, shape: Shape, files: Mapping[str, bytes]) -> Stack:
    """The members of a saved network, with the weights of their files."""
    import torch

    from bigmodel.networks import Stack, check_budget, plain

    check_budget(shape, len(found.seeds), 1)
    stack = Stack(shape, found.seeds)
    with torch.device("meta"):  # a network of sizes without numbers
        wanted = plain.build(**found.network).state_dict()
    views = dict(zip((part.name for part in shape.layout), stack.views(stack.numbers), strict=True))
    for place, name in enumerate(_names(found.seeds)):
        if name not in files:
            raise ModelError("saved.lacks", file=name)
        weights = tensors(name, files[name], wanted)
        with torch.no_grad():
            for key, view in views.items():
                view[place].copy_(weights[key])
            for (norm, _), running in zip(shape.normalised, stack.running, strict=True):
                running[place, 0].copy_(weights[f"{norm}.running_mean"])
                running[place, 1].copy_(weights[f"{norm}.running_var"])
    return stack


def _names(seeds: tuple[int, ...]) -> list[str]:
    """The weights' files, a member each."""
    return [WEIGHTS, *(f"model-seed{seed}.safetensors" for seed in seeds[1:])]


def tensors(file: str, content: bytes, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The weights in a file. ModelError unless they are those that are wanted: names, sizes, and true numbers."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load as tensors_of

    try:
        found: dict[str, Any] = tensors_of(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError):
        raise ModelError("saved.weights", file=file) from None
    others = sorted(set(wanted) ^ set(found))
    if others:
        raise ModelError("saved.names", file=file, name=others[0][:80], count=len(others))
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape or tensor.dtype != wanted[name].dtype:
            said = {"came": list(tensor.shape), "wanted": list(wanted[name].shape)}
            raise ModelError("saved.size", file=file, name=name, kind=str(tensor.dtype).removeprefix("torch."), **said)
        spread = name.endswith(".running_var")
        if not bool(torch.isfinite(tensor).all()) or (spread and bool((tensor < 0).any())):
            raise ModelError("saved.not_numbers", file=file, name=name)
    return found
