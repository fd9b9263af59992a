"""What all tests share: no network but this machine's own."""

from __future__ import annotations

import os
import socket
import tempfile

import pytest

# Before torch is loaded: spinning threads make two busy cores slower than one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# No test leaves a run in the data folder of whoever starts it.
os.environ["BIGMODEL_DATA"] = tempfile.mkdtemp(prefix="bigmodel-tests-")

_connect = socket.socket.connect


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to any other machine fails the test that makes it."""

    def connect(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "local"
        if host not in ("127.0.0.1", "::1", "localhost", "local"):
            raise AssertionError(f"a test reached for {host}")
        _connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
