"""The Generate tab's view: pieces in, values out; and the menu of models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bigmodel.checkpoints import Fetched, ModelInfo, Opening
from bigmodel.errors import ModelError
from bigmodel.ui import generate, models
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import piece, sent, snapshot, strict

ASKED = generate.Asked(7, "I love", "text-en")
CHOOSING = models.Choosing("gpt2", "text-en")


def written(count: int) -> list[object]:
    """A text of so many tokens, its prompt read in two parts."""
    return [ASKED, piece(0, "", read=1), piece(0, "", read=3), *(piece(k) for k in range(1, count + 1))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_idle_tab_has_a_hint(language: str) -> None:
    """Before any text there is an empty page and a word on how to read it."""
    text, cards = generate.view(None, language)
    assert text["pieces"] == []
    assert cards == {"cards": [], "note": say("generate.hint", language)}


def test_text_is_the_prompt_and_its_pieces() -> None:
    """The page gets the prompt and each token with its probability and rivals; reading the prompt is no token."""
    text, cards = generate.view(snapshot(*written(3)), "en")
    assert (text["run"], text["prompt"], text["live"]) == (7, "I love", True)
    assert len(text["pieces"]) == 3
    shown, token, probability, rivals = text["pieces"][0]
    assert (shown, token, probability) == (" word", " word", 0.5)
    assert rivals[0] == ["rival 0", 0.12346, 0.23457]
    assert [value for _, value in cards["cards"]] == ["3", "123", "7", "6 / 512"]
    strict([text, cards])


@pytest.mark.parametrize(
    ("token", "signs"),
    [
        ("a b", []),
        (" word", []),
        (" ", ["␣", "space"]),
        ("\n\n", ["↵↵", "newline × 2"]),
        ("\t ", ["⇥␣", "tab, space"]),
        ("\u200b", ["␢", "zero-width space"]),
        ("\u200d", ["U+200D", "U+200D"]),
        ("", ["∅", "nothing"]),
    ],
)
def test_an_invisible_rival_has_a_sign_and_a_name(token: str, signs: list[str]) -> None:
    """A token that shows nothing is told by a sign and by its name; others stand as they are."""
    assert generate.signs(token, "en") == signs
    one = piece(1)
    blank = replace(one, candidates=(replace(one.candidates[0], token=token), *one.candidates[1:]))
    assert generate.row(blank, "en")[3][0] == [token, 0.12346, 0.23457, *signs]


@pytest.mark.parametrize("state", ["done", "stopped", "failed"])
def test_text_stays_when_it_is_over(state: str) -> None:
    """However it ended, what was written stays and the page no longer follows the newest token."""
    error = ModelError("generate.nan") if state == "failed" else None
    text, _ = generate.view(snapshot(*written(3), state=state, error=error), "en")
    assert len(text["pieces"]) == 3
    assert text["live"] is False


def test_growing_text_only_appends() -> None:
    """Three more tokens cost what three tokens weigh, however long the text is."""
    before, after = (generate.view(snapshot(*written(n)), "en") for n in (1000, 1003))
    assert after[0]["pieces"][:1000] == before[0]["pieces"]
    assert sent(before, after) < 3 * 500 + 500


def test_hostile_text_stays_plain() -> None:
    """What a visitor or a model writes reaches the page as plain strings in `value`, untouched."""
    hostile = "${alert(1)} {{value}} <img src=x onerror=alert(1)>"
    text, cards = generate.view(snapshot(generate.Asked(1, hostile, "m"), piece(1, hostile)), "en")
    assert (text["prompt"], text["pieces"][0][0]) == (hostile, hostile)
    assert "onerror" not in strict([cards])
    assert set(text) == {"run", "prompt", "live", "pieces"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_status_line(language: str) -> None:
    """Download, opening, reading, writing and the end each have their line and progress."""
    fetched = Fetched("gpt2", "model.safetensors", 100_000_000, 400_000_000, 10.0)
    line, done = generate.status_line(snapshot(ASKED, fetched), language)
    assert "model.safetensors" in line
    assert done == 0.25
    assert generate.status_line(snapshot(ASKED, Opening("gpt2", 1.5)), language)[0] == say(
        "model.opening", language, name="gpt2", seconds=1.5
    )
    line, done = generate.status_line(snapshot(ASKED, piece(0, "", read=1)), language)
    assert line == say("generate.reading", language, read=1, of=3)
    line, done = generate.status_line(snapshot(ASKED, piece(256)), language)
    assert say("generate.status", language, number=256, of=1024, seconds=1.5, speed=123.4, seed=7) == line
    assert done == 0.25
    for finish in ("length", "end", "context"):
        line, done = generate.status_line(snapshot(ASKED, piece(5, finish=finish), state="done"), language)
        assert say(f"generate.finish.{finish}", language) in line
        assert done == 1.0
    assert generate.status_line(snapshot(ASKED), language) == ("", 0.0)


def test_download_of_unknown_size_has_no_progress() -> None:
    """A download that does not know its size, or has only begun, divides by nothing."""
    for event in (Fetched("m", "f", 0, 0, 0.0), Fetched("m", "f", 5, 0, 1.0), Fetched("m", "f", 0, 10, 0.0)):
        assert models.opening_line(event, "en")[1] == 0.0


# ---- the menu of models -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_menu_goes_back_when_a_model_cannot_be_had(state: str) -> None:
    """After a failed choice the menu shows what was chosen before."""
    error = ModelError("model.missing", name="gpt2") if state == "failed" else None
    menu, chosen, own = models.view(snapshot(CHOOSING, state=state, error=error), "en", "text-en")
    assert (menu["value"], chosen, own) == ("text-en", "text-en", "")
    again = models.Choosing("no/such", "gpt2")
    assert models.view(snapshot(again, state=state, error=error), "en", "text-en")[1:] == ["gpt2", "gpt2"]


def test_menu_keeps_a_model_that_is_ready() -> None:
    """Once a model is open it is what the menu shows and goes back to, and a hand's choice: after a reload too."""
    menu, chosen, own = models.view(snapshot(CHOOSING, Opening("gpt2", 2.0), state="done"), "en", "text-en")
    assert (menu["value"], chosen, own) == ("gpt2", "gpt2", "gpt2")


