"""What every recipe needs: a budget, a schedule, and checkpoints that hold no pickle."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from bigmodel.checkpoints import places
from bigmodel.errors import ModelError

SHARD = "9MB"  # below the 10 MB above which a Space asks for LFS
TRAINING = "training.json"
# What a budget of minutes counts: time as it goes by, or the processor's own, fair to compare by on a busy machine.
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


class Watch:
    """The time that a training has taken, that of earlier calls included; and what falls due in it."""

    def __init__(self, clock: str, before: float) -> None:
        self._clock = CLOCKS[clock]
        self._begun = self._clock() - before
        self._last: dict[str, float] = {}
        self._start = before

    @property
    def seconds(self) -> float:
        """Since the training began."""
        return self._clock() - self._begun

    def due(self, name: str, every: float, first: float | None = None) -> bool:
        """Whether so many seconds have gone by since this was due or, at first, since this call began (`first`)."""
        seconds = self.seconds
        wait = every if first is None or name in self._last else first
        if seconds - self._last.get(name, self._start) <= wait:
            return False
        self._last[name] = seconds
        return True


def progress(step: int, seconds: float, *, steps: int, minutes: float) -> float:
    """How much of the budget is spent, 0 to 1. By steps when they are given: then a seed decides every number."""
    return min(1.0, step / steps if steps else seconds / (60 * minutes))


def warm_hold_decay(done: float, *, warm: float = 0.01, decay: float = 0.3) -> float:
    """The factor on the learning rate: linear warm-up, a plateau, linear decay to zero (Hägele et al. 2024,
    arXiv 2405.18392). Unlike cosine it needs the end only when the decay begins, so a budget can be extended."""
    return max(0.0, min(done / warm if warm else 1.0, 1.0, (1.0 - done) / decay))


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal (Jordan et al. 2024), scaled to AdamW's size (Liu et al. 2025, arXiv
    2502.16982); decoupled decay.

    `torch.optim.Muon` computes in bfloat16, which costs a processor without such instructions more than the network
    itself: here in float32, and all matrices of one shape at once.
    """

    def __init__(
        self, matrices: list[torch.nn.Parameter], rate: float, momentum: float = 0.95, decay: float = 0.05
    ) -> None:
        super().__init__(matrices, {"lr": rate, "momentum": momentum, "weight_decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step from the gradients."""
        (group,) = self.param_groups
        by_shape: dict[torch.Size, list[torch.nn.Parameter]] = {}
        for matrix in group["params"]:
            if matrix.grad is not None:
                by_shape.setdefault(matrix.shape, []).append(matrix)
        for shape, matrices in by_shape.items():
            moments = [self._moment(matrix, group["momentum"]) for matrix in matrices]
            steps = orthogonal(torch.stack(moments)) * (-0.2 * max(shape) ** 0.5 * group["lr"])
            for matrix, step in zip(matrices, steps, strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(step)

    def _moment(self, matrix: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        """Nesterov's look ahead from the running mean of the gradients."""
        assert matrix.grad is not None
        kept = self.state[matrix].setdefault("momentum_buffer", torch.zeros_like(matrix))
        kept.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(kept, momentum)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """(n, rows, columns) → the nearest matrices with orthonormal rows or columns, roughly: five quintic Newton-Schulz
    steps bring every singular value to between 0.7 and 1.2."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x


def muon_and_adamw(model: torch.nn.Module, inside: str, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the parts whose names hold `inside`, AdamW for all the rest.

    Measured for the speech model: three minutes of Muon took its loss where twenty of AdamW had not.
    """
    inner = [p for name, p in model.named_parameters() if p.ndim == 2 and inside in name]
    outer = [p for name, p in model.named_parameters() if not (p.ndim == 2 and inside in name)]
    return [Muon(inner, rate), torch.optim.AdamW(outer, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)]


def arithmetic(device: str) -> torch.autocast:
    """bfloat16 where the hardware multiplies it; elsewhere float32, which is more than twice as fast there."""
    fast = device != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device, torch.bfloat16, enabled=fast)


def step_all(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    """One step of each at this learning rate; the gradients are gone afterwards."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def save_state(
    folder: Path, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer], notes: dict[str, Any]
) -> None:
    """Write model, optimizer moments and `notes` so that a kill in mid-write leaves the last state whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": value.detach().clone() for name, value in _own(model).items()}
    for i, optimizer in enumerate(optimizers):
        for number, moments in optimizer.state_dict()["state"].items():
            tensors |= {
                f"moment.{i}.{number}.{name}": torch.as_tensor(value).clone() for name, value in moments.items()
            }
    save_file(tensors, folder / "state.new", metadata={"notes": json.dumps(notes)})
    os.replace(folder / "state.new", folder / "state.safetensors")


def check_start(folder: str) -> None:
    """Raises ModelError where `folder` is named and holds no weights."""
    if folder and not places.weights(Path(folder)):
        raise ModelError("recipe.start", folder=folder)


def begin_from(folder: str, model: torch.nn.Module) -> None:
    """Give `model` the weights of a finished one of the same shape in `folder`: a next edition begins where the last
    one ended. Raises ModelError where there is none, or one of another shape."""
    check_start(folder)
    try:
        missing, unknown = model.load_state_dict(_weights(folder), strict=False)
    except RuntimeError:
        raise ModelError("recipe.start_shape", folder=folder) from None
    if unknown or set(missing) - set(model.state_dict()) or len(missing) > 1:
        raise ModelError("recipe.start_shape", folder=folder)


def _weights(folder: str) -> dict[str, torch.Tensor]:
    return {name: value for path in places.weights(Path(folder)) for name, value in load_file(path).items()}


def average(folder: str, model: torch.nn.Module, share: float) -> None:
    """Move `model` back towards the finished one in `folder` that it began with, by this share of the way: the mean of
    two trainings is often better than either (Wortsman et al. 2022, arXiv 2109.01903)."""
    before = _weights(folder)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point() and name in before:
                value.lerp_(before[name].to(value), share)


def load_state(folder: Path, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, Any]:
    """Bring model and optimizers back to the saved state and return its notes; nothing saved: nothing changes, {}.
    Raises ModelError where what is saved is of another shape."""
    path = folder / "state.safetensors"
    if not path.exists():
        return {}
    tensors = load_file(path)
    own = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    try:
        model.load_state_dict(own, strict=False)
    except RuntimeError:
        raise ModelError("recipe.checkpoint_shape", folder=folder) from None
    for i, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"moment.{i}."):
                _, _, number, name = key.split(".", 3)
                state.setdefault(int(number), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return _notes(path)


def _own(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state without tied copies: safetensors refuses two names for one memory."""
    seen: dict[int, str] = {}
    state: dict[str, torch.Tensor] = model.state_dict()
    return {name: value for name, value in state.items() if seen.setdefault(value.data_ptr(), name) == name}


def _notes(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        notes: dict[str, Any] = json.loads(file.metadata()["notes"])
    return notes


def tell(config: Any, **facts: float) -> None:
    """Write `training.json` into `config.out`: the facts of this training, its seed, threads and commit, and what the
    edition that it began with says of itself."""
    own = {"seed": config.seed, "threads": config.threads, "commit": _commit()}
    said: dict[str, Any] = {**own, **facts, "start": _before(config)}
    (Path(config.out) / TRAINING).write_text(json.dumps(said) + "\n", encoding="utf-8")


def told(folder: str) -> dict[str, Any]:
    """What the model in `folder` says of its training; {} where it says nothing."""
    path = Path(folder) / TRAINING
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return known


def editions(notes: dict[str, Any]) -> list[dict[str, Any]]:
    """What `tell` wrote of every edition, the first one first."""
    before = notes.get("start")
    return [*(editions(before) if before else []), notes] if notes else []


def mixed(notes: dict[str, Any]) -> str:
    """How much of the edition before was mixed in at the end, for the card."""
    return f", mixed with {notes['average']:.0%} of the one before" if notes.get("average") else ""


def edition_table(notes: dict[str, Any], column: str, read: Callable[[dict[str, Any]], str]) -> str:
    """For the card: every edition, by which commit's recipe, what it `read` (under `column`), in how much time."""
    rows = [f"| edition | commit | steps | {column} | hours | seed |", "|---|---|---|---|---|---|"]
    for number, one in enumerate(editions(notes), 1):
        time = f"{one['seconds'] / 3600:.1f} on {one['threads']} CPU thread{'s' if one['threads'] > 1 else ''}"
        cells = (number, one.get("commit") or "not told", one["step"], read(one) + mixed(one), time, one["seed"])
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def _commit() -> str:
    """The commit that the recipe stands at, "" where it is no checkout; with a + where it was changed since."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        said = subprocess.run(
            [*git, "describe", "--always", "--exclude=*", "--dirty=+"], capture_output=True, text=True
        )
    except OSError:
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


def _before(config: Any) -> dict[str, Any]:
    known = told(config.start) if config.start else {}
    if config.start and Path(config.start).resolve() == Path(config.out).resolve() and "start" in known:
        return known["start"] or {}  # the first save has already replaced the notes of the start
    return known
