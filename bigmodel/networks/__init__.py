"""Packed networks: K members of one shape as one stack of tensors (K, …), so that one operation moves them all.

Python and autograd cost more than the arithmetic of a small network. Here a layer of K members is one batched product
(`bmm`), and the gradients of an MLP come from their closed forms: for 64 members of 64-64-10 a step costs little more
than its bare products. The idea of packing independent networks is that of HFTA (Wang et al., MLSys 2021); here each
member is the same to rounding as a plain `torch.nn` module with the same start and the same batches (`export` makes
that one).

`plain.py` says what each architecture is, `shape.py` which tensors it has, `layers.py` holds the layers of the closed
forms, `general.py` the other architectures, `stack.py` the stack; here is what a job does with one.

This module imports torch; import it when a job starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from bigmodel.errors import BigModelError, ConfigError
from bigmodel.networks.shape import Shape
from bigmodel.networks.stack import Stack, export

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.train import Setting

__all__ = [
    "Shape",
    "Stack",
    "build",
    "check_budget",
    "chunk_rows",
    "export",
    "footprint",
    "hidden",
    "measure",
    "predict",
    "shape_of",
    "threads",
    "threads_for",
]

MOST_MEMORY = 2**30
"""Bytes that parameters, optimizer state and one batch of all members may take together."""

MOST_WORK = 2_000_000_000
"""Multiply-adds of one forward step of all members; about half a second with its backward on a slow core."""

SMALL_WORK = 20_000_000
"""Below this many multiply-adds a step, a second thread costs more than it brings."""

MOST_CHAIN = 512
"""Steps that wait for one another in one forward of a recurrent network; about a millisecond each in training."""

CHUNK = 200_000
"""Numbers a layer may hold, and thousands of multiply-adds it may take, when many rows are measured piece by piece."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run one step on `count` torch threads, then give back what was. The step's owner holds it, never across a yield.

    Two threads on a busy two-core machine can be ten times as slow as one: OpenMP threads spin at every barrier.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    # Numbers below 1e-38, which a network that is sure leaves everywhere, are 0: with them a step takes twice as long.
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)


def build(config: Setting, data: Dataset) -> Stack:
    """The stack for a config's members, started from their seeds.

    ConfigError when the machine would be too small for it, or the data is not what the architecture reads.
    """
    if data.tuned:
        raise ConfigError((BigModelError("networks.tokens"),))
    height, width = data.image or (0, 1)
    if config.architecture == "image_cnn" and height != width:
        raise ConfigError((BigModelError("networks.no_image", name=data.name, features=data.train.x.shape[1]),))
    shape = shape_of(config, data)
    check_budget(shape, len(config.members), config.batch)
    return Stack(shape, [seed for _, seed in config.members])


def shape_of(config: Setting, data: Dataset) -> Shape:
    """The shape of a config's networks on this data."""
    return Shape(
        features=data.train.x.shape[1],
        widths=config.widths if config.architecture != "logistic" else (),
        classes=len(data.classes),
        activation=config.activation,
        normalisation=config.normalisation,
        dropout=config.dropout,
        loss=config.loss,
        architecture=config.architecture,
    )


def footprint(shape: Shape, members: int, batch: int) -> int:
    """Bytes that so many members take: parameters, optimizer state and one batch."""
    # Parameters, their gradients and three more for the optimizer; what each row leaves for the way back.
    return 4 * members * (5 * shape.parameters + batch * shape.held)


def check_budget(shape: Shape, members: int, batch: int) -> None:
    """ConfigError when one step of so many members would be too much for the machine."""
    if footprint(shape, members, batch) > MOST_MEMORY or members * shape.work * batch > MOST_WORK:
        said = {"members": members, "parameters": shape.parameters, "batch": batch}
        raise ConfigError((BigModelError("networks.budget", **said),))
    if shape.chain > MOST_CHAIN:
        raise ConfigError((BigModelError("networks.chain", steps=shape.chain, most=MOST_CHAIN),))


def threads_for(stack: Stack, batch: int) -> int:
    """One thread for small networks; torch's own number for large ones."""
    work = len(stack.alive) * stack.shape.work * batch
    return 1 if work < SMALL_WORK else torch.get_num_threads()


def chunk_rows(stack: Stack) -> int:
    """How many rows to measure at once: few enough for the cache and for a fraction of a second."""
    members, shape = max(1, len(stack.alive)), stack.shape
    if not shape.closed:  # many small operations, whose number does not grow with the rows
        return max(1, min(20 * CHUNK // (members * shape.held), 1000 * CHUNK // (members * shape.work)))
    widest = max((*shape.widths, shape.features, shape.classes))
    return max(1, min(CHUNK // (members * widest), 1000 * CHUNK // (members * shape.parameters)))


@torch.inference_mode()
def measure(
    stack: Stack, x: torch.Tensor, target: torch.Tensor, seen: list[torch.Tensor] | None = None
) -> torch.Tensor:
    """The sum of losses and the number of hits over rows (2, K); x (rows, features), one-hot target (rows, classes).

    `seen` gets the values (K, rows, units) after each activation.
    """
    z, target = stack.outputs(x.unsqueeze(0), seen=seen), target.T
    losses = stack.criterion.losses(z, target)
    # The true class's output against the largest: argmax over few classes takes longer than the network itself.
    hits = ((z * target).sum(1) >= z.amax(1)).sum(1)
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


@torch.inference_mode()
def hidden(stack: Stack, x: torch.Tensor) -> list[torch.Tensor]:
    """The values (K, rows, units) after each hidden layer's activation, for standardised x (rows, features).

    The units of a convolution are its filters at each place. The recurrent architectures and the Transformer give one
    layer: what the output layer reads.
    """
    pieces: list[list[torch.Tensor]] = []
    for part in torch.split(x, chunk_rows(stack)):
        pieces.append([])
        stack.outputs(part.unsqueeze(0), seen=pieces[-1])
    return [torch.cat(same, 1) for same in zip(*pieces, strict=True)]
