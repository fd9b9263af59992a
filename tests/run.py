"""Install what the tests need and run them all: lint, types, unit, page, browser.

    python tests/run.py [pytest arguments]

In a virtual environment everything goes there; otherwise into one of our own, kept outside the checkout and keyed by
the requirements, so that the next run starts at once. Chromium comes from the system's packages, or from playwright.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKED = ["app.py", "bigmodel", "tests"]


def main(arguments: list[str]) -> int:
    """The exit code of the first check that fails, or 0."""
    python = environment()
    browser(python)
    # Two OpenMP threads that spin on two busy cores are slower than one.
    os.environ.update(OMP_WAIT_POLICY="PASSIVE", TOKENIZERS_PARALLELISM="false", GRADIO_ANALYTICS_ENABLED="False")
    checks = [
        ["ruff", "check", *CHECKED],
        ["ruff", "format", "--check", *CHECKED],
        ["mypy"],
        # Two processes: the browser's driver keeps an event loop running, and the page's tests start their own.
        ["pytest", "tests/unit", "tests/ui", *arguments],
        ["pytest", "tests/e2e", *arguments],
    ]
    for check in checks:
        print("$", *check, flush=True)
        code = subprocess.run([python, "-m", *check], cwd=ROOT).returncode
        if code:
            return code
    return 0


def environment() -> str:
    """The interpreter of an environment that has all requirements."""
    wanted = b"".join((ROOT / name).read_bytes() for name in ("requirements.txt", "tests/requirements.txt"))
    key = hashlib.sha256(wanted + sys.version.encode()).hexdigest()[:16]
    home = Path(sys.prefix)
    if sys.prefix == sys.base_prefix:
        home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bigmodel-lab" / f"venv-{key}"
        if not (home / "pyvenv.cfg").exists():
            venv.create(home, with_pip=True)
    python = str(home / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    done = home / f".bigmodel-{key}"
    if not done.exists():
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode:
            subprocess.run([python, "-m", "ensurepip"], check=True)  # an environment that was made without pip
        subprocess.run([python, "-m", "pip", "install", "-q", "uv"], check=True)
        install = [python, "-m", "uv", "pip", "install", "-q", "--python", python]
        subprocess.run([*install, "-r", str(ROOT / "tests" / "requirements.txt")], check=True)
        done.touch()
    return python


def browser(python: str) -> None:
    """See to it that there is a Chromium: the system's own, Debian's package as root, or playwright's download."""
    if any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium", "fonts-noto-cjk"], check=True)
        return
    subprocess.run([python, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
