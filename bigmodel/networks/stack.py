"""The stack itself: every number of K members in one flat tensor, and the layers that look into it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from bigmodel.networks.layers import Activation, Dropout, Layer, Linear, Normalisation, activation, criterion


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
    architecture: str = "mlp"

    @property
    def layers(self) -> dict[str, tuple[int, ...]]:
        """The layers that have weights, each with the places of its weights among the stack's `views`."""
        names = (*self.bends, "output")
        return {name: (place,) for place, name in enumerate(names)}

    @property
    def bends(self) -> tuple[str, ...]:
        """The layers whose values `hidden` gives, in its order."""
        return tuple(f"hidden{k}" for k in range(1, len(self.widths) + 1))

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of each linear layer."""
        ends = (self.features, *self.widths, self.classes)
        return tuple(itertools.pairwise(ends))

    @property
    def parameters(self) -> int:
        norms = 2 * sum(self.widths) if self.normalisation != "none" else 0
        return sum((inputs + 1) * outputs for inputs, outputs in self.sizes) + norms


@dataclass(frozen=True)
class Picture:
    """A stack as it was: every number and the state of every generator. A picture never changes."""

    shape: Shape
    alive: tuple[int, ...]
    seeds: tuple[int, ...]
    seed_of: torch.Tensor
    numbers: torch.Tensor
    running: tuple[torch.Tensor, ...]
    orders: tuple[torch.Tensor, ...]
    dropouts: tuple[torch.Tensor, ...]
    steps: int

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(t.nbytes for t in (self.numbers, *self.running, *self.orders, *self.dropouts))


class Stack:
    """K networks of one `shape`, started from `seeds` (one per member, equal seeds give equal starts).

    `numbers` holds every parameter of every member in one flat tensor and `slopes` the gradients beside it, tensor by
    tensor in the order of `views`: all weights (K, out, in), then all biases (K, out), then scales and shifts (K,
    width). `alive` numbers the members that are still in; `keep` lets the others go. `orders` and `dropouts` are the
    generators of the training, one per seed: the order of rows and what is left out; `steps` counts its steps. `now`
    holds the views of both flat tensors in pairs.
    """

    def __init__(self, shape: Shape, seeds: Sequence[int]) -> None:
        self.shape, self.alive = shape, tuple(range(len(seeds)))
        self.seeds = tuple(dict.fromkeys(seeds))
        self.seed_of = torch.tensor([self.seeds.index(seed) for seed in seeds])
        self.orders = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.dropouts = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.steps = 0
        self.running = [_running(len(seeds), width) for width in shape.widths] if shape.normalisation == "batch" else []
        starts = [_start(shape, seed) for seed in self.seeds]
        self.numbers = torch.cat([torch.stack(same)[self.seed_of].flatten() for same in zip(*starts, strict=True)])
        self.criterion = criterion(shape.loss)
        self._wire()

    def _wire(self) -> None:
        """Point the layers at their places in `numbers` and `slopes`."""
        shape, depth = self.shape, len(self.shape.sizes)
        self.slopes = torch.zeros_like(self.numbers)
        self.weights = len(self.alive) * sum(inputs * outputs for inputs, outputs in shape.sizes)
        views, slopes = self.views(self.numbers), self.views(self.slopes)
        self.now = tuple(zip(views, slopes, strict=True))
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

    def picture(self) -> Picture:
        """The stack as it is now."""
        return Picture(
            shape=self.shape,
            alive=self.alive,
            seeds=self.seeds,
            seed_of=self.seed_of,
            numbers=self.numbers.clone(),
            running=tuple(running.clone() for running in self.running),
            orders=tuple(generator.get_state() for generator in self.orders),
            dropouts=tuple(generator.get_state() for generator in self.dropouts),
            steps=self.steps,
        )

    @classmethod
    def of(cls, picture: Picture) -> Stack:
        """A stack of its own that is as the picture shows."""
        stack = cls.__new__(cls)
        stack.restore(picture)
        return stack

    def restore(self, picture: Picture) -> None:
        """Be as the picture shows."""
        self.shape, self.alive, self.seeds = picture.shape, picture.alive, picture.seeds
        self.seed_of, self.steps = picture.seed_of, picture.steps
        self.numbers = picture.numbers.clone()
        self.running = [running.clone() for running in picture.running]
        self.orders = [_generator(state) for state in picture.orders]
        self.dropouts = [_generator(state) for state in picture.dropouts]
        self.criterion = criterion(self.shape.loss)
        self._wire()

    def set_dropout(self, probability: float) -> None:
        """Leave out another share from the next step on."""
        self.shape = replace(self.shape, dropout=probability)
        self._wire()

    def norms(self, flat: torch.Tensor) -> torch.Tensor:
        """The length (K,) of what each member owns of a flat tensor like `numbers`."""
        squares = torch.stack([view.flatten(1).square().sum(1) for view in self.views(flat)])
        return squares.sum(0).sqrt_()

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

    def outputs(self, x: torch.Tensor, training: bool = False, seen: list[torch.Tensor] | None = None) -> torch.Tensor:
        """x (K or 1, rows, features) → raw outputs (K, classes, rows).

        `seen` gets the values (K, rows, units) after each activation.
        """
        if len(x) < len(self.alive):
            x = x.expand(len(self.alive), -1, -1)
        for layer in self.layers:
            x = layer.forward(x, training)
            if seen is not None and isinstance(layer, Activation):
                seen.append(x)
        return x

    def learn(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Fill `slopes` from one batch, x (K or 1, rows, features), one-hot target (K or 1, classes, rows).

        Losses (K,).
        """
        losses = self.criterion.losses(self.outputs(x, training=True), target)
        slope = self.criterion.slope()
        for layer in reversed(self.layers):
            slope = layer.backward(slope)
        return losses


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


def _generator(state: torch.Tensor) -> torch.Generator:
    generator = torch.Generator()
    generator.set_state(state)
    return generator


def _running(members: int, width: int) -> torch.Tensor:
    return torch.stack((torch.zeros(members, width), torch.ones(members, width)), 1)


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
