"""Packed networks: K members of one shape as one stack of tensors (K, …), so that one operation moves them all.

Python and autograd cost more than the arithmetic of a small network. Here a layer of K members is one batched product
(`bmm`), and the gradients come from their closed forms: for 64 members of 64-64-10 a step costs little more than its
bare products. The idea of packing independent networks is that of HFTA (Wang et al., MLSys 2021); here each member is
the same to rounding as a plain `torch.nn.Sequential` with the same start and the same batches (`export` makes that
one).

Inside a stack, rows run along dimension 1: values are (K, rows, width). Only the outputs are turned, (K, classes,
rows): softmax over the middle dimension is many times as fast as over a last one of few classes.

This module imports torch; import it when a job starts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from bigmodel.errors import BigModelError, ConfigError

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.train import Setting

MOST_MEMORY = 2**30
"""Bytes that parameters, optimizer state and one batch of all members may take together."""

MOST_WORK = 2_000_000_000
"""Multiply-adds of one forward step of all members; about half a second with its backward on a slow core."""

SMALL_WORK = 20_000_000
"""Below this many multiply-adds a step, a second thread costs more than it brings."""

CHUNK = 1_000_000
"""Numbers a layer may hold, and thousands of multiply-adds it may take, when many rows are measured piece by piece."""

aten: Any = torch.ops.aten


@dataclass(frozen=True)
class Shape:
    """What all members share. `parameters` counts the numbers of one member."""

    features: int
    widths: tuple[int, ...]
    classes: int
    activation: str
    normalisation: str
    dropout: float
    loss: str

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of each linear layer."""
        ends = (self.features, *self.widths, self.classes)
        return tuple(itertools.pairwise(ends))

    @property
    def parameters(self) -> int:
        norms = 2 * sum(self.widths) if self.normalisation != "none" else 0
        return sum((inputs + 1) * outputs for inputs, outputs in self.sizes) + norms


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run one step on `count` torch threads, then give back what was. The step's owner holds it, never across a yield.

    Two threads on a busy two-core machine can be ten times as slow as one: OpenMP threads spin at every barrier.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Layer(Protocol):
    """One link of the chain: `forward` keeps what `backward` needs; `backward` takes and gives d loss / d values."""

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor: ...
    def backward(self, slope: torch.Tensor) -> torch.Tensor: ...


