"""One built app for all tests of the page; none of them starts a server or a browser."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def demo() -> Any:
    """The page as `python app.py` would serve it."""
    import app

    return app.demo


@pytest.fixture(scope="session")
def config(demo: Any) -> dict[str, Any]:
    """What a browser is told about the page."""
    found: dict[str, Any] = demo.get_config_file()
    return found
