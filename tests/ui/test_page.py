"""The page as it is built: its words, its events, how it starts, and the card it has on a hub."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import yaml
from gradio import processing_utils
from gradio.context import LocalContext
from gradio.exceptions import InvalidPathError

from bigmodel.ui import chart, transcribe
from bigmodel.ui.words import dictionary, say

ROOT = Path(__file__).parents[2]
UI = ROOT / "bigmodel" / "ui"
SHOWN = ("label", "info", "placeholder")


def handlers(demo: Any, name: str) -> list[Any]:
    """The functions behind the page's events that go by a name."""
    return [fn.fn for fn in demo.fns.values() if getattr(fn.fn, "__name__", "") == name]


def apart(texts: Iterable[str | None]) -> list[str | None]:
    """The words of components; one of many words has them all in its label, as JSON."""
    return [word for text in texts for word in (json.loads(text).values() if text and text[0] == "{" else [text])]


def words_of(component: dict[str, Any]) -> list[str]:
    """What a person reads of a component as the browser is told of it."""
    props = component["props"]
    found = apart(props.get(name) for name in SHOWN)
    if component["type"] in ("button", "markdown"):
        found.append(props.get("value"))
    return [text for text in found if text]


def test_every_word_is_from_the_dictionary(config: dict[str, Any]) -> None:
    """Each label, explanation, button and text of the built page is a string of the dictionary."""
    strings = {text.strip() for text in dictionary("en").values()}
    foreign = [
        (part["props"].get("elem_id"), text)
        for part in config["components"]
        for text in words_of(part)
        if text.strip() not in strings
    ]
    assert foreign == []


@pytest.mark.parametrize("path", sorted(UI.glob("*.py")), ids=lambda path: path.name)
def test_no_word_stands_in_the_code(path: Path) -> None:
    """No component of ui/ is given a literal label, explanation or button text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("gr."):
            said = [k.value for k in node.keywords if k.arg in SHOWN]
            if ast.unparse(node.func) in ("gr.Button", "gr.Markdown", "gr.Tab", "gr.Accordion", "gr.Error", "gr.Info"):
                said += node.args[:1]
            literal = [s.value for s in said if isinstance(s, ast.Constant) and s.value]
            assert literal == [], (path.name, node.lineno)


def test_switch_of_language_reaches_every_word(demo: Any, config: dict[str, Any]) -> None:
    """After a switch every component with words has an update, in the order of the event's outputs, all in Chinese."""
    (switch,) = (fn for fn in demo.fns.values() if fn.name == "switch")
    outputs = [component._id for component in switch.outputs]
    there, back = switch.fn("en"), switch.fn("zh")
    assert len(there) == len(back) == len(outputs)
    assert (there[0], back[0]) == ("zh", "en")
    # The pause button and the table's cells are drawn by the follower that the switch starts anew.
    # The language button names the other language.
    drawn = {"train-pause", "compare-pause", "switch-language"}
    english, chinese = dictionary("en"), dictionary("zh")
    same = {chinese[key] for key in english if english[key] == chinese[key]}
    for part in config["components"]:
        if words_of(part) and part["props"].get("elem_id") not in drawn:
            update = there[outputs.index(part["id"])]
            said = apart(value for name, value in update.items() if name in (*SHOWN, "value"))
            assert said, part["props"].get("elem_id")
            assert all(text in chinese.values() for text in said)
            assert all(re.search(r"[\u4e00-\u9fff]", text) or text in same for text in said), said


def test_progress_is_told_to_one_input_alone(config: dict[str, Any]) -> None:
    """For every message the page copies all that those who are told of it hold: that is one input without words."""
    links = [part["id"] for part in config["components"] if part["props"].get("elem_id") == "link"]
    told = [event["show_progress_on"] for event in config["dependencies"] if event["show_progress"] == "hidden"]
    assert told == [links] * len(told)
    assert len(told) > 0.9 * len(config["dependencies"])


def test_language_that_nobody_speaks_becomes_english(demo: Any) -> None:
    """A hand-made value of the hidden language field does no harm."""
    (switch,) = handlers(demo, "switch")
    assert switch("${alert(1)}")[0] == "en"


@pytest.mark.parametrize(
    ("wish", "header", "language"),
    [("", "zh-CN,zh;q=0.9", "zh"), ("", None, "en"), ("en", "zh-CN", "en"), ("zh", "en", "zh"), ("xx", "zh", "zh")],
)
def test_page_opens_in_the_visitors_language(demo: Any, wish: str, header: str | None, language: str) -> None:
    """A link's or a remembered language wins over the browser's; one that we do not speak does not."""
    (hello,) = handlers(demo, "hello")
    headers = {"accept-language": header} if header else {}
    answer = hello("ann", wish, SimpleNamespace(session_hash="language", headers=headers))
    assert answer[:2] == ["ann", language]
    assert {"value": say("train.start", language), "__type__": "update"} in answer


def test_every_input_can_be_used(config: dict[str, Any]) -> None:
    """Each component that an event reads is interactive: what is only an output would come back read-only."""
    parts = {part["id"]: part for part in config["components"]}
    read = {number for event in config["dependencies"] for number in event["inputs"]}
    assert len(read) > 50
    frozen = [
        parts[number]["props"].get("elem_id")
        for number in read
        if parts[number]["props"].get("visible") is True
        # What is drawn by a script of ours is never read-only.
        and parts[number]["type"] != "html"
        and parts[number]["props"].get("interactive") is not True
    ]
    assert frozen == []