class Linear:
    """x · Wᵀ + b for every member: weight (K, out, in), bias (K, 1, out). `last` turns the result to (K, out, rows)."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, slopes: Sequence[torch.Tensor], *, first: bool, last: bool
    ) -> None:
        self.weight, self.bias = weight, bias.unsqueeze(2 if last else 1)
        self.weight_slope, self.bias_slope = slopes
        self.first, self.last = first, last

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        self.x = x
        if self.last:
            return torch.baddbmm(self.bias, self.weight, x.transpose(1, 2))
        return torch.baddbmm(self.bias, x, self.weight.transpose(1, 2))

    def backward(self, slope: torch.Tensor) -> torch.Tensor:
        turned, rows = (slope, slope.transpose(1, 2)) if self.last else (slope.transpose(1, 2), slope)
        torch.bmm(turned, self.x, out=self.weight_slope)
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
        return self.derivative(slope, self.kept)


def activation(name: str) -> Activation:
    """ReLU, tanh, sigmoid or GELU (exact, by the error function), with the derivative that autograd itself would
    call.
    """
    return {
        "relu": Activation(torch.relu, lambda slope, y: aten.threshold_backward(slope, y, 0), True),
        "tanh": Activation(torch.tanh, aten.tanh_backward, True),
        "sigmoid": Activation(torch.sigmoid, aten.sigmoid_backward, True),
        "gelu": Activation(torch.nn.functional.gelu, aten.gelu_backward, False),
    }[name]


class Normalisation:
    """Batch normalisation (over the rows, with running statistics) or layer normalisation (over the width of each row).

    Ioffe and Szegedy 2015; Ba, Kiros and Hinton 2016. Both are (x - mean) / deviation · scale + shift; they differ in
    the dimension the mean is taken over, and in that the first uses its running statistics once training is over.
    """

    EPSILON, MOMENTUM = 1e-5, 0.1

    def __init__(
        self, scale: torch.Tensor, shift: torch.Tensor, slopes: Sequence[torch.Tensor], running: torch.Tensor | None
    ) -> None:
        self.scale, self.shift = scale.unsqueeze(1), shift.unsqueeze(1)
        self.scale_slope, self.shift_slope = slopes
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


class Stack:
    """K networks of one `shape`, started from `seeds` (one per member, equal seeds give equal starts).

    `numbers` holds every parameter of every member in one flat tensor and `slopes` the gradients beside it, tensor by
    tensor in the order of `views`: all weights (K, out, in), then all biases (K, out), then scales and shifts (K,
    width). `alive` numbers the members that are still in; `keep` lets the others go.
    """

    def __init__(self, shape: Shape, seeds: Sequence[int]) -> None:
        self.shape, self.alive = shape, tuple(range(len(seeds)))
        self.seeds = tuple(dict.fromkeys(seeds))
        self.seed_of = torch.tensor([self.seeds.index(seed) for seed in seeds])
        self.dropouts = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.running = [_running(len(seeds), width) for width in shape.widths] if shape.normalisation == "batch" else []
        starts = [_start(shape, seed) for seed in self.seeds]
        self.numbers = torch.cat([torch.stack(same)[self.seed_of].flatten() for same in zip(*starts, strict=True)])
        self._wire()

    def _wire(self) -> None:
        """Point the layers at their places in `numbers` and `slopes`."""
        shape, depth = self.shape, len(self.shape.sizes)
        self.slopes = torch.zeros_like(self.numbers)
        self.weights = len(self.alive) * sum(inputs * outputs for inputs, outputs in shape.sizes)
        views, slopes = self.views(self.numbers), self.views(self.slopes)
        self.layers: list[Layer] = []
        for i in range(depth):
            pair = (slopes[i], slopes[depth + i])
            self.layers.append(Linear(views[i], views[depth + i], pair, first=i == 0, last=i == depth - 1))
            if i == depth - 1:
                break
            if shape.normalisation != "none":
                at = 2 * depth + 2 * i
                running = self.running[i] if self.running else None
                self.layers.append(Normalisation(views[at], views[at + 1], slopes[at : at + 2], running))
            self.layers.append(activation(shape.activation))
            if shape.dropout:
                self.layers.append(Dropout(shape.dropout, self.dropouts, self.seed_of))

    def views(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """The tensors (K, …) that lie in a flat one like `numbers`: they share its memory."""
        members = len(self.alive)
        parts = torch.split(flat, [members * math.prod(size) for size in _layout(self.shape)])
        return [part.view(members, *size) for part, size in zip(parts, _layout(self.shape), strict=True)]

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """One number per member (K,) → one per parameter, laid out like `numbers`."""
        sizes = [math.prod(size) for size in _layout(self.shape)]
        return torch.cat([values.repeat_interleave(size) for size in sizes])

    def select(self, flat: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
        """What `members` (positions among the living) own of a flat tensor like `numbers`."""
        return torch.cat([view[members].flatten() for view in self.views(flat)])

    def keep(self, members: torch.Tensor) -> None:
        """Let all members go but these (positions among the living)."""
        self.numbers = self.select(self.numbers, members)
        self.running = [running[members] for running in self.running]
        self.seed_of = self.seed_of[members]
        self.alive = tuple(self.alive[k] for k in members.tolist())
        self._wire()

    def outputs(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """x (K or 1, rows, features) → raw outputs (K, classes, rows)."""
        x = x.expand(len(self.alive), -1, -1)
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def learn(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Fill `slopes` from one batch, x (K or 1, rows, features), one-hot target (K or 1, classes, rows).

        Losses (K,).
        """
        losses, slope = LOSSES[self.shape.loss](self.outputs(x, training=True), target)
        for layer in reversed(self.layers):
            slope = layer.backward(slope)
        return losses


