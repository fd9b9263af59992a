"""Use it: the network of the run, or one that was saved, predicts a row that is typed and a file that is dropped.

The run's own network as far as it is trained, or as it was in the epoch that is looked at; the bars move as it learns.
A loaded network stays in use until its file is taken away, over a reload too. Whose file or run that is, the page's own
fields say; the place of the file alone is remembered (see `loaded.py`).
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel.errors import BigModelError
from bigmodel.predict import as_csv
from bigmodel.runs import ENDED, Run, Snapshot
from bigmodel.train import Epoch
from bigmodel.ui.data import FILES
from bigmodel.ui.live import owner_of
from bigmodel.ui.train.chances import chances
from bigmodel.ui.train.dropped import dropped, name_of, note, parcel, skipping
from bigmodel.ui.train.dropped import predicted as predicted_rows
from bigmodel.ui.train.judge import told
from bigmodel.ui.train.listing import listing
from bigmodel.ui.train.loaded import Loaded
from bigmodel.ui.train.rowform import row_form
from bigmodel.ui.train.setup import Setup, tuned
from bigmodel.ui.train.using import Use, bars, cells_from, example, form_of, in_use, predicted
from bigmodel.ui.train.using import told as which
from bigmodel.ui.widgets import QUIET, number_cards
from bigmodel.ui.words import say, word

if TYPE_CHECKING:
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page

# The files are made in the browser from what it is sent: nothing is left on the server's disk.
_SAVE = """
watch('value', () => {
    const {name, content} = props.value || {};
    if (!name) return;
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([bytes], {type: 'application/octet-stream'}));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});
"""

# The form itself asks for the bars when the network has moved on: only it knows what has been typed since. Its cells
# are read when they are sent: an event that has had to wait is sent with the data of the one before it.
_ASK = "() => { document.querySelector('#train-use-form .rowform')?.ask?.(); }"
_READ = """(visitor, language, file, sent, now) => {
    const form = document.querySelector('#train-use-form .rowform');
    return [visitor, language, file, sent, JSON.stringify(form?.read?.() ?? [])];
}"""
_HIDDEN = ("state", "cells", "key", "now")

# One long file at a time for each worker: rows that are typed meanwhile do not wait for it.
_LONG: dict[str, Any] = {**QUIET, "concurrency_limit": 2, "concurrency_id": "predict"}


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """Which network, the form with its bars, and the file with its table."""
    page.markdown("train.use.title", elem_classes="panel-title")
    page.markdown("train.use.info", elem_classes="hint")
    with gr.Row(equal_height=False, elem_classes="charts"):
        with gr.Column(min_width=260):
            save = page.button("train.use.save", size="sm", elem_id="train-use-save", interactive=False)
            about = number_cards(elem_id="train-use-which")
        with gr.Column(min_width=260):
            network = gr.File(file_types=[".zip"], interactive=True, elem_id="train-use-network", height=140)
            page.words(network, label="train.use.load")
            page.markdown("train.use.load.info", elem_classes="hint")
    with gr.Row(equal_height=False, elem_classes="charts"):
        with gr.Column(min_width=300, scale=3):
            another = page.button("train.use.example", size="sm", elem_id="train-use-example", interactive=False)
            form = row_form(elem_id="train-use-form")
        with gr.Column(min_width=300, scale=2):
            shown = chances(elem_id="train-use-chances")
    table = gr.File(file_types=list(FILES), interactive=True, elem_id="train-use-table", height=140)
    page.words(table, label="train.use.table")
    page.markdown("train.use.table.info", elem_classes="hint")
    with gr.Row(elem_classes="actions"):
        again = page.button("train.use.again", size="sm", elem_id="train-use-again", visible=False)
        keep = page.button("train.use.keep", size="sm", elem_id="train-use-keep", visible=False)
    cards = number_cards(elem_id="train-use-numbers", visible=False)
    rows = listing(elem_id="train-use-rows", visible=False)
    saver = gr.HTML(None, html_template="<span></span>", js_on_load=_SAVE, elem_id="train-use-saver", padding=False)
    # What moves the panel, the cells that were predicted last, what the form is for, and the cells to predict.
    state, cells, key, now = (gr.Textbox("", visible="hidden", elem_id=f"train-use-{name}") for name in _HIDDEN)
    asks = [page.visitor, page.language, network]
    _connect_row(page, live, asks, (state, cells, key, now), (about, form, shown, another), network)
    _remember(page, network)
    _connect_files(live, asks, (save, again, keep), (table, cards, rows, saver))
    return [save, state]


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """Whether there is anything to save; and a text that changes when the run's network does, at most once a second."""
    last = next((e for e in reversed(snapshot.events) if isinstance(e, Epoch)), None) if snapshot else None
    if snapshot is None or last is None:
        return [gr.update(interactive=False), "none"]
    setup = next((event for event in snapshot.events if isinstance(event, Setup)), None)
    over = snapshot.state in ENDED
    past = snapshot.past.number if snapshot.past else "now"
    pace = f"{last.number} ended" if over else str(int(snapshot.seconds))
    # What an encoder has become is there at the end: no copies of it are kept on the way.
    ready = over or not tuned(snapshot.events)
    return [gr.update(interactive=ready), f"{zlib.crc32(repr(setup).encode()):08x} {past} {pace}"]


def _remember(page: Page, network: gr.File) -> None:
    """A page that opens again shows the file that its visitor had loaded."""
    loaded = Loaded()

    def keep(visitor: str, file: str | None, request: gr.Request) -> None:
        loaded.keep(owner_of(visitor, request), file)

    def again(visitor: str, file: str | None, request: gr.Request) -> Any:
        known = None if file else loaded.of(owner_of(visitor, request))
        return gr.update(value=known) if known else gr.skip()

    network.change(keep, [page.visitor, network], None, trigger_mode="always_last", **QUIET)
    page.visitor.change(again, [page.visitor, network], [network], **QUIET)


