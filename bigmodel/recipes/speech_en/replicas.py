"""Several processes, one training: each has a copy of the network and a batch of its own, the gradients are averaged.

Data parallelism, in step (Li et al. 2020, arXiv 2006.15704). A small network gives a second thread too little to do at
once: two processes of one thread heard 1.5 to 1.9 times as much in a minute as one of two threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from bigmodel.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

# Model and its share of the work -> its loss, with the gradients left at the parameters.
Gradients = Callable[[Any, Any], float]
LONGEST = 1.0  # norm of all gradients together


class Replica:
    """A process that works out the gradients of one share a step, with a network from `fresh` whose parameters are
    those of `model`: they lie in shared memory. Running means (of batch normalisation) are its own."""

    def __init__(self, model: Any, fresh: Callable[[], Any], gradients: Gradients, threads: int) -> None:
        import torch.multiprocessing

        self._parameters = list(model.parameters())
        shared = [parameter.data.share_memory_() for parameter in self._parameters]
        self._gradients = [torch.zeros_like(tensor).share_memory_() for tensor in shared]  # type: ignore[no-untyped-call]
        spawn = torch.multiprocessing.get_context("spawn")
        self._wire, other = spawn.Pipe()
        work = (other, fresh, gradients, shared, self._gradients, threads)
        self._process = spawn.Process(target=_work, args=work, daemon=True)
        self._process.start()
        other.close()  # so that a process that dies is noticed: the wire has no other end then

    def begin(self, share: Any) -> None:
        """Let it work on its share of this step. Raises ModelError where it has ended, like `join`."""
        with _told():
            self._wire.send(share)

    def join(self) -> float:
        """Wait, add its gradients to those of the parameters here and return its loss."""
        with _told():
            loss: float = self._wire.recv()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient.clone() if parameter.grad is None else parameter.grad.add_(gradient)
        return loss

    def stop(self) -> None:
        """End the process."""
        self._wire.close()
        self._process.join()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        raise ModelError("recipe.replica") from None


@contextmanager
def replicas(
    count: int, model: Any, fresh: Callable[[], Any], gradients: Gradients, threads: int
) -> Iterator[list[Replica]]:
    """So many replicas of `model`, networks as `fresh` makes them, while inside."""
    made = [Replica(model, fresh, gradients, threads) for _ in range(count)]
    try:
        yield made
    finally:
        for replica in made:
            replica.stop()


def averaged(model: Any, gradients: Gradients, shares: Sequence[Any], others: Sequence[Replica]) -> float:
    """The mean loss of all `shares` of a step, the first of which is done here. The mean gradients, no longer than
    LONGEST together, are left at the parameters of `model`."""
    import torch

    for replica, share in zip(others, shares[1:], strict=True):
        replica.begin(share)
    losses = [gradients(model, shares[0]), *(replica.join() for replica in others)]
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= len(losses)
    torch.nn.utils.clip_grad_norm_(model.parameters(), LONGEST)
    return sum(losses) / len(losses)


def _work(
    wire: Connection,
    fresh: Callable[[], Any],
    gradients: Gradients,
    parameters: list[Tensor],
    out: list[Tensor],
    threads: int,
) -> None:
    """The life of a replica: until the wire is closed."""
    import torch

    torch.set_num_threads(threads)
    model = fresh()
    for own, shared in zip(model.parameters(), parameters, strict=True):
        own.data = shared
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            loss = gradients(model, wire.recv())
            for own, gradient in zip(model.parameters(), out, strict=True):
                gradient.zero_() if own.grad is None else gradient.copy_(own.grad)
                own.grad = None
            wire.send(loss)
