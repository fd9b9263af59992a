"""The script of a training as a Jupyter notebook: the same code in cells, words between them, and the curve drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bigmodel.export.plan import Training
from bigmodel.export.script import pieces, title

_CHART = '''class Chart:
    """Training (blue) and validation loss (orange) by epoch, as a picture that the notebook shows."""

    def __init__(self, curve):
        self.curve = [row for row in curve if all(value == value for value in row)]

    def line(self, place, colour):
        last = max(1, self.curve[-1][0])
        top = max(max(row[1], row[2]) for row in self.curve) or 1.0
        points = " ".join(f"{40 + 540 * row[0] / last:.1f},{270 - 250 * row[place] / top:.1f}" for row in self.curve)
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'

    def _repr_svg_(self):
        top = max(max(row[1], row[2]) for row in self.curve)
        frame = '<path d="M40 20V270H580" fill="none" stroke="grey"/>'
        ends = f'<text x="4" y="24">{top:.2f}</text><text x="30" y="284">0</text>'
        ends += f'<text x="560" y="288">{self.curve[-1][0]}</text>'
        lines = self.line(1, "#0083c9") + self.line(2, "#d55e00")
        style = 'font-family="sans-serif" font-size="12" fill="grey"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="600" height="300" {style}>{frame}{ends}{lines}</svg>'


Chart(curve)
'''

_TEST = """OPEN_THE_TEST_PART = False

if OPEN_THE_TEST_PART:
    print("test accuracy", [measure(member.network, "test")[1] for member in members])
"""


def notebook(training: Training, words: Mapping[str, str]) -> str:
    """train.ipynb: a notebook of format 4.5. `words` is a language's dictionary."""
    code = pieces(training, notebook=True)
    parts = (
        ("start", f"{code.imports}\n{code.settings}"),
        ("data", code.data),
        ("network", code.network),
        ("loop", code.loop),
        ("run", code.run),
        ("curve", _CHART),
        ("test", _TEST),
    )
    cells = [_cell("markdown", "title", f"# {title(training)}\n\n{words['export.notebook.title']}")]
    for name, text in parts:
        cells.append(_cell("markdown", f"about-{name}", words[f"export.notebook.{name}"]))
        cells.append(_cell("code", name, text))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _cell(kind: str, name: str, text: str) -> dict[str, Any]:
    """A cell; its text goes in lines, each with its end but the last."""
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return {**cell, "source": text.strip().splitlines(keepends=True)}
