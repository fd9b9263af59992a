"""Values as JSON takes them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from bigmodel.jsonable import jsonable


@dataclass(frozen=True)
class Point:
    x: float
    names: tuple[str, ...]


def test_everything_that_is_told_is_json() -> None:
    """What is within a dataclass, a mapping or a list is turned, too; what is no number is null, bytes are base64."""
    found = jsonable({1: Point(math.nan, ("a", "b")), "raw": b"\x00\x01", "far": [math.inf, 2.5, None, True]})
    assert found == {"1": {"x": None, "names": ["a", "b"]}, "raw": "AAE=", "far": [None, 2.5, None, True]}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
