"""How charts travel: folded into blocks of text, and the page makes of them what they were."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects as go
import pytest
from gradio import utils

from bigmodel.ui.chart import frame
from bigmodel.ui.live import emptied
from bigmodel.ui.wire import BLOCK, columns, folded


def figure(count: int) -> dict[str, Any]:
    """A chart of a curve of `count` points with marks of their own, and a map."""
    curve = {
        "type": "scatter", "x": list(range(count)), "y": [0.5] * (count - 1) + [None], "name": '"a", [b]',
        "marker": {"size": [3] * count, "symbol": "x"}, "customdata": [[k, k] for k in range(count)],
    }  # fmt: skip
    return frame(go.Figure([curve, {"type": "heatmap", "z": [[1, 2], [3, None]]}], {"title": {"text": "t"}}))


def unfolded(figure: dict[str, Any]) -> dict[str, Any]:
    """What the script of a chart does."""
    return {**figure, "data": [_unfolded(trace) for trace in figure["data"]]}


def _unfolded(trace: dict[str, Any]) -> Any:
    def wholly(part: dict[str, Any]) -> Any:
        return json.loads("[" + ",".join(trace["lists"][part["list"]]) + "]") if "list" in part else part

    return json.loads(trace["rest"], object_hook=wholly)


@pytest.mark.parametrize("count", [1, BLOCK, 3 * BLOCK + 1])
def test_what_was_folded_can_be_made_whole(count: int) -> None:
    """Numbers, gaps, words with quotes and brackets, lists in lists: all of it comes back."""
    assert unfolded(folded(figure(count))) == figure(count)


def test_an_update_is_folded_within() -> None:
    """What else an update says, and what is no chart, stays."""
    update = {"__type__": "update", "visible": True, "value": figure(2)}
    assert folded(update) == {"__type__": "update", "visible": True, "value": folded(figure(2))}
    for value in (None, "word", 3, [1], {"cards": []}, {"__type__": "update", "visible": False}):
        assert folded(value) == value


def test_a_point_more_is_little_more_to_send() -> None:
    """Of a growing curve the end of its last block is sent, not the points that were there."""
    edits = utils.diff([folded(figure(100))], [folded(figure(101))])
    assert all(path[:3] == [0, "data", 0] for _, path, _ in edits)
    assert len(json.dumps(edits)) < 700


def test_a_chart_that_shrinks_is_sent_anew() -> None:
    """Blocks that are lost make the page forget the old chart: Gradio's differences cannot take them away."""
    assert emptied([folded(figure(100))], [folded(figure(50))]) == [None]
    assert emptied([folded(figure(50))], [folded(figure(100))]) is None


def test_columns_that_stay_are_not_sent_again() -> None:
    """Of many rows only what changed goes over the line."""
    rows = [{"name": f"row {k}", "note": str(k)} for k in range(100)]
    before, after = columns(rows), columns([{**row, "note": "new"} for row in rows])
    assert json.loads(before["name"])[7] == "row 7"
    assert [path for _, path, _ in utils.diff(before, after)] == [["note"]]
    assert columns([]) == {}
