"""Heavy libraries are loaded one at a time, however many pages want them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CODE = """
import threading
from bigmodel.datasets import DatasetConfig
from bigmodel.ui.data import Source, load
from bigmodel.ui.heavy import with_torch
wrong = []
threading.excepthook = lambda told: wrong.append(told.exc_value)
job = with_torch(lambda shelf: iter(()))
threads = [threading.Thread(target=lambda: list(job({}))), *(
    threading.Thread(target=load, args=(Source(DatasetConfig(dataset="moons", seed=k)),)) for k in range(4)
)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(wrong)
"""


def test_data_are_read_while_torch_is_loaded() -> None:
    """scikit-learn on one thread never meets a torch that another thread has half loaded."""
    out = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
