"""What can be taken away of a training: a plain PyTorch script that makes the same curve, and the curve as a table."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.errors import RunError
from bigmodel.runs import Run, Snapshot
from bigmodel.train import Epoch
from bigmodel.ui.train.judge import QUIET, told

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page

# The files are made in the browser from what it is sent: nothing is left on the server's disk.
_SCRIPT = """
watch('value', () => {
    for (const {name, content} of (props.value || {}).files || []) {
        const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
        const link = document.createElement('a');
        link.href = URL.createObjectURL(new Blob([bytes], {type: 'text/plain;charset=utf-8'}));
        link.download = name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }
});
"""


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """Two buttons, and what hands their files to the browser."""
    page.markdown("train.take.title", elem_classes="panel-title")
    with gr.Row(elem_classes="actions"):
        script = page.button("train.take.script", size="sm", elem_id="train-take-script", interactive=False)
        curve = page.button("train.take.curve", size="sm", elem_id="train-take-curve", interactive=False)
    page.markdown("train.take.info", elem_classes="lesson")
    saver = gr.HTML(None, html_template="<span></span>", js_on_load=_SCRIPT, elem_id="train-take-saver", padding=False)

    def take(make: Any) -> Any:
        def taken(visitor: str, language: str, request: gr.Request) -> dict[str, Any]:
            with told(language):
                return sent(make(live.run("train", visitor, request)))

        return taken

    asks = [page.visitor, page.language]
    script.click(take(scripts), asks, [saver], **QUIET)
    curve.click(take(table), asks, [saver], **QUIET)
    return [script, curve]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """The buttons may be pressed as soon as there is an epoch."""
    there = snapshot is not None and any(isinstance(event, Epoch) for event in snapshot.events)
    return [gr.update(interactive=there)] * 2


def scripts(run: Run | None) -> dict[str, str]:
    """The script of a run as far as it came, with its data where that is an own table."""
    from bigmodel.export import Training, files

    shelf = run.shelf if run is not None else {}
    last = shelf.get("last")
    if last is None:
        raise RunError("train.no_network")
    return files(Training(shelf["config"], shelf["source"].config, shelf["data"], last, shelf.get("origin")))


def table(run: Run | None) -> dict[str, str]:
    """The curve of a run, an epoch a line."""
    from bigmodel.export import curve

    epochs = [event for event in run.snapshot().events if isinstance(event, Epoch)] if run is not None else []
    if not epochs:
        raise RunError("train.no_network")
    return {"curve.csv": curve(epochs)}


def sent(files: dict[str, str]) -> dict[str, Any]:
    """Files as the page takes them. Pressed twice is two presses: the page acts on what has changed."""
    coded = [{"name": name, "content": base64.b64encode(text.encode()).decode()} for name, text in files.items()]
    return {"files": coded, "pressed": time.time_ns() // 1_000_000}
