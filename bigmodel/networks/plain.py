"""The architectures as plain PyTorch modules: one network each, as a textbook would write it.

This is what a member of a packed stack is to rounding, what `export` fills, and what the exported script carries: the
file imports torch only and stands for itself. Every network takes rows of numbers (rows, features) and gives one
number per class (rows, classes).
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}
NORMS = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def build(
    *,
    architecture: str,
    features: int,
    widths: tuple[int, ...],
    classes: int,
    activation: str = "relu",
    normalisation: str = "none",
    dropout: float = 0.0,
) -> nn.Module:
    """The network of a name: mlp, logistic, cnn, image_cnn, lstm, gru or transformer."""
    if architecture in ("mlp", "logistic"):
        return mlp(features, widths, classes, activation, normalisation, dropout)
    if architecture in ("cnn", "image_cnn"):
        return cnn(features, widths, classes, activation, normalisation, dropout, image=architecture == "image_cnn")
    if architecture == "transformer":
        return Transformer(features, widths, classes, ACTIVATIONS[activation], dropout)
    kind, norm = nn.LSTM if architecture == "lstm" else nn.GRU, NORMS[normalisation](widths[-1])
    return Recurrent(kind, widths, classes, norm, dropout)


def mlp(
    features: int, widths: tuple[int, ...], classes: int, activation: str, normalisation: str, dropout: float
) -> nn.Sequential:
    """Layers of neurons, each joined to all of the layer before; with no width at all, logistic regression.

    Before a batch normalisation there is no bias: it would be taken away again with the mean.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k, width in enumerate(widths, start=1):
        layers[f"hidden{k}"] = nn.Linear(features, width, bias=normalisation != "batch")
        if normalisation != "none":
            layers[f"norm{k}"] = NORMS[normalisation](width)
        layers[f"bend{k}"] = ACTIVATIONS[activation]()
        if dropout:
            layers[f"dropout{k}"] = nn.Dropout(dropout)
        features = width
    layers["output"] = nn.Linear(features, classes)
    return nn.Sequential(layers)


def cnn(
    features: int,
    widths: tuple[int, ...],
    classes: int,
    activation: str,
    normalisation: str,
    dropout: float,
    *,
    image: bool,
) -> nn.Sequential:
    """Filters that look at three neighbours: along the features in their order, or over a square image of them.

    `widths` are the numbers of filters. An image is halved after each layer, as long as it can be. Before a batch
    normalisation there is no bias, as in `mlp`.
    """
    side = math.isqrt(features) if image else features
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["unfold"] = nn.Unflatten(1, (1, side, side) if image else (1, side))
    channels = 1
    for k, width in enumerate(widths, start=1):
        convolution, biased = nn.Conv2d if image else nn.Conv1d, normalisation != "batch"
        layers[f"conv{k}"] = convolution(channels, width, 3, padding=1, bias=biased)
        if normalisation == "batch":
            layers[f"norm{k}"] = (nn.BatchNorm2d if image else nn.BatchNorm1d)(width)
        elif normalisation == "layer":
            layers[f"norm{k}"] = nn.GroupNorm(1, width)
        layers[f"bend{k}"] = ACTIVATIONS[activation]()
        if image and side > 1:
            layers[f"pool{k}"] = nn.MaxPool2d(2)
            side //= 2
        if dropout:
            layers[f"dropout{k}"] = nn.Dropout(dropout)
        channels = width
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(channels * (side * side if image else side), classes)
    return nn.Sequential(layers)


class Recurrent(nn.Module):
    """An LSTM or a GRU (`kind`) that reads the features as a sequence, one number a step; its last state decides."""

    def __init__(
        self, kind: type[nn.LSTM | nn.GRU], widths: tuple[int, ...], classes: int, norm: nn.Module, dropout: float
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        inputs = 1
        for width in widths:
            self.layers.append(kind(inputs, width))
            inputs = width
        self.norm = norm
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = x.T.unsqueeze(2)  # (steps, rows, 1)
        for layer in self.layers[:-1]:
            states = self.dropout(layer(states)[0])
        last = self.dropout(self.layers[-1](states)[0][-1])
        logits: torch.Tensor = self.output(self.norm(last))
        return logits


class Block(nn.Module):
    """Attention among the tokens, then a small network on each; both add to what was there."""

    def __init__(self, width: int, inner: int, bend: type[nn.Module], dropout: float) -> None:
        super().__init__()
        self.heads = heads(width)
        self.norm1 = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, inner)
        self.bend = bend()
        self.down = nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, tokens, width = x.shape
        parts = self.query_key_value(self.norm1(x)).view(rows, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        met = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(rows, tokens, width)
        x = x + self.dropout(self.mix(met))
        thought = self.down(self.bend(self.up(self.norm2(x))))
        out: torch.Tensor = x + self.dropout(thought)
        return out


class Transformer(nn.Module):
    """An encoder over the features as tokens; the mean of the tokens decides.

    A token is its feature's number times a vector of that feature, plus another vector of that feature (the position).
    The first of `widths` is the length of these vectors; each of them is the inner width of one block.
    """

    def __init__(
        self, features: int, widths: tuple[int, ...], classes: int, bend: type[nn.Module], dropout: float
    ) -> None:
        super().__init__()
        width, bound = widths[0], 1 / math.sqrt(widths[0])
        self.value = nn.Parameter(torch.empty(features, width).uniform_(-bound, bound))
        self.position = nn.Parameter(torch.empty(features, width).uniform_(-bound, bound))
        self.blocks = nn.ModuleList(Block(width, inner, bend, dropout) for inner in widths)
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.unsqueeze(2) * self.value + self.position
        for block in self.blocks:
            x = block(x)
        logits: torch.Tensor = self.output(self.norm(x).mean(1))
        return logits


def heads(width: int) -> int:
    """Attention heads for vectors of a length: four where that divides it, else two, else one."""
    return next(count for count in (4, 2, 1) if width % count == 0)
