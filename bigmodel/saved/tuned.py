"""A fine-tuned encoder in the ZIP: its own files in a folder of their own, and the head as the network's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bigmodel.errors import ModelError

if TYPE_CHECKING:
    from bigmodel.train.finetune import Tuned

FOLDER = "encoder/"

MOST_BYTES = 600 * 2**20
"""Of the encoder and all the rest: a BERT of 150 million weights."""


def check_size(network: Tuned) -> None:
    """ModelError where the encoder is larger than what is saved: told before a long training."""
    size = 4 * network.shape.parameters
    if size > MOST_BYTES:
        name = network.encoder.name
        raise ModelError("saved.large_encoder", name=name, size=size / 2**20, most=MOST_BYTES / 2**20)


def written(network: Tuned) -> dict[str, bytes]:
    """The files of a network but for model.json and the card."""
    from safetensors.torch import save

    from bigmodel.checkpoints.packed import pack

    check_size(network)
    head = {name: tensor.detach().cpu().contiguous() for name, tensor in network.module.head.state_dict().items()}
    files = {FOLDER + name: content for name, content in pack(network.encoder).items()}
    return {"model.safetensors": save(head), **files}


def read(network: Mapping[str, Any], recipe: Mapping[str, Any], seed: int, files: Mapping[str, bytes]) -> Tuned:
    """The network of the files of a ZIP. ModelError unless all of them are there, and fit one another."""
    import torch

    from bigmodel.checkpoints import packed
    from bigmodel.saved import tensors
    from bigmodel.train.finetune import Tuned, others_of, spans_of

    lacking = [name for name in ("model.safetensors", *(FOLDER + name for name in packed.FILES)) if name not in files]
    if lacking:
        raise ModelError("saved.lacks", file=lacking[0])
    own = {name: files[FOLDER + name] for name in packed.FILES}
    tensors(FOLDER + packed.WEIGHTS, own[packed.WEIGHTS], packed.wanted(own[packed.CONFIG]))
    encoder = packed.unpack(network["encoder"], own)
    spans, _ = spans_of(recipe)
    inputs = len(spans) * encoder.width + len(others_of(spans, network["features"]))
    with torch.device("meta"):
        head = torch.nn.Linear(inputs, network["classes"]).state_dict()
    return Tuned.of(encoder, tensors("model.safetensors", files["model.safetensors"], head), recipe, seed)
