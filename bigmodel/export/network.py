"""The network of a script: a list of torch's own layers, or a class of `networks/plain.py` as it stands there."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bigmodel.export.plan import Plan

if TYPE_CHECKING:
    from torch import nn

    from bigmodel.datasets import Dataset


def code(plan: Plan, data: Dataset) -> str:
    """Lines that define `build()`: a network with torch's own start."""
    from bigmodel.networks import plain

    config, classes = plan.config, len(data.classes)
    widths = config.widths if config.architecture != "logistic" else ()
    bend = f"nn.{plain.ACTIVATIONS[config.activation].__name__}"
    dropout = "DROPOUT" if plan.dropout else "0.0"
    if config.architecture == "transformer":
        made = f"Transformer({data.train.x.shape[1]}, {widths}, {classes}, {bend}, {dropout})"
        return _written([plain.heads, plain.Block, plain.Transformer], f"    return {made}")
    if config.architecture in ("lstm", "gru"):
        norm = f"nn.{plain.NORMS[config.normalisation].__name__}"
        made = f"Recurrent(nn.{config.architecture.upper()}, {widths}, {classes}, {norm}({widths[-1]}), {dropout})"
        return _written([plain.Recurrent], f"    return {made}")
    network = plain.build(
        architecture=config.architecture,
        features=data.train.x.shape[1],
        widths=widths,
        classes=classes,
        activation=config.activation,
        normalisation=config.normalisation,
        dropout=0.5 if plan.dropout else 0.0,
    )
    layers = "\n".join(f"        {said(layer)}," for layer in network.children())
    return _written([], f"    return nn.Sequential(\n{layers}\n    )")


def said(layer: nn.Module) -> str:
    """A layer as a person would write it; the share of dropout is a setting."""
    name, others = type(layer).__name__, {"MaxPool2d": "2", "Dropout": "DROPOUT"}
    shown: dict[str, Callable[[Any], str]] = {
        "Linear": lambda it: f"{it.in_features}, {it.out_features}",
        "Conv1d": lambda it: f"{it.in_channels}, {it.out_channels}, 3, padding=1",
        "Conv2d": lambda it: f"{it.in_channels}, {it.out_channels}, 3, padding=1",
        "BatchNorm1d": lambda it: f"{it.num_features}",
        "BatchNorm2d": lambda it: f"{it.num_features}",
        "LayerNorm": lambda it: f"{it.normalized_shape[0]}",
        "GroupNorm": lambda it: f"1, {it.num_channels}",
        "Unflatten": lambda it: f"1, {tuple(it.unflattened_size)}",
    }
    biased = ", bias=False" if getattr(layer, "bias", True) is None else ""
    return f"nn.{name}({shown[name](layer) if name in shown else others.get(name, '')}{biased})"


def _written(pieces: list[Any], made: str) -> str:
    sources = "".join(inspect.getsource(piece) + "\n\n" for piece in pieces)
    return f"{sources}def build():\n{made}\n"
