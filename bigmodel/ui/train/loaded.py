"""Which saved network each visitor has loaded: a reload shows it again, as long as its upload is kept."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

HOUR = 3600.0
"""Seconds: so long are uploads kept (see app.py), and so long are they remembered."""

MOST = 300
"""Visitors who are remembered: as many as the app keeps sessions."""


class Loaded:
    """The file of each visitor. The files themselves are uploads, whose size is limited and which are deleted after an
    hour by whoever took them in; here are only their places."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._files: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._guard = threading.Lock()

    def keep(self, owner: str, file: str | None) -> None:
        """This visitor has loaded that file, or has taken it away."""
        with self._guard:
            before, since = self._files.pop(owner, ("", 0.0))
            if file:
                # To show it again makes it no younger.
                self._files[owner] = (file, since if file == before else self._clock())
            while len(self._files) > MOST:
                self._files.popitem(last=False)

    def of(self, owner: str) -> str | None:
        """The file that this visitor has loaded, if it is still there."""
        with self._guard:
            file, since = self._files.get(owner, ("", 0.0))
        return file if file and self._clock() - since < HOUR and os.path.isfile(file) else None