def test_everything_tested_or_pressed_has_a_name(config: dict[str, Any]) -> None:
    """No two components share an id in the document."""
    names = [part["props"].get("elem_id") for part in config["components"] if part["props"].get("elem_id")]
    assert len(names) == len(set(names))


def test_heavy_libraries_wait_for_a_job() -> None:
    """Importing app builds the whole page and loads no torch, torchaudio, transformers or scikit-learn."""
    heavy = ("torch", "torchaudio", "transformers", "sklearn")
    code = f"import sys, app; print([m for m in {heavy!r} if m in sys.modules])"
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert out.stdout.strip() == "[]", out.stderr


def hand(demo: Any, path: Path, **direction: bool) -> Any:
    """What the player (`postprocess`) or a handler (`check_in_upload_folder`) gets of a file on a running server."""
    player = next(part for part in demo.blocks.values() if isinstance(part, gr.Audio))
    server = SimpleNamespace(has_launched=True, is_running=True, allowed_paths=[], blocked_paths=[])
    token = LocalContext.blocks.set(server)  # type: ignore[arg-type]
    try:
        value = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        return asyncio.run(processing_utils.async_move_files_to_cache(value, player, **direction))
    finally:
        LocalContext.blocks.reset(token)


def test_example_loads_wherever_the_app_was_started(demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example recording is handed out though it does not lie in the working directory; its neighbours are not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert hand(demo, transcribe.EXAMPLE, postprocess=True)["path"] == str(transcribe.EXAMPLE)
    assert hand(demo, transcribe.EXAMPLE, check_in_upload_folder=True)["path"] == str(transcribe.EXAMPLE)
    with pytest.raises(InvalidPathError):
        hand(demo, ROOT / "requirements.txt", postprocess=True)


def test_paths_of_the_server_are_refused(demo: Any) -> None:
    """A visitor can name no file of the server as a recording or a table, only what was uploaded."""
    for path in (ROOT / "README.md", Path("/etc/passwd"), transcribe.EXAMPLE.parent / "config.json"):
        with pytest.raises(InvalidPathError):
            hand(demo, path, check_in_upload_folder=True)


def test_charts_find_plotly_on_any_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with quotes, spaces, a # or Chinese in its name does not break the chart's script."""
    monkeypatch.setattr(chart, "PLOTLY_JS", Path('/home/o\'brien/my #1 "lab"/课/plotly.min.js'))
    with gr.Blocks(analytics_enabled=False):
        script = chart.chart().js_on_load
    assert "'/gradio_api/file=' + \"/home/o%27brien/my%20%231%20%22lab%22/%E8%AF%BE/plotly.min.js\";" in script


def test_toasts_come_from_the_queue(demo: Any) -> None:
    """Every handler that shows a toast is queued: outside the queue Gradio swallows errors' and notices' words."""
    toast = re.compile(r"gr\.(Error|Warning|Info)")
    toasting = [fn for fn in demo.fns.values() if fn.fn and toast.search(inspect.getsource(fn.fn))]
    assert {fn.name for fn in toasting} >= {"_uploaded", "begin"}
    assert [fn.name for fn in toasting if fn.queue is False] == []


# ---- what a hub and an installer read ------------------------------------------------------------------------------


def card() -> dict[str, Any]:
    """The front matter of README.md."""
    _, front, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(front)
    return found


def required() -> dict[str, str]:
    """Package → version range, from requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pairs = [re.fullmatch(r"([\w-]+)(.*)", line.partition("#")[0].strip()) for line in lines]
    return {pair[1]: pair[2] for pair in pairs if pair}


def test_readme_is_the_card_of_a_space() -> None:
    """The front matter has what a Space needs, within its limits."""
    front = card()
    assert (front["sdk"], front["app_file"]) == ("gradio", "app.py")
    assert (ROOT / front["app_file"]).exists()
    assert front["python_version"] in ("3.12.12", "3.10.13")
    assert front["license"]
    assert front["title"] == say("app.title")
    assert len(front["short_description"]) <= 60
    models = {line.split()[0] for line in front["preload_from_hub"]}
    assert models == {"openai-community/gpt2", "facebook/wav2vec2-base-960h"}
    assert models <= set(front["models"])


def test_space_gets_the_gradio_we_require() -> None:
    """The Space's sdk_version lies in the range of requirements.txt."""
    from packaging.specifiers import SpecifierSet

    wanted = SpecifierSet(required()["gradio"])
    assert wanted.contains(card()["sdk_version"])
    assert not wanted.contains("7.0.0")
    assert not wanted.contains("6.30.0")
    assert wanted.contains(gr.__version__)


def test_torch_and_torchaudio_are_the_matched_pair() -> None:
    """Both are pinned to the last versions that fit each other; everything else has a lower and an upper bound."""
    ranges = required()
    assert (ranges.pop("torch"), ranges.pop("torchaudio")) == ("==2.11.0", "==2.11.0")
    assert all(">=" in span and "<" in span for span in ranges.values()), ranges
