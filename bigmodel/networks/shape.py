"""What all members of a stack share, and the tensors that one member is made of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bigmodel.networks.plain import heads


@dataclass(frozen=True)
class Part:
    """One tensor of a member: the layer it belongs to, its name in the plain module, its size, and its start.

    The start is uniform within ± `bound`, or `fill` where there is no bound.
    """

    layer: str
    name: str
    size: tuple[int, ...]
    bound: float = 0.0
    fill: float = 0.0

    @property
    def place(self) -> int:
        """Weights come first, then biases, then scales and shifts."""
        return 0 if len(self.size) > 1 else 1 if self.bound else 2


@dataclass(frozen=True)
class Shape:
    """What all members share.

    `widths` are neurons (mlp), filters (cnn, image_cnn), the states of the layers (lstm, gru), or the inner widths of
    the blocks, the first of them the length of a token too (transformer). `parameters` counts the numbers of one
    member, `work` the multiply-adds of one row forward, `held` the numbers that a row leaves for the way back.
    """

    features: int
    widths: tuple[int, ...]
    classes: int
    activation: str
    normalisation: str
    dropout: float
    loss: str
    architecture: str = "mlp"

    @property
    def closed(self) -> bool:
        """Whether the gradients come from their closed forms; else from autograd."""
        return self.architecture in ("mlp", "logistic")

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of each linear layer of an MLP."""
        ends = (self.features, *self.widths, self.classes)
        return tuple(itertools.pairwise(ends))

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The tensors of a member in the order in which the plain module makes them."""
        makers = {
            "cnn": self._convolutions,
            "image_cnn": self._convolutions,
            "lstm": self._recurrent,
            "gru": self._recurrent,
            "transformer": self._blocks,
        }
        return tuple(makers.get(self.architecture, self._dense)())

    @cached_property
    def layout(self) -> tuple[Part, ...]:
        """The same in the order of `Stack.numbers`."""
        return tuple(sorted(self.parts, key=lambda part: part.place))

    @cached_property
    def layers(self) -> dict[str, tuple[int, ...]]:
        """The layers that have weights, in order, each with the places of its weights in the layout."""
        places = {part.name: place for place, part in enumerate(self.layout)}
        found: dict[str, tuple[int, ...]] = {}
        for part in self.parts:
            if part.place == 0:
                found[part.layer] = (*found.get(part.layer, ()), places[part.name])
        return found

    @property
    def bends(self) -> tuple[str, ...]:
        """The layers whose values come straight out of the activation, where that is what `hidden` gives."""
        return tuple(self.layers)[:-1] if self.architecture in ("mlp", "logistic", "cnn", "image_cnn") else ()

    @cached_property
    def sides(self) -> tuple[int, ...]:
        """Along one side of the image: its points in each layer, and after the last."""
        side = math.isqrt(self.features)
        found = [side]
        for _ in self.widths:
            side = max(1, side // 2)
            found.append(side)
        return tuple(found)

    @cached_property
    def parameters(self) -> int:
        return sum(math.prod(part.size) for part in self.parts)

    @cached_property
    def work(self) -> int:
        pairs = list(zip((1, *self.widths), self.widths, strict=False))
        if self.architecture == "cnn":
            return sum(3 * self.features * i * o for i, o in pairs) + self._flat * self.classes
        if self.architecture == "image_cnn":
            grids = [side * side for side in self.sides]
            return sum(9 * grid * i * o for grid, (i, o) in zip(grids, pairs, strict=False)) + self._flat * self.classes
        if self.architecture in ("lstm", "gru"):
            return sum(self._gates * self.features * o * (i + o) for i, o in pairs)
        if self.architecture == "transformer":
            d, tokens = self.widths[0], self.features
            return sum(tokens * (4 * d * d + 2 * d * inner + 2 * tokens * d) for inner in self.widths)
        return self.parameters

    @cached_property
    def held(self) -> int:
        if self.architecture == "cnn":
            return 4 * self.features * sum(self.widths)
        if self.architecture == "image_cnn":
            return 4 * sum(side * side * width for side, width in zip(self.sides, self.widths, strict=False))
        if self.architecture in ("lstm", "gru"):
            return 12 * self.features * sum(self.widths)
        if self.architecture == "transformer":
            return self.features * sum(12 * self.widths[0] + 3 * inner for inner in self.widths)
        return 4 * (self.features + sum(self.widths))

    @property
    def chain(self) -> int:
        """How many operations must wait for one another because each takes what the last one gave."""
        return self.features * len(self.widths) if self.architecture in ("lstm", "gru") else 0

    @property
    def _gates(self) -> int:
        return 4 if self.architecture == "lstm" else 3

    @property
    def _flat(self) -> int:
        """Numbers before the output of a CNN."""
        channels = self.widths[-1] if self.widths else 1
        return channels * (self.sides[-1] ** 2 if self.architecture == "image_cnn" else self.features)

    def _dense(self) -> Iterator[Part]:
        for k, (inputs, outputs) in enumerate(self.sizes[:-1], start=1):
            yield from _affine(f"hidden{k}", f"hidden{k}", (outputs, inputs), inputs, biased=self._biased)
            yield from self._norm(f"norm{k}", outputs)
        yield from _affine("output", "output", self.sizes[-1][::-1], self.sizes[-1][0])

    def _convolutions(self) -> Iterator[Part]:
        kernel = (3, 3) if self.architecture == "image_cnn" else (3,)
        channels = 1
        for k, width in enumerate(self.widths, start=1):
            inputs = channels * math.prod(kernel)
            yield from _affine(f"conv{k}", f"conv{k}", (width, channels, *kernel), inputs, biased=self._biased)
            yield from self._norm(f"norm{k}", width)
            channels = width
        yield from _affine("output", "output", (self.classes, self._flat), self._flat)

    def _recurrent(self) -> Iterator[Part]:
        inputs, gates = 1, self._gates
        for k, width in enumerate(self.widths):
            layer, bound = f"{self.architecture}{k + 1}", 1 / math.sqrt(width)
            yield Part(layer, f"layers.{k}.weight_ih_l0", (gates * width, inputs), bound)
            yield Part(layer, f"layers.{k}.weight_hh_l0", (gates * width, width), bound)
            yield Part(layer, f"layers.{k}.bias_ih_l0", (gates * width,), bound)
            yield Part(layer, f"layers.{k}.bias_hh_l0", (gates * width,), bound)
            inputs = width
        yield from self._norm("norm", inputs)
        yield from _affine("output", "output", (self.classes, inputs), inputs)

    def _blocks(self) -> Iterator[Part]:
        width = self.widths[0]
        yield Part("tokens", "value", (self.features, width), 1 / math.sqrt(width))
        yield Part("tokens", "position", (self.features, width), 1 / math.sqrt(width))
        for k, inner in enumerate(self.widths):
            at = f"blocks.{k}"
            yield from _scales(f"{at}.norm1", width)
            yield from _affine(f"attention{k + 1}", f"{at}.query_key_value", (3 * width, width), width)
            yield from _affine(f"attention{k + 1}", f"{at}.mix", (width, width), width)
            yield from _scales(f"{at}.norm2", width)
            yield from _affine(f"inner{k + 1}", f"{at}.up", (inner, width), width)
            yield from _affine(f"inner{k + 1}", f"{at}.down", (width, inner), inner)
        yield from _scales("norm", width)
        yield from _affine("output", "output", (self.classes, width), width)

    def _norm(self, name: str, width: int) -> Iterator[Part]:
        if self.normalisation != "none":
            yield from _scales(name, width)

    @property
    def normalised(self) -> tuple[tuple[str, int], ...]:
        """(name, width) of each normalisation that keeps running statistics."""
        if self.normalisation != "batch" or self.architecture == "transformer":
            return ()
        if self.architecture in ("lstm", "gru"):
            return (("norm", self.widths[-1]),)
        return tuple((f"norm{k}", width) for k, width in enumerate(self.widths, start=1))

    @property
    def _biased(self) -> bool:
        """Whether a hidden layer has biases: a batch normalisation after it would take them away again."""
        return self.normalisation != "batch"

    @property
    def heads(self) -> int:
        return heads(self.widths[0])


def _affine(layer: str, name: str, size: tuple[int, ...], inputs: int, *, biased: bool = True) -> Iterator[Part]:
    """A weight and a bias that start as torch.nn.Linear and its convolutions do."""
    bound = 1 / math.sqrt(inputs)
    yield Part(layer, f"{name}.weight", size, bound)
    if biased:
        yield Part(layer, f"{name}.bias", size[:1], bound)


def _scales(name: str, width: int) -> Iterator[Part]:
    """The scale and the shift of a normalisation."""
    yield Part(name, f"{name}.weight", (width,), fill=1.0)
    yield Part(name, f"{name}.bias", (width,), fill=0.0)
