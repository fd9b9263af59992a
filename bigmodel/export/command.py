"""A training as a line for the shell, and as a link: only what is no default."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from bigmodel.datasets import DatasetConfig
    from bigmodel.train import TrainConfig


def command(
    config: TrainConfig,
    source: DatasetConfig,
    *,
    file: str = "",
    target: str = "",
    leave_out: Sequence[str] = (),
) -> str:
    """`python -m bigmodel train …`; an own table by its name, to be looked for where the line is run."""
    words = ["python", "-m", "bigmodel", "train"]
    if file:
        words += ["--table", file, *(["--target", target] if target else [])]
        words += ["--leave-out", ",".join(leave_out)] if leave_out else []
    for name, text in (*_changed(source, ("seed",)), *_changed(config, ())):
        words += [f"--{name.replace('_', '-')}", text]
    if source.seed != config.seed:
        words += ["--data-seed", str(source.seed)]
    return shlex.join(words)


def query(config: TrainConfig, source: DatasetConfig, *, file: str = "", target: str = "") -> str:
    """The end of a link that opens these settings on the page; of an own table it holds the target only."""
    found = {"tab": "train"}
    if file or source.dataset != type(source)().dataset:
        found["dataset"] = "upload" if file else source.dataset
    if file and target:
        found["data_target"] = target
    found |= {f"data_{name}": text for name, text in _changed(source, ("dataset",))}
    found |= dict(_changed(config, ()))
    return "?" + urlencode(found, safe=",")


def _changed(config: Any, but: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The settings that are no defaults, as text."""
    usual = type(config)()
    for f in fields(config):
        value = getattr(config, f.name)
        if f.name not in but and value != getattr(usual, f.name):
            yield f.name, written(value)


def written(value: Any) -> str:
    """A setting as text, digit by digit: what is read back is the same value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ",".join(map(written, value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
