"""The tales told by rule: each telling keeps to what it has chosen, and all that ship can be told."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bigmodel.errors import DataError
from bigmodel.recipes.text import tales
from bigmodel.recipes.text.corpus import Stream, window_batch
from bigmodel.recipes.text.tales import Tale
from bigmodel.recipes.text_en import TextEnConfig

LISTS = {"child": [("Ann", "she", "her"), ("Bo", "he", "his")], "food": [("soup",), ("apple",)]}


def told(text: str, *parts: tuple[tuple[str, ...], str], seed: int = 0) -> str:
    return tales.telling(Tale("Test", parts, text), LISTS, Random(seed))


def test_a_tale_keeps_to_what_it_has_chosen() -> None:
    """Name and pronouns come from one row, nobody has two parts, a capital is asked for by one."""
    who, friend = (("who", "he", "his"), "%child"), (("friend",), "%child")
    seen = {told("[who] has [his] hat. [He] met [friend].", who, friend, seed=seed) for seed in range(20)}
    assert seen == {"Ann has her hat. She met Bo.", "Bo has his hat. He met Ann."}


def test_every_way_is_told() -> None:
    """Choices nest, may be empty, and each comes about."""
    seen = {told("{A {big|small} dog|Cats}{| ran}.", seed=seed) for seed in range(60)}
    assert seen == {f"{who}{ran}." for who in ("A big dog", "A small dog", "Cats") for ran in ("", " ran")}


def test_an_before_a_vowel() -> None:
    """The article follows the word that was chosen."""
    assert {told("He has a [%food].", seed=seed) for seed in range(20)} == {"He has a soup.", "He has an apple."}


@pytest.mark.parametrize(
    ("text", "mark"), [("a {b|c", "{"), ("a} b", "}"), ("[nobody] came", "[nobody]"), ("[%none]", "%none")]
)
def test_marks_that_fit_nothing_are_named(text: str, mark: str) -> None:
    """A slip in a tale is one sentence with its title and the mark."""
    with pytest.raises(DataError, match=re.escape(f"“Test” has “{mark}”")):
        told(text)


def test_a_list_too_short_is_named() -> None:
    """More names than words in the rows, or more people than rows, is one sentence, too."""
    for parts in ([(("what", "its"), "%food")], [((name,), "%child") for name in "abc"]):
        with pytest.raises(DataError, match="“Test” has"):
            told("Nothing.", *parts)


def test_a_file_holds_tales() -> None:
    """Titles, parts and paragraphs are told apart."""
    one, two = tales.tales_in("# One\nwho, he: %child\nfood: soup | ham pie\nThey said: one.\n\nYes.\n\n# Two\nTwo.\n")
    assert one == Tale("One", ((("who", "he"), "%child"), (("food",), "soup | ham pie")), "They said: one.\n\nYes.")
    assert two == Tale("Two", (), "Two.")


SHELVES = pytest.mark.parametrize("shelf", ["en", "en/plain", "zh", "zh/plain"])


@SHELVES
def test_what_is_held_out_is_told_nowhere_else(shelf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fifth telling is of a fifth of the tales, and only those are of them."""
    known = tales.read(shelf)
    monkeypatch.setattr(tales, "telling", lambda tale, lists, rng: known.index(tale))
    numbers = [int(number) for number in tales.tell(shelf, 5 * len(known), 5)]
    assert {number % 5 for number in numbers[::5]} == {0}
    assert set(numbers[::5]) | {n for i, n in enumerate(numbers) if i % 5} == set(range(len(known)))
    assert all(number % 5 for i, number in enumerate(numbers) if i % 5)


def test_the_tales_are_read_more_often_at_last() -> None:
    """The share of the windows that are tales is the one that the weights say, before the rate falls and while it
    does."""
    plan = TextEnConfig.plan
    names = [source.called for source in plan.sources]
    streams = {name: Stream(np.full(64, n, np.uint16), np.zeros(1, np.int64)) for n, name in enumerate(names)}
    for done, late in ((0.2, False), (0.9, True)):
        shares = {s.called: s.weight * (s.late if late else 1) for s in plan.sources}
        config = TextEnConfig(context=16, batch=1000)
        drawn = np.concatenate([window_batch(config, streams, step, done)[:, 0] for step in range(8)])
        seen = np.mean(drawn == names.index("plain tales"))
        assert seen == pytest.approx(shares["plain tales"] / sum(shares.values()), abs=0.015)


@SHELVES
def test_all_tales_that_ship_can_be_told(shelf: str) -> None:
    """No mark is left in any telling, two tellings differ, and the shipped model knows every sign."""
    from transformers import AutoTokenizer

    language = shelf.split("/")[0]
    shipped = Path(tales.__file__).parents[2] / "pretrained" / f"text-{language}"
    tokenizer = AutoTokenizer.from_pretrained(shipped, local_files_only=True)
    lists, rng = tales.read_lists(shelf), Random(1)
    for tale in tales.read(shelf):
        one, two = (tales.telling(tale, lists, rng) for _ in range(2))
        assert not re.search(r"[\[\]{}|%#]", one + two), tale.title
        assert one != two, tale.title
        if language == "zh":  # the English tokenizer knows every byte
            strange = {sign for sign in one + two if tokenizer(sign).input_ids == [tokenizer.unk_token_id]}
            assert not strange, tale.title
