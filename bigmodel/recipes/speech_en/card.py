"""The model card, written from measured values."""

from __future__ import annotations

from typing import Any


def write_card(*args: Any) -> None:
    """Placeholder while the figures are being made."""
