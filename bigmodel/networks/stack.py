"""The stack itself: every number of K members in one flat tensor, and the layers that look into it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from bigmodel.networks import plain
from bigmodel.networks.general import Pass
from bigmodel.networks.layers import Activation, Dropout, First, Layer, Linear, Normalisation, activation, criterion
from bigmodel.networks.shape import Part, Shape


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
    tensor in the order of `views`: all weights (K, out, in, …), then all biases (K, out), then scales and shifts (K,
    width), as `shape.layout` names them. `alive` numbers the members that are still in; `keep` lets the others go.
    `orders` and `dropouts` are the generators of the training, one per seed: the order of rows and what is left out;
    `steps` counts its steps. `now` holds the views of both flat tensors in pairs.
    """

    def __init__(self, shape: Shape, seeds: Sequence[int]) -> None:
        self.shape, self.alive = shape, tuple(range(len(seeds)))
        self.seeds = tuple(dict.fromkeys(seeds))
        self.seed_of = torch.tensor([self.seeds.index(seed) for seed in seeds])
        self.orders = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.dropouts = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.steps = 0
        self.running = [_running(len(seeds), width) for _, width in shape.normalised]
        starts = [_start(shape, seed) for seed in self.seeds]
        self.numbers = torch.cat([torch.stack(same)[self.seed_of].flatten() for same in zip(*starts, strict=True)])
        self.criterion = criterion(shape.loss)
        self._wire()

    def _wire(self) -> None:
        """Point the layers at their places in `numbers` and `slopes`."""
        shape = self.shape
        self.slopes = torch.zeros_like(self.numbers)
        self.weights = len(self.alive) * sum(math.prod(part.size) for part in shape.layout if part.place == 0)
        views, slopes = self.views(self.numbers), self.views(self.slopes)
        self.now = tuple(zip(views, slopes, strict=True))
        self.layers: list[Layer] = []
        if not shape.closed:
            return
        pairs = dict(zip((part.name for part in shape.layout), self.now, strict=True))
        for k in range(1, len(shape.widths) + 1):
            bias = pairs.get(f"hidden{k}.bias")
            self.layers.append((Linear if k > 1 else First)(pairs[f"hidden{k}.weight"], bias))
            if shape.normalisation != "none":
                running = self.running[k - 1] if self.running else None
                self.layers.append(Normalisation(pairs[f"norm{k}.weight"], pairs[f"norm{k}.bias"], running))
            self.layers.append(activation(shape.activation))
            if shape.dropout:
                self.layers.append(Dropout(shape.dropout, self.dropouts, self.seed_of))
        self.layers.append((Linear if shape.widths else First)(pairs["output.weight"], pairs["output.bias"]))

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
        parts = torch.split(flat, [members * math.prod(part.size) for part in self.shape.layout])
        return [flat.view(members, *part.size) for flat, part in zip(parts, self.shape.layout, strict=True)]

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """One number per member (K,) → one per parameter, laid out like `numbers`."""
        sizes = [math.prod(part.size) for part in self.shape.layout]
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

        `seen` gets the values (K, rows, units) after each activation; of the recurrent architectures and the
        Transformer those that the output layer reads.
        """
        if not self.shape.closed:
            return self._general(self.numbers, x.expand(len(self.alive), -1, -1), training, seen)
        x = x.transpose(1, 2)
        for layer in self.layers:
            x = layer.forward(x, training)
            if seen is not None and isinstance(layer, Activation):
                seen.append(x.transpose(1, 2))
        return x

    def learn(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Fill `slopes` from one batch, x (K or 1, rows, features), one-hot target (K or 1, classes, rows).

        Losses (K,).
        """
        if not self.shape.closed:
            return self._learn_by_autograd(x, target)
        losses = self.criterion.losses(self.outputs(x, training=True), target)
        slope = self.criterion.slope()
        for layer in reversed(self.layers):
            slope = layer.backward(slope)
        return losses

    def _learn_by_autograd(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The slopes of all members at once: they share no number, so those of the sum are each one's own."""
        # Copies, because autograd takes no tensor that was made under inference mode.
        with torch.inference_mode(False), torch.enable_grad():
            numbers = self.numbers.clone().requires_grad_()
            x, target = x.clone(), target.clone()
            z = self._general(numbers, x.expand(len(self.alive), -1, -1), True, None)
            losses = self.criterion.losses(z, target)
            (slopes,) = torch.autograd.grad(losses.sum(), numbers)
        self.slopes.copy_(slopes)
        return losses.detach()

    def _general(
        self, numbers: torch.Tensor, x: torch.Tensor, training: bool, seen: list[torch.Tensor] | None
    ) -> torch.Tensor:
        shape = self.shape
        names = [part.name for part in shape.layout]
        norms = [name for name, _ in shape.normalised]
        way = Pass(
            shape=shape,
            tensors=dict(zip(names, self.views(numbers), strict=True)),
            running=dict(zip(norms, self.running, strict=True)),
            dropout=Dropout(shape.dropout, self.dropouts, self.seed_of, rows_first=True) if shape.dropout else None,
            training=training,
            seen=seen,
        )
        return way.outputs(x)


def _start(shape: Shape, seed: int) -> list[torch.Tensor]:
    """One member's first numbers in the order of the layout.

    Those of its plain module after `torch.manual_seed(seed)`, drawn in the same order.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = {part.name: _drawn(part, generator) for part in shape.parts}
    return [drawn[part.name] for part in shape.layout]


def _drawn(part: Part, generator: torch.Generator) -> torch.Tensor:
    if part.bound:
        return torch.empty(part.size).uniform_(-part.bound, part.bound, generator=generator)
    return torch.full(part.size, part.fill)


def _generator(state: torch.Tensor) -> torch.Generator:
    generator = torch.Generator()
    generator.set_state(state)
    return generator


def _running(members: int, width: int) -> torch.Tensor:
    return torch.stack((torch.zeros(members, width), torch.ones(members, width)), 1)


def export(stack: Stack, member: int) -> torch.nn.Module:
    """A living member (by position) as the plain module of `plain.py`, with its own copy of the numbers, in training
    mode.
    """
    shape = stack.shape
    network = plain.build(
        architecture=shape.architecture,
        features=shape.features,
        widths=shape.widths,
        classes=shape.classes,
        activation=shape.activation,
        normalisation=shape.normalisation,
        dropout=shape.dropout,
    )
    places = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    with torch.no_grad():
        for part, view in zip(shape.layout, stack.views(stack.numbers), strict=True):
            places[part.name].copy_(view[member])
        for (name, _), running in zip(shape.normalised, stack.running, strict=True):
            places[f"{name}.running_mean"].copy_(running[member, 0])
            places[f"{name}.running_var"].copy_(running[member, 1])
    return network
