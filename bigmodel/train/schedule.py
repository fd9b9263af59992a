"""The learning rate over the steps of a training: a factor between 0 and 1 for each step, the same for every member.

The factors are those of `torch.optim.lr_scheduler`: `StepLR` (a tenth after each third), `CosineAnnealingLR` down to 0
(Loshchilov and Hutter 2017) and `OneCycleLR` (Smith and Topin 2018), with `LinearLR` as the warm-up before the first
two and before a constant rate.
"""

from __future__ import annotations

import math

STAIRS = 3
"""Flat parts of the `step` schedule; each is TENTH of the one before."""

TENTH = 0.1

CYCLE_RISE = 0.3
"""The share of a one-cycle schedule that rises, where no warm-up is given."""

CYCLE_START, CYCLE_END = 1 / 25, 1 / 25e4


def factor(schedule: str, step: float, steps: int, warmup: float) -> float:
    """What the rate is multiplied by in step `step` (from 0) of `steps`; `warmup` is a share of the steps.

    `step` may lie between two whole numbers: a batch size that was changed on the way moves the steps, not the share
    of the training that is done.
    """
    if schedule == "one_cycle":
        return _one_cycle(step, steps, warmup or CYCLE_RISE)
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    step, steps = step - rising, max(1, steps - rising)
    if schedule == "step":
        return TENTH ** math.floor(step / math.ceil(steps / STAIRS))
    if schedule == "cosine":
        return (1 + math.cos(math.pi * step / steps)) / 2
    return 1.0


def _one_cycle(step: float, steps: int, rise: float) -> float:
    top, last = rise * steps - 1, steps - 1
    if step <= top:
        return _between(CYCLE_START, 1.0, step / top) if top else 1.0
    top = max(top, 0.0)
    return _between(1.0, CYCLE_END, (step - top) / (last - top)) if last > top else 1.0


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine from start to end."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(share, 1.0)))
