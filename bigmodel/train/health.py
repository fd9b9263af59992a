"""How a network fares inside, layer by layer: taken round the last step of an epoch and while the epoch is measured.

The update-to-weight ratio is the rule of thumb of DL4J's training page: about 1e-3 is healthy.
"""

from __future__ import annotations

import math

import torch

from bigmodel.networks import Stack
from bigmodel.train import Health

SATURATED = 0.99
"""A tanh beyond this (a sigmoid: beyond this or below its complement) hardly lets a slope through."""


class Examination:
    """The first living member, in three parts: before a step, after it, and on the rows that are measured then."""

    def __init__(self, stack: Stack) -> None:
        """Before the step: the slopes that the batch gave, and the weights as they are."""
        self.stack, self.layers = stack, stack.shape.layers
        pairs = [stack.now[place] for places in self.layers.values() for place in places]
        self.weights = [weight[0] for weight, _ in pairs]
        self.gradient = torch._foreach_norm([slope[0] for _, slope in pairs])
        self.before = [weight.clone() for weight in self.weights]
        self.passed: list[torch.Tensor] = []

    def after(self) -> None:
        """After the step: how far the weights went."""
        moved = torch._foreach_norm(torch._foreach_sub(self.weights, self.before))
        self.lengths = torch.stack((*self.gradient, *moved, *torch._foreach_norm(self.before)))

    def look(self, seen: list[torch.Tensor]) -> None:
        """Count in which units something passed, in the values (K, rows, units) after each activation."""
        shape = self.stack.shape
        passed = [_passing(shape.activation, values[0]).sum(0) for values in seen[: len(shape.bends)]]
        self.passed = [a + b for a, b in zip(self.passed, passed, strict=True)] if self.passed else passed

    def result(self) -> Health:
        """All of it."""
        gradient, moved, weight = self.lengths.view(3, -1).tolist()
        longs = iter(zip(gradient, moved, weight, strict=True))
        grouped = [[next(longs) for _ in places] for places in self.layers.values()]
        dead = dict.fromkeys(self.layers, math.nan)
        if self.stack.shape.activation != "gelu":
            for name, passed in zip(self.stack.shape.bends, self.passed, strict=True):
                dead[name] = passed.tolist().count(0.0) / len(passed)
        lengths = [[math.hypot(*part) for part in zip(*group, strict=True)] for group in grouped]
        return Health(
            layers=tuple(self.layers),
            gradient=tuple(gradient for gradient, _, _ in lengths),
            update=tuple(moved / weight if weight else math.nan for _, moved, weight in lengths),
            dead=tuple(dead.values()),
        )


def _passing(activation: str, values: torch.Tensor) -> torch.Tensor:
    """Numbers above 0 where a unit passes something on: is not 0 (ReLU), is not saturated (tanh, sigmoid)."""
    if activation == "tanh":
        return (values.abs() <= SATURATED).float()
    if activation == "sigmoid":
        return ((values - 0.5).abs() <= SATURATED - 0.5).float()
    return values
