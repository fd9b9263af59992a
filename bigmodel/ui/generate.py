"""The Generate tab: a prompt goes on, token by token, and every choice can be looked into."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from bigmodel.checkpoints import Fetched, Opening, load_text, ready
from bigmodel.errors import BigModelError, ConfigError
from bigmodel.generate import GenerateConfig, Piece, generate
from bigmodel.runs import Shelf, Snapshot
from bigmodel.ui.live import Controls, Live, Start
from bigmodel.ui.models import ModelMenu, opening_line
from bigmodel.ui.prose import prose
from bigmodel.ui.widgets import QUIET, Form, Page, number_cards, status_bar
from bigmodel.ui.words import say

SAMPLING = ("top_k", "top_p", "min_p", "repetition_penalty")
# The examples, each with the shipped model that was made for its language.
EXAMPLES = {
    "love": "text-en",
    "once": "text-en",
    "rain": "text-en",
    "crane": "text-zh",
    "spring": "text-zh",
    "hare": "text-zh",
}
# A click fills in the prompt and changes between the shipped models; any other choice of a model stays.
TRY = """(text, model) => {
  const name = ["text-en", "text-zh"].includes(model) ? "%s" : model;
  return [text, name, name, ""];
}"""
# A typed prompt too: the model of the other language could make nothing of it. What a hand has chosen stays.
FOLLOW = """(text, model, own) => {
  if (own === model) return [model, model];
  const han = /\\p{Script=Han}/u.test(text), shipped = ["text-en", "text-zh"].includes(model);
  const name = shipped && (han || /[a-z]/i.test(text)) ? (han ? "text-zh" : "text-en") : model;
  return [name, name];
}"""
# What shows nothing, with its stand-in and the key of its name.
SIGNS = {
    " ": ("␣", "space"),
    "\n": ("↵", "newline"),
    "\r": ("␍", "return"),
    "\t": ("⇥", "tab"),
    "\u00a0": ("⍽", "nbsp"),
    "\u200b": ("␢", "zero"),
    "\u3000": ("□", "wide"),
}
LONGEST_PROMPT = 20_000
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Asked:
    """What was asked for. `run` tells one text from the next."""

    run: int
    prompt: str
    model: str


def build(page: Page, live: Live) -> None:
    """Controls left, the text right."""
    form = Form(page, GenerateConfig)
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=1, min_width=320, elem_classes="controls"):
            prompt = _prompt(page)
            with gr.Row(elem_classes="actions first"):
                start = page.button("generate.start", variant="primary", elem_id="generate-start")
                stop = page.button("live.stop", variant="stop", interactive=False, elem_id="generate-stop")
            with gr.Row(elem_classes="actions examples"):
                examples = {
                    page.button(f"generate.example.{name}", size="sm", elem_id=f"generate-example-{name}"): model
                    for name, model in EXAMPLES.items()
                }
            menu = ModelMenu(page, live, "text", "text-en")
            _choose_by_language(prompt, menu, examples)
            form.field("temperature")
            form.field("max_new_tokens")
            form.field("seed")
            form.section("generate.sampling", SAMPLING)
        with gr.Column(scale=2, min_width=320, elem_classes="results"):
            status = status_bar(elem_id="generate-status")
            text = prose(elem_id="generate-text")
            cards = number_cards(elem_id="generate-cards")

    def prepare(language: str, asked: str, model: str, *values: Any) -> Start:
        return writing(form.read(values), asked, model)

    live.connect(
        "generate",
        Controls(status, start, stop),
        prepare,
        [prompt, menu.menu, *form.inputs],
        view,
        [text, cards],
        status=status_line,
        every=0.06,
    )


def _prompt(page: Page) -> gr.Textbox:
    box = gr.Textbox(
        "I love",
        lines=3,
        max_lines=8,
        max_length=LONGEST_PROMPT,
        interactive=True,
        elem_id="generate-prompt",
        elem_classes="first",
    )
    page.words(box, label="generate.prompt.label", info="generate.prompt.info")
    return box


def _choose_by_language(prompt: gr.Textbox, menu: ModelMenu, examples: dict[gr.Button, str]) -> None:
    """Let the examples and the prompt change between the shipped models, unless a hand has chosen."""
    for button, model in examples.items():
        outputs = [prompt, menu.menu, menu.chosen, menu.own]
        button.click(None, [button, menu.menu], outputs, js=TRY % model, **QUIET)
    asked, chosen = [prompt, menu.menu, menu.own], [menu.menu, menu.chosen]
    prompt.change(None, asked, chosen, js=FOLLOW, **QUIET)


def writing(config: GenerateConfig, asked: str, model: str) -> Start:
    """A run that opens the model and lets it go on from `asked`. Raises ConfigError where that is too long."""
    if len(asked) > LONGEST_PROMPT:
        raise ConfigError((BigModelError("generate.prompt", length=len(asked), most=LONGEST_PROMPT),))

    def job(shelf: Shelf) -> Iterator[Any]:
        yield Asked(next(_numbers), asked, model)
        yield from ready(model, "text")
        yield from generate(config, asked, load_text(model))

    return Start(job)


def view(snapshot: Snapshot | None, language: str) -> Sequence[Any]:
    """The text so far with each token's rivals, and its figures."""
    events = snapshot.events if snapshot else ()
    asked = next((event for event in events if isinstance(event, Asked)), None)
    pieces = [event for event in events if isinstance(event, Piece) and event.number]
    if snapshot is None or asked is None:
        blank = {"run": 0, "prompt": "", "pieces": [], "later": say("generate.later", language)}
        return [blank, {"cards": [], "note": say("generate.hint", language)}]
    last = pieces[-1] if pieces else None
    cards = []
    if last is not None:
        cards = [
            (say("generate.card.tokens", language), f"{last.number}"),
            (say("generate.card.speed", language), f"{last.tokens_per_second:.0f}"),
            (say("generate.card.seed", language), f"{last.seed}"),
            (say("generate.card.context", language), f"{last.prompt_tokens + last.number} / {last.context}"),
        ]
    live = snapshot.state in ("running", "waiting")
    written = {
        "run": asked.run,
        "prompt": asked.prompt,
        "live": live,
        "pieces": [row(piece, language) for piece in pieces],
    }
    return [written, {"cards": cards, "note": say("generate.hint", language)}]


