"""Packed optimizers: one step moves K members, each with its own rate, decay, momentum and penalties.

The formulas, constants and order of operations are those of `torch.optim`, so that a member and its plain twin stay
the same to rounding. They work on the flat tensors of a `Stack` (`numbers`, `slopes`); a setting of a member is
spread over its numbers once. This module imports torch; import it when a job starts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch

from bigmodel.networks import Stack


@dataclass(frozen=True)
class Knobs:
    """One number per member (K,) each.

    `weight_decay` acts beside the loss (AdamW); `l1` and `l2` are terms of the loss. `label_smoothing` softens the
    targets (Szegedy et al. 2016) before the loss is taken; `clip` is the longest slope that a member may step along,
    0 for any.
    """

    rate: torch.Tensor
    momentum: torch.Tensor
    weight_decay: torch.Tensor
    l1: torch.Tensor
    l2: torch.Tensor
    label_smoothing: torch.Tensor
    clip: torch.Tensor

    def of(self, members: torch.Tensor) -> Knobs:
        """Those of `members` (positions)."""
        return Knobs(*(getattr(self, f.name)[members] for f in fields(self)))


@dataclass(frozen=True)
class Moments:
    """What an optimizer remembers, by its name; never changed."""

    kind: str
    memory: tuple[torch.Tensor, ...]
    count: float

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(flat.nbytes for flat in self.memory)


class Optimizer:
    """The parts all optimizers share: the settings of each member, the penalties, and letting members go."""

    states = 0
    """Flat tensors of memory that a step needs beside the parameters."""

    remembered = 1
    """How many of them carry something from one step to the next."""

    def __init__(self, stack: Stack, knobs: Knobs) -> None:
        self.stack, self.knobs = stack, knobs
        self.memory = [torch.zeros_like(stack.numbers) for _ in range(self.states)]
        self.count = torch.zeros(())
        self.factor = 1.0
        self._spread()

    def _spread(self) -> None:
        stack, knobs = self.stack, self.knobs
        rates = set(knobs.rate.tolist())
        self.shared: float | None = rates.pop() if len(rates) == 1 else None
        self.full = -stack.spread(knobs.rate)
        self.momentum = stack.spread(knobs.momentum)
        self.fade = stack.spread(knobs.rate * knobs.weight_decay) if bool(knobs.weight_decay.any()) else None
        self.l1 = stack.spread(knobs.l1)[: stack.weights] if bool(knobs.l1.any()) else None
        self.l2 = stack.spread(knobs.l2)[: stack.weights] if bool(knobs.l2.any()) else None
        self.clip = knobs.clip.where(knobs.clip > 0, torch.inf) if bool(knobs.clip.any()) else None
        self._turn()

    def _turn(self) -> None:
        self.down = self.full * self.factor if self.factor != 1 else self.full
        self.shrink = None if self.fade is None else 1 - self.fade * self.factor

    def scale(self, factor: float) -> None:
        """Let the steps to come go at `factor` times the rates."""
        if factor != self.factor:
            self.factor = factor
            self._turn()

    def retune(self, **knobs: torch.Tensor) -> None:
        """Go on with other settings, one number per member each."""
        self.knobs = replace(self.knobs, **knobs)
        self._spread()

    def moments(self) -> Moments:
        """A copy of what the steps to come depend on."""
        memory = tuple(flat.clone() for flat in self.memory[: self.remembered])
        return Moments(type(self).__name__, memory, float(self.count))

    def resume(self, moments: Moments) -> None:
        """Remember what another one did; what belongs to another kind or to other members is passed over."""
        fits = [flat.shape == self.stack.numbers.shape for flat in moments.memory]
        if moments.kind == type(self).__name__ and all(fits):
            for mine, theirs in zip(self.memory, moments.memory, strict=False):
                mine.copy_(theirs)
            self.count.fill_(moments.count)

    def keep(self, members: torch.Tensor) -> None:
        """Let all members of the stack go but these (positions among the living), with their memory and settings."""
        self.memory = [self.stack.select(flat, members) for flat in self.memory]
        self.knobs = self.knobs.of(members)
        self.stack.keep(members)
        self._spread()

    def step(self) -> None:
        """One step from `stack.slopes`. l1·Σ|w| + l2/2·Σw² over the weights adds l1·sign(w) + l2·w to their slopes."""
        numbers, slopes = self.stack.numbers, self.stack.slopes
        if self.l1 is not None:
            slopes[: self.stack.weights].addcmul_(self.l1, numbers[: self.stack.weights].sign())
        if self.l2 is not None:
            slopes[: self.stack.weights].addcmul_(self.l2, numbers[: self.stack.weights])
        if self.clip is not None:
            # As torch.nn.utils.clip_grad_norm_ does: the whole member's slope, made no longer than `clip`.
            short = (self.clip / (self.stack.norms(slopes) + 1e-6)).clamp_(max=1.0)
            slopes.mul_(self.stack.spread(short))
        self.move(numbers, slopes)

    def move(self, numbers: torch.Tensor, slopes: torch.Tensor) -> None:
        """Change `numbers` in place."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Polyak 1964): velocity ← momentum · velocity + slope."""

    states = 1

    def move(self, numbers: torch.Tensor, slopes: torch.Tensor) -> None:
        (velocity,) = self.memory
        velocity.mul_(self.momentum).add_(slopes)
        numbers.addcmul_(velocity, self.down)


class Adagrad(Optimizer):
    """Duchi, Hazan and Singer 2011: each number's rate falls with the squares it has seen."""

    states = 1

    def move(self, numbers: torch.Tensor, slopes: torch.Tensor) -> None:
        (squares,) = self.memory
        squares.addcmul_(slopes, slopes)
        numbers.addcdiv_(slopes * self.down, squares.sqrt().add_(1e-10))


class RMSprop(Optimizer):
    """Tieleman and Hinton 2012: slopes divided by a running root of their mean square (decay 0.99)."""

    states = 1

    def move(self, numbers: torch.Tensor, slopes: torch.Tensor) -> None:
        (squares,) = self.memory
        squares.mul_(0.99).addcmul_(slopes, slopes, value=0.01)
        numbers.addcdiv_(slopes * self.down, squares.sqrt().add_(1e-8))


class Adam(Optimizer):
    """Kingma and Ba 2015. torch's fused kernel knows one rate: of several it makes a step of 1 that is scaled."""

    states = 3
    remembered = 2

    def move(self, numbers: torch.Tensor, slopes: torch.Tensor) -> None:
        mean, square, unit = self.memory
        several = self.shared is None
        moved, rate = (unit.zero_(), 1.0) if self.shared is None else (numbers, self.shared * self.factor)
        self.count += 1
        torch._fused_adam_(
            [moved], [slopes], [mean], [square], [], [self.count],
            lr=rate, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip
        if several:
            numbers.addcmul_(unit, self.down, value=-1)


class AdamW(Adam):
    """Adam with decoupled decay (Loshchilov and Hutter 2019).

    Every number shrinks by rate · weight_decay beside the step.
    """

    def move(self, numbers: torch.Tensor, slopes: torch.Tensor) -> None:
        if self.shrink is not None:
            numbers.mul_(self.shrink)
        super().move(numbers, slopes)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}
