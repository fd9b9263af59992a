"""Heavy libraries are loaded one at a time: scikit-learn looks at torch as soon as it is there, also half loaded.

A run loads torch on its own thread while another page may be reading data with scikit-learn: who does either says so
here. Once torch is there nobody waits any more.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_one = threading.RLock()


@contextmanager
def alone() -> Iterator[None]:
    """Let nobody load torch meanwhile, and wait for whoever does; free once it is loaded."""
    if _loaded():
        yield
        return
    with _one:
        yield


def _loaded() -> bool:
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    return spec is not None and not getattr(spec, "_initializing", False)


def with_torch(job: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    """A job whose thread loads torch before anything else."""

    def run(shelf: Any) -> Iterator[Any]:
        with alone():
            import torch  # noqa: F401
        yield from job(shelf)

    return run