# ---- the row -------------------------------------------------------------------------------------------------------


def _connect_row(page: Page, live: Live, asks: list[Any], hidden: Any, parts: Any, network: Any) -> None:
    """The form follows the network in use; a row that is typed, drawn or taken from the test part is predicted."""
    (state, cells, key, now), (about, form, shown, another) = hidden, parts

    def follow(visitor: str, language: str, file: str | None, sent: str, before: str, request: gr.Request) -> list[Any]:
        return followed(live.run("train", visitor, request), file, sent, before, language)

    def typed(visitor: str, language: str, file: str | None, sent: str, row: str, request: gr.Request) -> list[Any]:
        with told(language):
            use = in_use(live.run("train", visitor, request), file)
            return answered(use, row, sent, language)

    def taken(visitor: str, language: str, file: str | None, sent: str, request: gr.Request) -> list[Any]:
        with told(language):
            use = in_use(live.run("train", visitor, request), file)
            found, truth = another_one(use, sent, random.randrange(1 << 30))
            fields = form_of(use, found, language)
            return [fields, bars(use, predicted(use, found), truth, language), json.dumps([found, truth])]

    follows = [about, form, shown, cells, key, another]
    form.select(typed, [*asks, cells, now], [shown, cells], js=_READ, trigger_mode="always_last", **QUIET)
    moves = [
        moved(follow, [*asks, cells, key], follows, trigger_mode="always_last", **QUIET)
        for moved in (state.change, network.change, page.language.change)
    ]
    # An answer to an earlier row may come last: the form asks once more for the one it shows.
    for moved in (*moves, another.click(taken, [*asks, cells], [form, shown, cells], **QUIET)):
        moved.success(None, None, None, js=_ASK, **QUIET)


def followed(run: Run | None, file: str | None, sent: str, before: str, language: str) -> list[Any]:
    """Which network is in use, its form and the bars of the row; `sent` are the cells of the row so far, `before` what
    the form was for. Where only the network moved on, form and bars stay as they are: the form will ask."""
    try:
        use = in_use(run, file)
        key = f"{use.key} {language}"
        if key == before:
            return [note(which(use, language)), *[gr.skip()] * 5]
        same = before.split(" ")[0] == use.key
        cells, truth = _sent(sent) if same else example(use)
        cells = cells_from(cells, use)
        fields, found = form_of(use, cells, language), bars(use, predicted(use, cells), truth, language)
        can_take = gr.update(interactive=use.data is not None)
        return [note(which(use, language)), fields, found, json.dumps([cells, truth]), key, can_take]
    except BigModelError as error:
        # Before any training that is no mistake.
        early = not file and error.key == "train.no_network"
        text = say("train.use.later", language) if early else word(error, language)
        return [note(text), None, None, "", "", gr.update(interactive=False)]


def another_one(use: Use, sent: str, number: int) -> tuple[list[str], str]:
    """The cells and the class of this row of the test part; of the next where that is the row already there."""
    found = example(use, number)
    return example(use, number + 1) if found[0] == _sent(sent)[0] else found


def answered(use: Use, row: str, sent: str, language: str) -> list[Any]:
    """The bars of the cells that the form sent, and those cells; what is true of the row `sent` last is true of the
    same row still."""
    cells, (before, truth) = cells_from(_json(row), use), _sent(sent)
    truth = truth if cells == before else ""
    return [bars(use, predicted(use, cells), truth, language), json.dumps([cells, truth])]


def _sent(text: str) -> tuple[list[str], str]:
    """The cells and the true class that the page holds: it might hold anything."""
    known = _json(text)
    cells, truth = known if isinstance(known, list) and len(known) == 2 else ([], "")
    return cells if isinstance(cells, list) else [], str(truth)[:200]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


# ---- files ---------------------------------------------------------------------------------------------------------


def _connect_files(live: Live, asks: list[Any], buttons: Any, parts: Any) -> None:
    """A dropped table is predicted at once; the buttons do it again, hand it over, and save the network."""
    (save, again, keep), (table, cards, rows, saver) = buttons, parts

    def predict(
        visitor: str, language: str, network: str | None, file: str | None, request: gr.Request
    ) -> Iterator[list[Any]]:
        if not file:
            yield [gr.update(value=None, visible=False)] * 2 + [gr.update(visible=False)] * 2
            return
        there = [gr.update(visible=True)] * 2
        with told(language):
            steps = dropped(in_use(live.run("train", visitor, request), network), file, language)
            for numbers, found in steps:
                table_too = gr.update(value=found, visible=found is not None)
                yield [gr.update(value=numbers, visible=True), table_too, *there]

    def hand_over(
        visitor: str, language: str, network: str | None, file: str | None, request: gr.Request
    ) -> Iterator[Any]:
        with told(language):
            use = in_use(live.run("train", visitor, request), network)
            if not file:
                return
            frame, found, _ = yield from skipping(predicted_rows(use, file))
            yield parcel("predictions.csv", as_csv(frame, found).encode("utf-8-sig"))

    def saved(visitor: str, language: str, request: gr.Request) -> dict[str, Any]:
        from bigmodel.saved import dump

        with told(language):
            use = in_use(live.run("train", visitor, request), None)
            return parcel(name_of(use), dump(use.model))

    outputs = [cards, rows, again, keep]
    # Another network makes the table another one.
    gr.on([table.change, again.click, asks[2].change], predict, [*asks, table], outputs, **_LONG)
    keep.click(hand_over, [*asks, table], [saver], **_LONG)
    save.click(saved, asks[:2], [saver], **QUIET)
