"""How good the network is: its marks on the validation part, on the test part when asked, and the rows behind them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gradio as gr

from bigmodel import plots
from bigmodel.datasets import drain
from bigmodel.errors import BigModelError, RunError
from bigmodel.metrics import Scores, numbers_of
from bigmodel.metrics.curves import at_threshold, in_cell
from bigmodel.runs import ENDED, Run, Shelf, Snapshot
from bigmodel.train.judging import Cut, Judged, PartName, Show, marks, part_of, probabilities
from bigmodel.ui.chart import chart, frame
from bigmodel.ui.train.listing import listing
from bigmodel.ui.train.setup import Setup
from bigmodel.ui.widgets import QUIET, number_cards
from bigmodel.ui.words import chart_words, figure, say, word

if TYPE_CHECKING:
    from bigmodel.datasets import Dataset
    from bigmodel.networks import Stack
    from bigmodel.train.finetune import Tuned
    from bigmodel.ui.live import Live
    from bigmodel.ui.train import Desk
    from bigmodel.ui.widgets import Page

PARTS: tuple[PartName, ...] = ("valid", "test")

MOST_ROWS = 60
"""Rows of a cell that are listed."""

MOST_COLUMNS = 12
"""Columns of a listed row."""


def build(page: Page, live: Live, desk: Desk) -> list[Any]:
    """The seal, the scores, the matrix with the rows behind its cells, the curves, and the threshold."""
    page.markdown("train.judge.title", elem_classes="panel-title")
    with gr.Row(equal_height=False):
        opener = page.button("train.open", elem_id="train-open", interactive=False, min_width=220, scale=0)
        part = gr.Radio(list(PARTS), value="valid", visible=False, interactive=True, elem_id="train-part")
        page.words(part, label="train.part.label", info="train.part.info")
        page.choices(part, "train.part", PARTS)
    seal = number_cards(elem_id="train-seal")
    cards = number_cards(elem_id="train-scores")
    threshold = gr.Slider(0, 1, 0.5, step=0.01, visible=False, interactive=True, elem_id="train-threshold")
    page.words(threshold, label="train.threshold.label", info="train.threshold.info")
    with gr.Row(elem_classes="charts"):
        confusion = chart(height=420, visible=False, elem_id="train-confusion", min_width=300)
        curves = chart(height=420, visible=False, elem_id="train-marks", min_width=300)
    rows = listing(elem_id="train-mistakes")
    outputs = [opener, part, seal, cards, threshold, confusion, curves, rows]
    asks = [page.visitor, page.language]

    def opened(visitor: str, language: str, request: gr.Request) -> list[Any]:
        run = live.run("train", visitor, request)
        with told(language):
            look(run)
        return view(run.snapshot() if run else None, language)

    def chosen(visitor: str, language: str, name: PartName, request: gr.Request) -> list[Any]:
        run = live.run("train", visitor, request)
        if run is not None and name in PARTS:
            run.tell(Show(name))
        return [*view(run.snapshot() if run else None, language)[:-1], None]

    def cut(visitor: str, language: str, value: float, request: gr.Request) -> list[Any]:
        run = live.run("train", visitor, request)
        if run is None:
            return [gr.skip()] * 3
        run.tell(Cut(min(1.0, max(0.0, float(value)))))
        _, _, _, numbers, _, matrix, lines, _ = view(run.snapshot(), language)
        return [numbers, matrix, lines]

    def clicked(visitor: str, language: str, event: gr.EventData, request: gr.Request) -> Any:
        run = live.run("train", visitor, request)
        with told(language):
            return behind(run, getattr(event, "place", None), language)

    opener.click(opened, asks, outputs, **QUIET)
    part.input(chosen, [*asks, part], outputs, **QUIET)
    threshold.input(cut, [*asks, threshold], [cards, confusion, curves], trigger_mode="always_last", **QUIET)
    # No waiting for the answer before: an event that waits is sent with the place of the one before it.
    confusion.select(clicked, asks, [rows], trigger_mode="multiple", **QUIET)
    return outputs


@contextmanager
def told(language: str) -> Iterator[None]:
    """What goes wrong in here is told on the page, in one sentence."""
    try:
        yield
    except BigModelError as error:
        raise gr.Error(word(error, language), print_exception=False) from None


# ---- what lies on the shelf ----------------------------------------------------------------------------------------


def final(shelf: Shelf) -> int:
    """How many epochs the network on the shelf has been trained: with patience it went back to its best one."""
    last = shelf.get("last")
    if last is None:
        return 0
    back = getattr(shelf["config"], "patience", 0) and last.best is not None
    return int(last.best if back else last.number)


def network(run: Run | None, number: int | None = None) -> tuple[Stack | Tuned, int]:
    """The network of a run as it stands, or after epoch `number`, and how many epochs it has been trained.

    While the run goes on it is a copy of the last epoch's. RunError when there is none, or none that has not diverged.
    """
    shelf = run.shelf if run is not None else {}
    if run is None or "last" not in shelf:
        raise RunError("train.no_network")
    if run.ended and number in (None, final(shelf)):
        stack, number = shelf["stack"], final(shelf)
    else:
        number = int(shelf["last"].number) if number is None else number
        if "album" not in shelf:
            raise RunError("train.tuned_wait")
        stack = shelf["album"].stack_at(number)
    if not stack.alive:
        raise RunError("train.diverged")
    return stack, number


def look(run: Run | None) -> None:
    """Open the test part for the network as it stands. The same network is looked at once."""
    stack, number = network(run)
    assert run is not None, "a network belongs to a run"
    before = [e for e in run.snapshot().events if isinstance(e, Judged) and e.part == "test"]
    if before and before[-1].number == number:
        run.tell(Show("test"))
        return
    # Of a very long run old events are thinned: the count is kept beside them.
    looks = max([run.shelf.get("looks", 0), *(e.looks for e in before)]) + 1
    run.shelf["looks"] = looks
    for event in marks(stack, run.shelf["data"], "test", number, looks):
        if event is not None:
            run.tell(event)


def behind(run: Run | None, place: object, language: str) -> dict[str, Any]:
    """The rows behind a cell (true class, predicted class) of the matrix on show: the value of the listing."""
    shown, threshold = on_show(run.snapshot() if run else None)
    if run is None or shown is None:
        raise RunError("train.no_network")
    size = len(shown.scores.classes)
    if not isinstance(place, list) or len(place) != 2 or not all(isinstance(k, int) and 0 <= k < size for k in place):
        raise RunError("train.no_cell", size=size)
    stack, _ = network(run, shown.number)
    data, (truth, guess) = run.shelf["data"], place
    part = part_of(data, shown.part)
    p = drain(probabilities(stack, part.x))[0]
    rows = in_cell(part.y, p, truth, guess, threshold)
    names = (data.classes[truth], data.classes[guess])
    key = "train.mistakes.right" if truth == guess else "train.mistakes.wrong"
    caption = say(key, language, truth=names[0], guess=names[1], count=len(rows))
    note = say("train.mistakes.first", language, count=MOST_ROWS, of=len(rows)) if len(rows) > MOST_ROWS else ""
    found, heads = rows[:MOST_ROWS], [say(f"train.mistakes.{head}", language) for head in ("truth", "guess", "share")]
    listed = [[*names, f"{p[row, guess]:.3f}"] for row in found]
    value: dict[str, Any] = {"caption": caption, "note": note, "heads": heads, "rows": listed, "pictures": None}
    if data.image:
        return {**value, "pictures": _pictures(data, part.x[found])}
    cells = cells_of(data, shown.part, found)
    columns = list(cells)[:MOST_COLUMNS]
    if len(columns) < len(list(cells)):
        value["note"] += " " + say("train.mistakes.columns", language, count=len(columns), of=len(list(cells)))
    texts = cells[columns].itertuples(index=False)
    shown_rows = [[*start, *map(_text, row)] for start, row in zip(listed, texts, strict=True)]
    return {**value, "heads": [*heads, *columns], "rows": shown_rows}


def cells_of(data: Dataset, name: PartName, rows: Any) -> Any:
    """Rows of a part as people know them (a DataFrame): the cells of the table, or the raw features."""
    import pandas as pd

    written = data.test_rows if name == "test" else data.valid_rows
    if written is not None:
        return written.iloc[rows]
    return pd.DataFrame(part_of(data, name).x[rows] * data.scale + data.mean, columns=list(data.features))


def _text(cell: object) -> str:
    if cell is None or cell != cell:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)[:80]


def _pictures(data: Dataset, x: Any) -> dict[str, Any]:
    """The dots of rows, the darkest and the brightest of the training part as black and white."""
    assert data.image is not None
    raw, all_raw = x * data.scale + data.mean, data.train.x * data.scale + data.mean
    low, high = float(all_raw.min()), float(all_raw.max())
    dots = ((raw - low) / max(high - low, 1e-9) * 255).clip(0, 255).round().astype("uint8")
    return {"width": data.image[1], "height": data.image[0], "bytes": base64.b64encode(dots.tobytes()).decode()}


# ---- the view ------------------------------------------------------------------------------------------------------


def on_show(snapshot: Snapshot | None) -> tuple[Judged | None, float]:
    """The marks that are on show and the threshold: the newest of the part that was chosen or opened last."""
    events: Sequence[Any] = snapshot.events if snapshot else ()
    judged = [event for event in events if isinstance(event, Judged)]
    asked = (e.part for e in reversed(events) if isinstance(e, Show) or (isinstance(e, Judged) and e.part == "test"))
    part = next(asked, "valid")
    shown = next((event for event in reversed(judged) if event.part == part), None)
    cut = next((event.threshold for event in reversed(events) if isinstance(event, Cut)), 0.5)
    ended = snapshot is not None and snapshot.state in ENDED
    return shown, cut if ended and shown and shown.curves and shown.curves.cuts else 0.5


def view(snapshot: Snapshot | None, language: str) -> list[Any]:
    """Seal, scores, matrix and curves of a run as it stands."""
    events = snapshot.events if snapshot else ()
    setup = next((event for event in events if isinstance(event, Setup)), None)
    shown, threshold = on_show(snapshot)
    opened = [event for event in events if isinstance(event, Judged) and event.part == "test"]
    ended = snapshot is not None and snapshot.state in ENDED
    there = any(isinstance(event, Judged) for event in events)
    seal = say("train.open.count", language, looks=opened[-1].looks) if opened else say("train.open.info", language)
    part = gr.update(visible=bool(opened), value=shown.part) if opened and shown else gr.update(visible=False)
    beside = [gr.update(interactive=there), part, {"note": seal, "cards": []}]
    if shown is None:
        hidden = [gr.update(value=None, visible=False) for _ in range(2)]
        return [*beside, score_cards(None, None, setup, language), gr.update(visible=False), *hidden, None]
    moved = bool(shown.curves and shown.curves.cuts and threshold != 0.5)
    assert not moved or shown.curves is not None
    scores = at_threshold(shown.scores, shown.curves, threshold) if moved and shown.curves else shown.scores
    words = chart_words(language)
    matrix = frame(plots.confusion(scores.confusion, scores.classes, words))
    past = snapshot.past if snapshot else None
    if past is not None and past.confusion:
        figure = plots.confusion(past.confusion, past.classes, words)
        figure.layout.meta = {"caption": say("train.past.confusion", language, number=past.number)}
        matrix = frame(figure)
    lines = frame(plots.marks(shown.curves, scores.classes, words, threshold)) if shown.curves else None
    slides = bool(ended and shown.curves and shown.curves.cuts)
    return [
        *beside,
        score_cards(shown, scores, setup, language),
        gr.update(visible=slides, value=threshold) if slides else gr.update(visible=False),
        gr.update(value=matrix, visible=True),
        gr.update(value=lines, visible=lines is not None),
        gr.skip(),
    ]


def score_cards(shown: Judged | None, scores: Scores | None, setup: Setup | None, language: str) -> dict[str, Any]:
    """The numbers with what is known of their luck, or a hint at what will stand here."""
    if shown is None or scores is None:
        return {"note": say("train.scores.later", language), "cards": []}
    spreads = {spread.name: spread for spread in scores.spreads}
    cards = []
    for name, value in numbers_of(scores).items():
        more = []
        if name == "accuracy":
            more.append(say("train.scores.interval", language, low=scores.interval[0], high=scores.interval[1]))
        if name in spreads:
            spread = spreads[name]
            more.append(say("train.scores.spread", language, mean=spread.mean, deviation=spread.deviation))
        shown_as = "–" if value != value else figure(value, ".3f")
        cards.append((say(f"train.scores.{name}", language), shown_as, " · ".join(more)))
    note = say(f"train.scores.{shown.part}", language, rows=scores.rows, number=shown.number)
    note += " " + say(f"train.scores.note.{scores.average}", language, positive=scores.classes[-1])
    if len(scores.members) > 1:
        low, high = min(scores.members), max(scores.members)
        note += " " + say("train.scores.seeds", language, count=len(scores.members), low=low, high=high)
    for notice in setup.notices if setup else ():
        note += " " + say(f"datasets.notice.{notice.key}", language, **dict(notice.values))
    return {"note": note, "cards": cards}
