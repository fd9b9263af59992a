"""The schedules are torch's own, step by step."""

import itertools
import math

import pytest
import torch
from torch.optim import lr_scheduler as torchs

from bigmodel.train.schedule import factor

RATE = 0.1


def plain(kind, steps, warmup):
    """The rates that torch's schedulers give for `steps` steps."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=RATE)
    rising = round(warmup * steps)
    left = steps - rising
    if kind == "one_cycle":
        scheduler = torchs.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=warmup or 0.3, cycle_momentum=False)
    else:
        scheduler = {
            "constant": lambda: torchs.ConstantLR(optimizer, 1.0),
            "step": lambda: torchs.StepLR(optimizer, math.ceil(left / 3), 0.1),
            "cosine": lambda: torchs.CosineAnnealingLR(optimizer, left),
        }[kind]()
        if rising:
            first = torchs.LinearLR(optimizer, start_factor=1 / (rising + 1), total_iters=rising)
            scheduler = torchs.SequentialLR(optimizer, [first, scheduler], [rising])
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "steps", "warmup"),
    [*itertools.product(("constant", "step", "cosine", "one_cycle"), (50, 200), (0.0, 0.1, 0.5))],
)
def test_a_schedule_is_torch_s_scheduler(kind, steps, warmup):
    """Every step's rate is that of the scheduler of the same name, warm-up included."""
    mine = [RATE * factor(kind, step, steps, warmup) for step in range(steps)]
    assert mine == pytest.approx(plain(kind, steps, warmup), rel=1e-9)


@pytest.mark.parametrize("kind", ["constant", "step", "cosine", "one_cycle"])
def test_a_training_of_very_few_steps_has_a_rate_in_each(kind):
    """With 1 to 5 steps every factor lies above 0 and not above 1."""
    for steps, warmup in itertools.product(range(1, 6), (0.0, 0.2, 0.5)):
        assert all(0 < factor(kind, step, steps, warmup) <= 1 for step in range(steps))
