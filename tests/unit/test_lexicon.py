"""lexicon.py knows words and which follow which; transcribe/search.py lets it have its say, and no more."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from bigmodel.lexicon import NOT_LISTED, START, Lexicon
from bigmodel.transcribe.search import Search

LINES = ["the cat sat", "the cat ran", "the dog sat", "a cat ran"] * 5
LETTERS = ("", " ", *"acdeghnorst")


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon.learn(LINES)


def frames(*heard: dict[str, float]) -> np.ndarray:
    """Log probabilities (frames, tokens): what each frame hears, the rest of its probability spread over all."""
    rows = np.full((len(heard), len(LETTERS)), 1e-6)
    for row, found in zip(rows, heard, strict=True):
        for letter, share in found.items():
            row[LETTERS.index(letter)] += share
    return np.log(rows / rows.sum(1, keepdims=True)).astype(np.float32)


def text(ids: tuple[int, ...]) -> str:
    return "".join(LETTERS[i] for i in ids)


def test_what_may_follow_a_word_sums_to_one(lexicon: Lexicon) -> None:
    """After a known word, after a strange one and at the start, the chances of all words add up to one."""
    for before in (START, NOT_LISTED, lexicon.words.index("the"), lexicon.words.index("cat")):
        total = sum(math.exp(lexicon.follow(before, word)) for word in range(len(lexicon.words)))
        assert total == pytest.approx(1, abs=1e-6)


def test_what_was_read_is_likelier(lexicon: Lexicon) -> None:
    """A pair that was read is likelier than the word alone; one that was not, less likely."""
    the, cat, ran = (lexicon.words.index(word) for word in ("the", "cat", "ran"))
    assert lexicon.follow(the, cat) > lexicon.follow(NOT_LISTED, cat)
    assert lexicon.follow(the, ran) < lexicon.follow(NOT_LISTED, ran)


def test_two_words_tell_more_than_one() -> None:
    """After "the cat" what followed these two is likelier than after "cat" alone; what only ever followed "a cat" less;
    and all together are still certain. Two words that nothing followed leave the last word as the context."""
    found = Lexicon.learn(["the cat sat", "a cat ran", "a dog"] * 3)
    the, a, cat, dog, sat, ran = (found.words.index(word) for word in ("the", "a", "cat", "dog", "sat", "ran"))
    the_cat, a_dog = found.after(the, cat), found.after(a, dog)
    assert a_dog == dog
    assert found.follow(the_cat, sat) > found.follow(cat, sat) > found.follow(the_cat, ran)
    assert sum(math.exp(found.follow(the_cat, word)) for word in range(len(found.words))) == pytest.approx(1)
    assert found.after(the_cat, sat) == found.after(cat, sat) == sat


def test_the_tree_knows_the_best_word_that_can_still_be_meant(lexicon: Lexicon) -> None:
    """Every word ends at a node of its own, and on the way the likeliest word with these letters is known."""
    for number, word in enumerate(lexicon.words):
        node = 0
        for length in range(1, len(word) + 1):
            node = lexicon.tree[node, word[length - 1]]
            able = [n for n, other in enumerate(lexicon.words) if other.startswith(word[:length])]
            assert lexicon.best[node] == max(lexicon.follow(NOT_LISTED, n) for n in able)
        assert lexicon.word_at[node] == number


def test_a_hope_is_the_best_word_after_the_one_before(lexicon: Lexicon) -> None:
    """At every node, after any word, a strange one and at the start: the most that one of the words from there gets."""
    words = range(len(lexicon.words))
    pairs = [lexicon.after(first, second) for first, second in itertools.product((START, *words), words)]
    assert set(pairs) > set(words)
    for before in (START, NOT_LISTED, *words, *pairs):
        for word in lexicon.words:
            node = 0
            for length in range(1, len(word) + 1):
                node = lexicon.tree[node, word[length - 1]]
                able = [n for n, other in enumerate(lexicon.words) if other.startswith(word[:length])]
                assert lexicon.hope(before, node) == max(lexicon.follow(before, n) for n in able)


def test_a_word_alone_counts_by_what_it_follows() -> None:
    """Kneser-Ney: "francisco" was read more often than "cat", but after one word only."""
    lines = ["san francisco"] * 9 + ["the cat", "a cat", "my cat"]
    found = Lexicon.learn(lines)
    francisco, cat = found.words.index("francisco"), found.words.index("cat")
    assert found.follow(NOT_LISTED, cat) > found.follow(NOT_LISTED, francisco)
    assert found.follow(found.words.index("san"), francisco) > found.follow(found.words.index("san"), cat)


def test_a_word_list_comes_back_from_its_file(lexicon: Lexicon, tmp_path: Path) -> None:
    """Saved and loaded, it says the same; the file is plain safetensors."""
    lexicon.save(tmp_path / "words.safetensors")
    again = Lexicon.load(tmp_path / "words.safetensors")
    assert again.words == lexicon.words
    lines = list(itertools.product(range(START, len(lexicon.words)), *[range(len(lexicon.words))] * 2))
    assert all(again.follow(again.after(a, b), c) == lexicon.follow(lexicon.after(a, b), c) for a, b, c in lines)


def test_only_the_most_frequent_are_kept() -> None:
    """Words and pairs are bounded; a pair with a word that was dropped is dropped, too."""
    small = Lexicon.learn(LINES, most_words=3, most_pairs=2)
    assert set(small.words) == {"cat", "the", "sat"} or set(small.words) == {"cat", "the", "ran"}
    assert len(small.words) == 3
    the, cat = small.words.index("the"), small.words.index("cat")
    assert small.after(the, cat) > len(small.words)
    assert Lexicon.learn(LINES, most_triples=0).after(the, cat) == cat


def test_without_weight_the_search_finds_the_likeliest_text(lexicon: Lexicon) -> None:
    """With weight 0 and no bonus it agrees with the sum over all paths, counted one by one (Graves et al. 2006)."""
    rng = np.random.default_rng(3)
    small = ("", " ", "a", "c")
    for _ in range(20):
        logits = rng.normal(0, 1.5, (5, len(small)))
        rows = (logits - np.logaddexp.reduce(logits, 1, keepdims=True)).astype(np.float32)
        totals: dict[tuple[int, ...], float] = {}
        for path in itertools.product(range(len(small)), repeat=len(rows)):
            kept = tuple(b for a, b in zip((0, *path), path, strict=False) if b != a and b != 0)
            chance = math.exp(sum(float(rows[i, token]) for i, token in enumerate(path)))
            totals[kept] = totals.get(kept, 0.0) + chance
        search = Search(small, 0, lexicon, 0.0, bonus=0.0, beam=500)
        assert search.best(rows) == max(totals, key=lambda ids: totals[ids])


def test_the_word_list_decides_what_the_ear_cannot(lexicon: Lexicon) -> None:
    """Between two letters that sound alike the word that exists wins; against a clear ear it does not."""
    unsure = frames({"c": 0.9}, {"a": 0.9}, {"d": 0.55, "t": 0.45}, {"": 1.0})
    assert text(Search(LETTERS, 0, lexicon, 0.0).best(unsure)) == "cad"
    assert text(Search(LETTERS, 0, lexicon, 0.5).best(unsure)) == "cat"
    sure = frames({"c": 1.0}, {"a": 1.0}, {"d": 1.0}, {"": 1.0})
    assert text(Search(LETTERS, 0, lexicon, 0.5).best(sure)) == "cad"


def test_the_word_before_has_its_say(lexicon: Lexicon) -> None:
    """After "the" a dog is likelier than after "a", where none was ever read."""
    heard = ({"d": 0.5, "c": 0.5}, {"o": 0.5, "a": 0.5}, {"g": 0.5, "t": 0.5}, {"": 1.0})
    after_a = frames({"a": 1.0}, {" ": 1.0}, *heard)
    assert text(Search(LETTERS, 0, lexicon, 1.0).best(after_a)) == "a cat"


def test_double_letters_need_a_blank_between_them(lexicon: Lexicon) -> None:
    """The same letter in two frames is one; with a blank between, two."""
    search = Search(LETTERS, 0, lexicon, 0.0)
    assert text(search.best(frames({"e": 1.0}, {"e": 1.0}))) == "e"
    assert text(search.best(frames({"e": 1.0}, {"": 1.0}, {"e": 1.0}))) == "ee"


def test_silence_is_no_word(lexicon: Lexicon) -> None:
    """Frames of blanks are an empty text, whatever the word list would like to hear."""
    assert Search(LETTERS, 0, lexicon, 2.0).best(frames(*[{"": 1.0}] * 30)) == ()
    assert Search(LETTERS, 0, lexicon, 2.0).best(frames()) == ()
