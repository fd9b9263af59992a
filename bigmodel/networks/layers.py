"""The layers of a packed network and its losses, each with its gradient in closed form.

Values are (K, width, rows): with the rows last, the first layers of all members are one matrix product where they see
the same rows, and softmax over the middle dimension is many times as fast as over a last one of few classes.
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


class Room:
    """Memory that is used again from step to step: fresh pages cost more than the product that fills them."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, ...], torch.Tensor] = {}

    def of(self, *size: int) -> torch.Tensor:
        """A tensor of this size, with whatever was in it. Two sizes are kept: a batch and an epoch's last one."""
        if size not in self.kept:
            while len(self.kept) > 1:
                del self.kept[next(iter(self.kept))]
            self.kept[size] = torch.empty(size)
        return self.kept[size]


class Linear:
    """W · x + b for every member, each tensor with its slope: weight (K, out, in) and bias (K, out), or no bias."""

    def __init__(self, weight: Pair, bias: Pair | None) -> None:
        self.weight, self.weight_slope = weight
        self.bias = bias[0].unsqueeze(2) if bias else None
        self.bias_slope = bias[1] if bias else None
        self.room = Room()

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        self.x = x
        if self.bias is None:
            return torch.bmm(self.weight, x)
        return torch.baddbmm(self.bias, self.weight, x)

    def backward(self, slope: torch.Tensor) -> torch.Tensor:
        self._slopes(slope)
        members, _, width = self.weight.shape
        room = self.room.of(members, width, slope.shape[2]) if members > 1 else None
        return torch.bmm(self.weight.transpose(1, 2), slope, out=room)

    def _slopes(self, slope: torch.Tensor) -> None:
        torch.bmm(slope, self.x.transpose(1, 2), out=self.weight_slope)
        self._bias_slope(slope)

    def _bias_slope(self, slope: torch.Tensor) -> None:
        if self.bias_slope is not None:
            torch.sum(slope, 2, out=self.bias_slope)


class First(Linear):
    """The layer that sees the data, x (K or 1, in, rows), whose own slope nobody asks for.

    Rows that all members share make the K products one, with the weights of all members below each other.
    """

    def __init__(self, weight: Pair, bias: Pair | None) -> None:
        super().__init__(weight, bias)
        self.together, self.together_slope = self.weight.flatten(0, 1), self.weight_slope.flatten(0, 1)
        self.together_bias = self.bias.flatten(0, 1) if self.bias is not None else None

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        self.joined = len(x) < len(self.weight)
        if not self.joined:
            return super().forward(x, training)
        self.x = x
        room = self.room.of(len(self.together), x.shape[2]) if training else None
        if self.together_bias is None:
            z = torch.mm(self.together, x[0], out=room)
        else:
            z = torch.addmm(self.together_bias, self.together, x[0], out=room)
        return z.view(*self.weight.shape[:2], -1)

    def backward(self, slope: torch.Tensor) -> torch.Tensor:
        if self.joined:
            torch.mm(slope.flatten(0, 1), self.x[0].T, out=self.together_slope)
            self._bias_slope(slope)
        else:
            self._slopes(slope)
        return slope


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
        self.scale, self.shift = scale[0].unsqueeze(2), shift[0].unsqueeze(2)
        self.scale_slope, self.shift_slope = scale[1], shift[1]
        self.running = running  # (K, 2, width): mean and variance; None for layer normalisation
        self.dim = 1 if running is None else 2

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        if self.running is not None and not training:
            mean, variance = self.running.unsqueeze(3).unbind(1)
        else:
            variance, mean = torch.var_mean(x, self.dim, correction=0, keepdim=True)
        if self.running is not None and training:
            rows = x.shape[2]
            now = torch.stack((mean, variance * (rows / (rows - 1))), 1)
            self.running.lerp_(now.squeeze(3), self.MOMENTUM)
        self.inverse = (variance + self.EPSILON).rsqrt_()
        self.standard = (x - mean).mul_(self.inverse)
        return torch.addcmul(self.shift, self.standard, self.scale)

    def backward(self, slope: torch.Tensor) -> torch.Tensor:
        torch.sum(slope, 2, out=self.shift_slope)
        torch.sum(slope * self.standard, 2, out=self.scale_slope)
        slope = slope * self.scale
        along = (slope * self.standard).mean(self.dim, keepdim=True)
        level = slope.mean(self.dim, keepdim=True)
        return (slope - level).sub_(self.standard * along).mul_(self.inverse)


class Dropout:
    """Each number is left out with `probability` while training. One generator per seed: rates share their masks.

    A mask is drawn row by row, as the plain network draws it: values are (K, width, rows) or, with `rows_first`,
    (K, rows, width).
    """

    def __init__(
        self,
        probability: float,
        generators: Sequence[torch.Generator],
        seed_of: torch.Tensor,
        *,
        rows_first: bool = False,
    ) -> None:
        self.probability, self.generators, self.seed_of = probability, generators, seed_of
        self.rows_first = rows_first

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        if not training:
            return x
        kept = 1 - self.probability
        size = x.shape[1:] if self.rows_first else x.shape[:0:-1]
        masks = [torch.empty(size).bernoulli_(kept, generator=g) for g in self.generators]
        mask = torch.stack(masks if self.rows_first else [mask.T for mask in masks])
        self.mask = mask.mul_(1 / kept)[self.seed_of]
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
        # (softmax - target) / rows, for what a row's target holds sums to 1. Chances below 1e-26 are rounding: the
        # vector exponential takes many times as long where its results underflow.
        return torch.add(self.weights, self.log.clamp_(min=-60).exp_(), alpha=1 / self.log.shape[2])


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