def cross_entropy(z: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """-log softmax(z)[class], the mean over rows: (K,) and its gradient. z (K, classes, rows), target one-hot."""
    log = torch.log_softmax(z, 1)
    losses = (log * target).sum((1, 2)).mul_(-1 / z.shape[2])
    return losses, log.exp_().sub_(target).mul_(1 / z.shape[2])


def mse(z: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(z - target)², the mean over rows and classes: (K,) and its gradient."""
    gap, count = z - target, z.shape[1] * z.shape[2]
    return gap.square().sum((1, 2)).mul_(1 / count), gap.mul_(2 / count)


LOSSES = {"cross_entropy": cross_entropy, "mse": mse}


def _layout(shape: Shape) -> list[tuple[int, ...]]:
    """The size of each tensor of one member, in the order of `Stack.numbers`."""
    weights: list[tuple[int, ...]] = [(outputs, inputs) for inputs, outputs in shape.sizes]
    biases: list[tuple[int, ...]] = [(outputs,) for _, outputs in shape.sizes]
    norms = [(width,) for width in shape.widths for _ in range(2)] if shape.normalisation != "none" else []
    return weights + biases + norms


def _start(shape: Shape, seed: int) -> list[torch.Tensor]:
    """One member's first numbers.

    Those of `torch.nn.Linear` after `torch.manual_seed(seed)`, drawn in the same order.
    """
    generator = torch.Generator().manual_seed(seed)
    weights, biases = [], []
    for inputs, outputs in shape.sizes:
        bound = 1 / math.sqrt(inputs)
        weights.append(torch.empty(outputs, inputs).uniform_(-bound, bound, generator=generator))
        biases.append(torch.empty(outputs).uniform_(-bound, bound, generator=generator))
    widths = shape.widths if shape.normalisation != "none" else ()
    return [*weights, *biases, *(t for width in widths for t in (torch.ones(width), torch.zeros(width)))]


def _running(members: int, width: int) -> torch.Tensor:
    return torch.stack((torch.zeros(members, width), torch.ones(members, width)), 1)


def build(config: Setting, data: Dataset) -> Stack:
    """The stack for a config's members, started from their seeds.

    ConfigError when the machine would be too small for it.
    """
    shape = Shape(
        features=data.train.x.shape[1],
        widths=config.widths,
        classes=len(data.classes),
        activation=config.activation,
        normalisation=config.normalisation,
        dropout=config.dropout,
        loss=config.loss,
    )
    members = len(config.members)
    # Parameters, their gradients and three more for the optimizer; of each layer its values, their slopes and a mask.
    memory = 4 * members * (5 * shape.parameters + 4 * config.batch * (shape.features + sum(shape.widths)))
    work = members * shape.parameters * config.batch
    if memory > MOST_MEMORY or work > MOST_WORK:
        said = {"members": members, "parameters": shape.parameters, "batch": config.batch}
        raise ConfigError((BigModelError("networks.budget", **said),))
    return Stack(shape, [seed for _, seed in config.members])


def threads_for(stack: Stack, batch: int) -> int:
    """One thread for small networks; torch's own number for large ones."""
    work = len(stack.alive) * stack.shape.parameters * batch
    return 1 if work < SMALL_WORK else torch.get_num_threads()


def chunk_rows(stack: Stack) -> int:
    """How many rows to measure at once: few enough for the cache and for a fraction of a second."""
    members, shape = max(1, len(stack.alive)), stack.shape
    widest = max((*shape.widths, shape.features, shape.classes))
    return max(1, min(CHUNK // (members * widest), 1000 * CHUNK // (members * shape.parameters)))


@torch.inference_mode()
def measure(stack: Stack, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The sum of losses and the number of hits over rows (2, K); x (rows, features), one-hot target (rows, classes)."""
    z = stack.outputs(x.unsqueeze(0))
    losses, _ = LOSSES[stack.shape.loss](z, target.T)
    hits = (z.argmax(1) == target.argmax(1)).sum(1)
    return torch.stack((losses * len(x), hits))


@torch.inference_mode()
def predict(stack: Stack, x: torch.Tensor) -> torch.Tensor:
    """Probabilities (K, rows, classes) of the living members for standardised x (rows, features).

    Under MSE an output is itself an estimate of P(class): it is cut at 0 and the row made to sum to 1.
    """
    z = torch.cat([stack.outputs(part.unsqueeze(0)) for part in torch.split(x, chunk_rows(stack))], 2)
    soft = torch.softmax(z, 1)
    if stack.shape.loss == "mse":
        cut = z.clamp(min=0)
        total = cut.sum(1, keepdim=True)
        soft = torch.where(total > 0, cut / total, soft)
    return soft.transpose(1, 2)


def export(stack: Stack, member: int) -> torch.nn.Sequential:
    """A living member (by position) as a plain torch.nn.Sequential with its own copy of the numbers, in training
    mode.
    """
    shape, modules = stack.shape, list[torch.nn.Module]()
    kinds = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "gelu": torch.nn.GELU}
    norms = {"batch": torch.nn.BatchNorm1d, "layer": torch.nn.LayerNorm}
    for inputs, outputs in shape.sizes[:-1]:
        modules.append(torch.nn.Linear(inputs, outputs))
        if shape.normalisation != "none":
            modules.append(norms[shape.normalisation](outputs))
        modules.append(kinds[shape.activation]())
        if shape.dropout:
            modules.append(torch.nn.Dropout(shape.dropout))
    network = torch.nn.Sequential(*modules, torch.nn.Linear(*shape.sizes[-1]))
    _fill(network, [view[member] for view in stack.views(stack.numbers)], [r[member] for r in stack.running])
    return network


@torch.no_grad()
def _fill(network: torch.nn.Sequential, numbers: list[torch.Tensor], running: list[torch.Tensor]) -> None:
    linear = [m for m in network if isinstance(m, torch.nn.Linear)]
    norms = [m for m in network if isinstance(m, (torch.nn.BatchNorm1d, torch.nn.LayerNorm))]
    places = [m.weight for m in linear] + [m.bias for m in linear] + [t for m in norms for t in (m.weight, m.bias)]
    for norm in norms[: len(running)]:
        places += [norm.get_buffer("running_mean"), norm.get_buffer("running_var")]
    for place, values in zip(places, [*numbers, *(t for pair in running for t in pair)], strict=True):
        place.copy_(values)
