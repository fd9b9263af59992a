"""The Compare tab: learning rates raced side by side, ranked, and the best one handed to Train."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from bigmodel import plots
from bigmodel.compare import CompareConfig, Rank, Ranking, Round, rank, winner
from bigmodel.runs import Shelf, Snapshot
from bigmodel.train import Progress
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.data import DataForm, Source, load
from bigmodel.ui.link import link_button
from bigmodel.ui.live import PACES, Controls, Live, Start, pace_choice, run_buttons, time_left
from bigmodel.ui.train import NETWORK, SCHEDULE, TRAINING, Desk
from bigmodel.ui.widgets import Form, Page, status_bar
from bigmodel.ui.words import chart_words, say

COLUMNS = ("place", "rate", "valid_loss", "valid_accuracy", "train_loss", "remark")


def build(page: Page, live: Live, tabs: gr.Tabs, desk: Desk) -> None:
    """Controls left, the race right; `desk` and `tabs` are where the winner goes."""
    form = Form(page, CompareConfig)
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=1, min_width=320, elem_classes="controls"):
            buttons = run_buttons(page, "compare")
            data = DataForm(page, "compare-data")
            for name in ("rates", "seeds", "epochs"):
                form.field(name)
            pace = pace_choice(page, live, "compare")
            form.section("train.network", NETWORK)
            form.section("train.training", TRAINING)
            form.section("train.timing", (*SCHEDULE, "seed"))
            share = link_button(page, "compare")
        with gr.Column(scale=2, min_width=320, elem_classes="results"):
            status = status_bar(elem_id="compare-status")
            curves = chart(height=380, elem_id="compare-curves")
            table = gr.Dataframe(headers=headers("en"), interactive=False, elem_id="compare-table")
            page.says(table, lambda language: {"headers": headers(language)})
            hand_over = page.button("compare.hand_over", interactive=False, elem_id="compare-hand-over")
            axis = chart(elem_id="compare-axis")
            page.markdown("compare.lesson", elem_classes="lesson")
    outputs = [curves, table, hand_over, axis]

    def prepare(language: str, speed: str, *values: Any) -> Start:
        choice, settings = values[: len(data.inputs)], values[len(data.inputs) :]
        return race(data.read(choice), form.read(settings), choice, PACES.get(speed, 0.0))

    inputs = [pace, *data.inputs, *form.inputs]
    live.connect("compare", Controls(status, *buttons), prepare, inputs, view, outputs, status=status_line)
    share.connect(buttons[0], data, form)

    def hand(visitor: str, request: gr.Request) -> list[Any]:
        run = live.run("compare", visitor, request)
        ranking = ranked(run.snapshot()) if run else None
        config = winner(run.shelf["config"], ranking) if run and ranking else None
        if run is None or config is None:
            return [gr.skip()] * (len(desk.inputs) + 1)
        return [*run.shelf["choice"], *desk.form.show(config), gr.update(selected="train")]

    hand_over.click(
        hand, [page.visitor], [*desk.inputs, tabs], queue=False, show_progress="hidden", api_visibility="private"
    )


def race(source: Source, config: CompareConfig, choice: tuple[Any, ...], rate: float = 0.0) -> Start:
    """A run of all rates; `choice`, the values of the data widgets, is kept for handing over."""

    def job(shelf: Shelf) -> Iterator[Any]:
        from bigmodel.compare.race import Race, run

        shelf["config"], shelf["choice"], shelf["source"] = config, choice, source
        shelf["data"] = load(source)
        shelf["race"] = Race(config, shelf["data"])
        yield shelf["race"].plan
        yield from run(shelf["race"])

    return Start(job, rate=rate)


def ranked(snapshot: Snapshot) -> Ranking | None:
    """The ranking of a race as it stands: also of one that runs, or was stopped."""
    last = next((event for event in reversed(snapshot.events) if isinstance(event, Round)), None)
    return rank(last) if last is not None else None


def view(snapshot: Snapshot | None, language: str) -> Sequence[Any]:
    """Curves, table, the button to Train and the loss by rate."""
    words = chart_words(language)
    rounds = [event for event in snapshot.events if isinstance(event, Round)] if snapshot else []
    ranking = ranked(snapshot) if snapshot else None
    rows = ranking.ranking if ranking else ()
    usable = ranking is not None and snapshot is not None and any(row.best for row in rows)
    return [
        frame(plots.rate_curves(rounds, words)),
        gr.update(value=[cells(row, language) for row in rows], headers=headers(language)),
        gr.update(interactive=usable and snapshot is not None and snapshot.state in ("done", "stopped", "paused")),
        frame(plots.rate_axis(rows, words)),
    ]


def headers(language: str) -> list[str]:
    """The first line of the table."""
    return [say(f"compare.column.{name}", language) for name in COLUMNS]


def cells(row: Rank, language: str) -> list[str]:
    """One line of the table."""
    remark = ""
    if row.diverged_at is not None:
        remark = say("compare.remark.diverged", language, step=row.diverged_at)
    elif row.best:
        remark = say("compare.remark.best", language)
    numbers = (row.valid_loss, row.valid_accuracy, row.train_loss)
    shown = [f"{value:.4f}" if math.isfinite(value) else "–" for value in numbers]
    return [str(row.place), f"{row.learning_rate:g}", *shown, remark]


def status_line(snapshot: Snapshot, language: str) -> tuple[str, float]:
    """Epoch, time, how many rates still run; the share that is done."""
    last = next((e for e in reversed(snapshot.events) if isinstance(e, (Round, Progress))), None)
    if last is None:
        return "", 0.0
    text = say("train.status", language, number=last.number, of=last.of, step=last.step, seconds=last.seconds)
    whole = next((e for e in reversed(snapshot.events) if isinstance(e, Round)), None)
    broken = sum(trial.diverged_at is not None for trial in whole.trials) if whole else 0
    if whole is not None and broken:
        text += " · " + say("compare.status.diverged", language, count=broken, of=len(whole.trials))
    return text + time_left(snapshot, last.step / max(1, last.steps), language), last.step / max(1, last.steps)