def row(piece: Piece, language: str) -> list[Any]:
    """A piece as the page takes it."""
    rivals = [
        [c.token, round(c.probability, 5), round(c.after, 5), *signs(c.token, language)] for c in piece.candidates
    ]
    return [piece.text, piece.token, round(piece.probability, 5), rivals]


def signs(token: str, language: str) -> list[str]:
    """A visible stand-in for a token that shows nothing, and its name; [] for one that can be seen."""
    if any(not letter.isspace() and unicodedata.category(letter) not in ("Cc", "Cf") for letter in token):
        return []
    names = []
    for letter, run in itertools.groupby(token):
        name = say(f"generate.sign.{SIGNS[letter][1]}", language) if letter in SIGNS else f"U+{ord(letter):04X}"
        many = len(list(run))
        names.append(f"{name} × {many}" if many > 1 else name)
    seen = "".join(SIGNS[letter][0] if letter in SIGNS else f"U+{ord(letter):04X}" for letter in token)
    return [seen or "∅", ", ".join(names) or say("generate.sign.nothing", language)]


def status_line(snapshot: Snapshot, language: str) -> tuple[str, float]:
    """Download, opening, reading or writing, with its progress."""
    last = snapshot.events[-1]
    if isinstance(last, (Fetched, Opening)):
        return opening_line(last, language)
    if not isinstance(last, Piece):
        return "", 0.0
    if not last.number:
        return say("generate.reading", language, read=last.read, of=last.prompt_tokens), last.read / last.prompt_tokens
    values = {"number": last.number, "of": last.of, "seconds": last.seconds, "speed": last.tokens_per_second}
    text = say("generate.status", language, seed=last.seed, **values)
    if last.finish:
        text += " · " + say(f"generate.finish.{last.finish}", language)
    return text, 1.0 if last.finish else last.number / last.of
