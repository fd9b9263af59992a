"""A coach: what is wrong with a training, told from its events, each with its evidence and with what would mend it.

    for diagnosis in diagnose(events, config, over=True):
        diagnosis.key, diagnosis.values, diagnosis.mend

A diagnosis is a key and numbers, worded on the page (`coach.<key>`). It is made of what stands in the events alone, so
a run of last week is diagnosed like the present one. Silence is the default: each rule needs a margin that healthy
runs do not come near, and where one fault explains another only the first is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bigmodel.train import Epoch, TrainConfig
from bigmodel.train.baselines import Baseline
from bigmodel.train.coach.case import Case, Diagnosis, Mend
from bigmodel.train.coach.listener import Answers, Leak, Listener, leaks
from bigmodel.train.coach.rules import RULES, leak

__all__ = ["Answers", "Case", "Diagnosis", "Leak", "Listener", "Mend", "diagnose", "leaks"]

MOST = 3
"""Diagnoses at once: who is told ten things does none."""


def diagnose(events: Sequence[Any], config: TrainConfig, *, rows: int, over: bool) -> tuple[Diagnosis, ...]:
    """What is wrong with a training, the worst first. `config` is what holds now, `rows` counts the validation part,
    `over` says that nothing more will come."""
    found = [leak(event) for event in events if isinstance(event, Leak)]
    epochs = tuple(event for event in events if isinstance(event, Epoch))
    if len(epochs) > 1:
        case = Case(
            config=config,
            epochs=epochs,
            baselines=tuple(event for event in events if isinstance(event, Baseline)),
            answers=next((event for event in reversed(events) if isinstance(event, Answers)), None),
            health=next((epoch.health for epoch in reversed(epochs) if epoch.health), None),
            rows=rows,
            over=over,
        )
        explained: set[str] = set()
        for key, (rule, explains) in RULES.items():
            diagnosis = None if key in explained else rule(case)
            if diagnosis is not None:
                found.append(diagnosis)
                explained |= set(explains)
    return tuple(found[:MOST])
