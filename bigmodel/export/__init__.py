"""A training to take away: one plain PyTorch script that makes the same curve, with nothing of this package in it.

The packed stack is the same to rounding as the plain loop that is written here, so the script prints the page's losses.

`plan.py` says what is written, `data.py`, `network.py` and `loop.py` write their part of the code, `script.py` puts it
together; `tables.py` holds the numbers.
"""

from __future__ import annotations

from bigmodel.export import data as rows
from bigmodel.export.plan import Training
from bigmodel.export.script import script
from bigmodel.export.tables import curve

__all__ = ["Training", "check", "curve", "files"]

check = rows.check


def files(training: Training) -> dict[str, str]:
    """The files of a training by their names: train.py, and data.csv where the data is no built-in set.

    RunError where the data is too large to be written beside it.
    """
    check(training.data)
    found = {"train.py": script(training)}
    return {**found, "data.csv": rows.table(training.data)} if rows.own(training.data) else found
