"""The coach's panel words every diagnosis and every mend, in both languages."""

from __future__ import annotations

import pytest

from bigmodel.train.coach import Mend
from bigmodel.ui.train import coach
from bigmodel.ui.words import LANGUAGES, dictionary

KEYS = (
    "telling", "twins", "diverged", "rate_high", "rate_leaps", "dead", "saturated", "rate_low", "collapse",
    "overfitting", "unfinished", "beaten",
)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", KEYS)
def test_every_diagnosis_has_a_name_and_a_reason(key: str, language: str) -> None:
    """What the coach can say is worded."""
    assert {f"coach.{key}", f"coach.{key}.why"} <= set(dictionary(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mend_says_what_it_does(language: str) -> None:
    """The button tells the setting and its new value, the epoch of a fork, the column that is left out."""
    fork = coach.mend_words(Mend("fork", (("dropout", 0.3),), 12), language)
    assert "0.3" in fork
    assert "12" in fork
    assert "outcome" in coach.mend_words(Mend("anew", leave_out="outcome"), language)
    assert coach.mend_words(Mend("anew", distinct=True), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_before_a_run_the_coach_has_nothing_to_mend(language: str) -> None:
    """Without a run there is a title and no advice."""
    (value,) = coach.view(None, language)
    assert value["title"]
    assert value["items"] == []