def test_menu_says_what_comes_and_is_left_alone_before() -> None:
    """While a model comes the menu shows it and would still go back; where none was ever chosen nothing is touched."""
    for run in (None, snapshot()):
        assert all("value" not in update for update in models.view(run, "en", "text-en"))
    for run in (snapshot(CHOOSING), snapshot(CHOOSING, Opening("gpt2", 2.0))):
        menu, *others = models.view(run, "en", "text-en")
        assert menu["value"] == "gpt2"
        assert all("value" not in update for update in others)


@pytest.mark.parametrize("language", LANGUAGES)
def test_menu_says_ready_when_it_is_and_not_before(language: str) -> None:
    """The line under the menu says ready at the end, also when nothing had to be fetched; before it does not."""
    ready = say("model.ready", language, name="gpt2")
    assert models.status_line(snapshot(CHOOSING), language) == ("", 0.0)
    assert ready not in models.status_line(snapshot(CHOOSING, Opening("gpt2", 2.0)), language)[0]
    for events in ((CHOOSING,), (CHOOSING, Opening("gpt2", 2.0))):
        assert models.status_line(snapshot(*events, state="done"), language) == (ready, 1.0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_menu_says_size_and_place(language: str) -> None:
    """An entry of the menu tells name, megabytes and whether it must be downloaded."""
    fields = dict.fromkeys(ModelInfo.__dataclass_fields__, "")
    info = ModelInfo(**{**fields, "name": "gpt2", "size_mb": 548.1, "source": "hub"})
    assert models.title(info, language) == f"gpt2 · 548 MB · {say('model.source.hub', language)}"


def test_the_shipped_model_is_opened_with_its_tab(demo: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening Generate or Transcribe begins to open its shipped model, so that the first press need not wait for it."""
    asked = []
    monkeypatch.setattr(models, "ready", lambda name, task: iter(asked.append((name, task)) or [Opening(name, 0.0)]))
    for fn in demo.fns.values():  # type: ignore[attr-defined]
        if any(event == "select" and demo.blocks[block].__class__.__name__ == "Tab" for block, event in fn.targets):  # type: ignore[attr-defined]
            fn.fn()
    assert sorted(asked) == [("speech-en", "speech"), ("text-en", "text")]
