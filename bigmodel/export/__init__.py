"""A training to take away: a plain PyTorch script that makes the same curve, a notebook, a report, and tables.

The packed stack is the same to rounding as the plain loop that is written here, so the script prints the page's losses.

`plan.py` says what is written; `data.py`, `network.py`, `loop.py` and `stages.py` write their part of the code, for a
fine-tuned encoder `tuning.py`; `script.py` puts it together, `notebook.py` into cells; `tables.py` holds the numbers,
`report.py` tells all of it on one `paper.py`, with `charts.py` where no page has drawn any; `command.py` says how to
make the same again.
"""

from __future__ import annotations

from collections.abc import Mapping

from bigmodel.export import data as rows
from bigmodel.export.command import command, query
from bigmodel.export.notebook import notebook
from bigmodel.export.plan import Training
from bigmodel.export.report import Account, report
from bigmodel.export.script import script
from bigmodel.export.tables import curve, scores

__all__ = [
    "Account",
    "Training",
    "bundle",
    "check",
    "command",
    "curve",
    "files",
    "notebook",
    "query",
    "report",
    "scores",
]

check = rows.check


def files(training: Training) -> dict[str, str]:
    """The files of a training by their names: train.py, and data.csv where the data is no built-in set.

    RunError where the data is too large to be written beside it.
    """
    check(training.data)
    found = {"train.py": script(training)}
    return {**found, "data.csv": rows.table(training.data)} if rows.own(training.data) else found


def bundle(training: Training, account: Account, words: Mapping[str, str], language: str) -> dict[str, str]:
    """Everything at once, the report with its charts drawn by plotly, which it holds. `words` is the dictionary."""
    from bigmodel.export.paper import embedded

    return {
        **files(training),
        "train.ipynb": notebook(training, words),
        "report.html": embedded(*report(training, account, words, language)),
        "curve.csv": curve(account.epochs),
        **({"scores.csv": scores(account.judged)} if account.judged else {}),
    }
