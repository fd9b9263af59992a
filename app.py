"""BigModel Lab: the table of contents. Run `python app.py` and open http://127.0.0.1:7860."""

from __future__ import annotations

import os
from typing import Any

# OpenMP threads that spin at barriers on two busy cores are 10 to 20 times slower than one: set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import gradio as gr

from bigmodel.runs import Runs, Store
from bigmodel.ui import compare, generate, masthead, train, transcribe
from bigmodel.ui.chart import serve_plotly
from bigmodel.ui.live import Live
from bigmodel.ui.theme import css, theme
from bigmodel.ui.widgets import Page


def build(runs: Runs | None = None) -> gr.Blocks:
    """The page: a header and four tabs, all driven by the runs of their visitors."""
    serve_plotly()
    with gr.Blocks(title="BigModel Lab", fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
        page = Page()
        live = Live(runs or Runs(slots=max(2, os.cpu_count() or 2), store=Store(os.environ.get("BIGMODEL_DATA"))), page)
        switcher = masthead.build(page)
        with gr.Tabs() as tabs:
            with page.tab("train"):
                desk = train.build(page, live)
            with page.tab("compare"):
                compare.build(page, live, tabs, desk)
            with page.tab("generate"):
                generate.build(page, live)
            with page.tab("transcribe"):
                transcribe.build(page, live)
        masthead.connect(blocks, switcher, page, live)
    return blocks.queue(max_size=64, default_concurrency_limit=None, api_open=False)


def launch_arguments() -> dict[str, Any]:
    """Safe by default: this machine only, nothing shared, stored or measured. Gradio's own variables still override."""
    return {
        "theme": theme(),
        "css": css(),
        "share": False,
        "max_file_size": "200mb",
        "enable_monitoring": False,
        "run_history": False,
        "strict_cors": True,
        "ssr_mode": False,
        "state_session_capacity": 300,
        "footer_links": [],
    }


demo = build()

if __name__ == "__main__":
    demo.launch(**launch_arguments())
