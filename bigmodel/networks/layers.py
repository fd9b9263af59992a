"""The layers of a packed network and its losses, each with its gradient in closed form.

Values are (K, rows, width). Only the outputs are turned, (K, classes, rows): softmax over the middle dimension is
many times as fast as over a last one of few classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch

aten: Any = torch.ops.aten

Pair = tuple[torch.Tensor, torch.Tensor]
"""A tensor of all members and the place of its slope."""


class Layer(Protocol):
    """One link of the chain: `forward` keeps what `backward` needs; `backward` takes and gives d loss / d values."""

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor: ...
    def backward(self, slope: torch.Tensor) -> torch.Tensor: ...


class Linear:
    """x · Wᵀ + b for every member, each tensor with its slope: weight (K, out, in) and bias (K, out), or no bias.

    `last` turns the result to (K, out, rows).
    """

    def __init__(self, weight: Pair, bias: Pair | None, *, first: bool, last: bool) -> None:
        self.weight, self.weight_slope = weight
        self.turned = self.weight.transpose(1, 2)
        self.bias = bias[0].unsqueeze(2 if last else 1) if bias else None
        self.bias_slope = bias[1] if bias else None
        self.first, self.last = first, last

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        self.x = x
        left, right = (self.weight, x.transpose(1, 2)) if self.last else (x, self.turned)
        return torch.bmm(left, right) if self.bias is None else torch.baddbmm(self.bias, left, right)

    def backward(self, slope: torch.Tensor) -> torch.Tensor:
        other = slope.transpose(1, 2)
        turned, rows = (slope, other) if self.last else (other, slope)
        torch.bmm(turned, self.x, out=self.weight_slope)
        if self.bias_slope is not None:
            torch.sum(turned, 2, out=self.bias_slope)
        return slope if self.first else torch.bmm(rows, self.weight)


class Activation:
    """An activation by its forward and its derivative.

    `of_output` says which of the two values the derivative takes.
    """

    def __init__(
        self, forward: Callable[..., torch.Tensor], derivative: Callable[..., torch.Tensor], of_output: bool
    ) -> None:
        self.function, self.derivative, self.of_output = forward, derivative, of_output

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        y = self.function(x)
        self.kept = y if self.of_output else x
        return y

    def backward(self, slope: torch.Tensor) -> torch.Tensor:
        # In place: whoever made the slope has no more use for it, and fresh memory costs more than the product.
        return self.derivative(slope, self.kept, grad_input=slope)


def activation(name: str) -> Activation:
    """ReLU, tanh, sigmoid or GELU (exact, by the error function).

    The derivatives are the kernels that autograd itself would call. Where the output is enough for the derivative, the
    forward works in place: nobody else keeps the values before it.
    """
    return {
        "relu": Activation(torch.relu_, partial(aten.threshold_backward.grad_input, threshold=0), True),
        "tanh": Activation(torch.tanh_, aten.tanh_backward.grad_input, True),
        "sigmoid": Activation(torch.sigmoid_, aten.sigmoid_backward.grad_input, True),
        "gelu": Activation(torch.nn.functional.gelu, aten.gelu_backward.grad_input, False),
    }[name]


class Normalisation:
    """Batch normalisation (over the rows, with running statistics) or layer normalisation (over the width of each row).

    Ioffe and Szegedy 2015; Ba, Kiros and Hinton 2016. Both are (x - mean) / deviation · scale + shift; they differ in
    the dimension the mean is taken over, and in that the first uses its running statistics once training is over.
    """

    EPSILON, MOMENTUM = 1e-5, 0.1

    def __init__(self, scale: Pair, shift: Pair, running: torch.Tensor | None) -> None:
        self.scale, self.shift = scale[0].unsqueeze(1), shift[0].unsqueeze(1)
        self.scale_slope, self.shift_slope = scale[1], shift[1]
        self.running = running  # (K, 2, width): mean and variance; None for layer normalisation
        self.dim = 2 if running is None else 1

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        if self.running is not None and not training:
            mean, variance = self.running[:, :1], self.running[:, 1:]
        else:
            variance, mean = torch.var_mean(x, self.dim, correction=0, keepdim=True)
        if self.running is not None and training:
            rows = x.shape[1]
            now = torch.cat((mean, variance * (rows / (rows - 1))), 1)
            self.running.lerp_(now, self.MOMENTUM)
        self.inverse = (variance + self.EPSILON).rsqrt_()
        self.standard = (x - mean).mul_(self.inverse)
        return torch.addcmul(self.shift, self.standard, self.scale)

    def backward(self, slope: torch.Tensor) -> torch.Tensor:
        torch.sum(slope, 1, out=self.shift_slope)
        torch.sum(slope * self.standard, 1, out=self.scale_slope)
        slope = slope * self.scale
        along = (slope * self.standard).mean(self.dim, keepdim=True)
        level = slope.mean(self.dim, keepdim=True)
        return (slope - level).sub_(self.standard * along).mul_(self.inverse)


class Dropout:
    """Each number is left out with `probability` while training. One generator per seed: rates share their masks."""

    def __init__(self, probability: float, generators: Sequence[torch.Generator], seed_of: torch.Tensor) -> None:
        self.probability, self.generators, self.seed_of = probability, generators, seed_of

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        if not training:
            return x
        kept = 1 - self.probability
        masks = [torch.empty(x.shape[1:]).bernoulli_(kept, generator=g) for g in self.generators]
        self.mask = torch.stack(masks).mul_(1 / kept)[self.seed_of]
        return x * self.mask

    def backward(self, slope: torch.Tensor) -> torch.Tensor:
        return slope * self.mask


class CrossEntropy:
    """-log softmax(z)[class], the mean over rows; z (K, classes, rows), target (K or 1, classes, rows) one-hot."""

    def losses(self, z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.log = torch.log_softmax(z, 1)
        self.weights = target * (-1 / z.shape[2])  # the loss is their product with the logarithms
        return (self.log * self.weights).sum((1, 2))

    def slope(self) -> torch.Tensor:
        slope: torch.Tensor = aten._log_softmax_backward_data(
            self.weights.expand_as(self.log), self.log, 1, self.log.dtype
        )
        return slope


class MSE:
    """(z - target)², the mean over rows and classes."""

    def losses(self, z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.gap = z - target
        return self.gap.square().sum((1, 2)).mul_(1 / (z.shape[1] * z.shape[2]))

    def slope(self) -> torch.Tensor:
        return self.gap.mul_(2 / (self.gap.shape[1] * self.gap.shape[2]))


def criterion(name: str) -> CrossEntropy | MSE:
    """A loss: `losses` (K,) of outputs against targets, then `slope`, the gradient of those losses by the outputs."""
    return CrossEntropy() if name == "cross_entropy" else MSE()
