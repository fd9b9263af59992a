"""Who may import whom, read from the code itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bigmodel"
HEAVY = ("torch", "torchaudio", "transformers", "sklearn", "gradio", "pandas")

COMMAND_LINE = ("__main__", "commands")
JOBS = ("train", "predict", "compare", "generate", "transcribe")
LEAVES = (
    "errors",
    "config",
    "jsonable",
    "datasets",
    "lexicon",
    "networks",
    "optimizers",
    "metrics",
    "sampling",
    "audio",
    "captions",
    "plots",
    "store",
)
# What a job may use besides leaves: its own ground, never a sibling's job, save that a comparison is several trainings.
ALLOWED_JOBS = {"compare": {"train"}}


def files() -> list[Path]:
    return [p for p in sorted(PACKAGE.rglob("*.py")) if "__pycache__" not in p.parts]


def imports(path: Path) -> list[ast.Import | ast.ImportFrom]:
    return [
        n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, (ast.Import, ast.ImportFrom))
    ]


def modules(path: Path) -> set[str]:
    """Full names of what a file imports, with `from a.b import c` as both a.b and a.b.c."""
    names: set[str] = set()
    for node in imports(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def feature(path: Path) -> str:
    """The first word of a file's place in the package: bigmodel/checkpoints/hub.py → checkpoints."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def own(path: Path) -> set[str]:
    """The features of the package that a file imports."""
    return {name.split(".")[1] for name in modules(path) if name.startswith("bigmodel.") and name.count(".") >= 1}


def test_only_the_page_imports_gradio() -> None:
    """No file outside ui/ imports gradio."""
    guilty = [p for p in files() if feature(p) != "ui" and any(m.split(".")[0] == "gradio" for m in modules(p))]
    assert guilty == []


def test_the_core_never_imports_the_page() -> None:
    """Only the command line, which words errors, may import from ui, and there only the words."""
    for path in files():
        if feature(path) == "ui":
            continue
        used = {m for m in modules(path) if m.startswith("bigmodel.ui")}
        if feature(path) in COMMAND_LINE:
            used = {m for m in used if not m.startswith("bigmodel.ui.words")}
        assert used == set(), path


@pytest.mark.parametrize("job", JOBS)
def test_jobs_stand_side_by_side(job: str) -> None:
    """A job imports no other job (a comparison may use training), and neither runs nor the command line."""
    for path in (p for p in files() if feature(p) == job):
        others = set(JOBS) - {job} - ALLOWED_JOBS.get(job, set())
        assert not own(path) & (others | {"runs", "recipes", *COMMAND_LINE}), path


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaves_import_no_job(leaf: str) -> None:
    """A leaf imports leaves and checkpoints only; it may name a job's types for the type checker."""
    for path in (p for p in files() if feature(p) == leaf):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typed = {
            id(n)
            for block in ast.walk(tree)
            if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
            for n in ast.walk(block)
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.ImportFrom)
                and id(node) not in typed
                and (node.module or "").startswith("bigmodel.")
            ):
                assert node.module.split(".")[1] not in (*JOBS, "runs", "recipes", "ui", *COMMAND_LINE), (
                    path,
                    node.module,
                )


def test_the_core_is_silent() -> None:
    """Nothing in the core prints or shows a progress bar, and only checkpoints reads the environment."""
    for path in files():
        if feature(path) in ("ui", *COMMAND_LINE):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert "print" not in calls, path
        assert not any(m.split(".")[0] == "tqdm" for m in modules(path)), path
        if feature(path) != "checkpoints":
            text = path.read_text(encoding="utf-8")
            assert "os.environ" not in text, path
            assert "getenv" not in text, path


def test_nothing_unpickles_or_trusts() -> None:
    """No file loads a pickle or code from a repository."""
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("torch.load", "pickle.load", "pickle.loads", "joblib.load"), path
                assert not any(
                    k.arg == "trust_remote_code" and ast.unparse(k.value) == "True" for k in node.keywords
                ), path


def test_the_page_opens_without_the_heavy_libraries() -> None:
    """Importing every job and the runs loads neither torch nor transformers nor gradio."""
    code = f"import sys, bigmodel.runs, {', '.join(f'bigmodel.{job}' for job in JOBS)}\n"
    code += f"print([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_front_page_is_a_table_of_contents() -> None:
    """app.py stays within sixty lines."""
    assert len((ROOT / "app.py").read_text(encoding="utf-8").splitlines()) <= 60


def test_functions_fit_a_screen() -> None:
    """No function is longer than sixty lines."""
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert (node.end_lineno or 0) - node.lineno < 60, (path, node.name)
