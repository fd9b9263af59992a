"""The coach's panel: worded in both languages, and its buttons start what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bigmodel.datasets import DatasetConfig
from bigmodel.errors import RunError
from bigmodel.runs import Runs
from bigmodel.train.coach import Answers, Diagnosis, Leak, Mend
from bigmodel.ui.data import Source
from bigmodel.ui.train import coach
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import epoch, epochs, setup, snapshot, strict
from tests.ui.test_steer import BASE, OWNER, begun, live, losses, runs

__all__ = ["runs"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_panel_waits_then_tells_or_is_content(language: str) -> None:
    """Before a run it says what it will do, at the end of a healthy one that nothing is wrong."""
    (value,) = coach.view(None, language)
    assert (value["calm"], value["items"]) == (say("coach.waiting", language), [])
    (value,) = coach.view(snapshot(setup(), *epochs(3)), language)
    assert value["calm"] == say("coach.waiting", language)
    run = snapshot(setup(), *(replace(epoch(n), valid_loss=0.1, train_loss=0.1) for n in range(4)), state="done")
    (value,) = coach.view(run, language)
    assert value["calm"] == say("coach.healthy", language, train=0.1, valid=0.1)


EVIDENCE: dict[str, dict[str, Any]] = {
    "diverged": {"step": 3, "rate": 1.0, "count": 1, "of": 2},
    "rate_high": {"number": 3, "loss": 1.5, "start": 0.7, "rate": 1.0},
    "rate_leaps": {"count": 3, "of": 10, "update": 0.02, "rate": 0.1},
    "rate_low": {"share": 0.01, "update": 1e-5, "rate": 1e-5},
    "dead": {"layer": 2, "share": 0.9, "rate": 0.1},
    "saturated": {"layer": 1, "share": 0.9, "rate": 0.1},
    "vanishing": {"layer": 1, "least": 1e-4, "last": 0.2, "times": 2000.0, "count": 5, "share": 0.01},
    "collapse": {"place": 1, "share": 1.0, "true": 0.5, "number": 4},
    "overfitting": {"best": 3, "low": 0.2, "high": 0.4, "before": 0.2, "after": 0.01},
    "unfinished": {"share": 0.3, "loss": 0.5, "number": 10},
    "beaten": {"name": "boosting", "theirs": 0.9, "ours": 0.7, "luck": 0.05},
    "telling": {"column": "<b>answer</b>", "share": 1.0, "target": "kind"},
    "twins": {"rows": 10, "share": 0.3, "twice": 50},
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", EVIDENCE)
def test_every_diagnosis_has_its_words(key: str, language: str) -> None:
    """Name and evidence of each are sentences without a gap."""
    found = Diagnosis(key, tuple(EVIDENCE[key].items()), Mend("anew"))
    text = coach.evidence(found, snapshot(setup(("cat", "dog"))), language)
    assert "{" not in text
    assert say(f"coach.{key}", language)
    if key == "collapse":
        assert "dog" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mend_says_what_it_does(language: str) -> None:
    """The button names where it begins and each setting that it changes."""
    fork = coach.mend_words(Mend("fork", (("dropout", 0.3),), 7), language)
    assert "7" in fork
    assert say("train.dropout.label", language) + " 0.3" in fork
    assert "GELU" in coach.mend_words(Mend("anew", (("activation", "gelu"),)), language)
    assert "64-64" in coach.mend_words(Mend("anew", (("widths", (64, 64)),)), language)
    assert "kind" in coach.mend_words(Mend("anew", leave_out="kind"), language)
    assert say("coach.once", language) in coach.mend_words(Mend("anew", distinct=True), language)


def test_a_collapse_is_told_while_it_runs() -> None:
    """One class for every row, four epochs in: told at once, with the name of the class, as strict JSON."""
    said = Answers(4, (0, 160), (80, 80))
    (value,) = coach.view(snapshot(setup(("cat", "dog")), *epochs(4), said), "en")
    (one,) = value["items"]
    assert (one["key"], one["bad"]) == ("collapse", True)
    assert "dog" in one["text"]
    strict([value])


def test_a_mend_that_forks_lays_the_run_under_it(runs: Runs) -> None:
    """The press goes on from the best epoch with what the coach proposes."""
    run = begun(runs)
    assert run.wait(20)
    cure = Mend("fork", (("dropout", 0.3),), 5)
    source, config = coach.mend(live(runs), run, cure, "en")
    fork = runs.get(OWNER, "train")
    assert fork is not None
    assert fork.wait(20)
    assert (min(losses(fork)), max(losses(fork))) == (5, 8)
    assert source == run.shelf["source"]
    assert [change.field for change in config.changes] == ["dropout"]
    assert fork.snapshot().others[0].id == run.id


def test_a_mend_that_goes_on_trains_longer(runs: Runs) -> None:
    """Twice the epochs go on from the last one; another rate goes on for as many epochs again."""
    run = begun(runs)
    assert run.wait(20)
    _, config = coach.mend(live(runs), run, Mend("fork", (("epochs", 16),)), "en")
    assert config.epochs == 16
    fork = runs.get(OWNER, "train")
    assert fork is not None
    assert fork.wait(20)
    _, config = coach.mend(live(runs), fork, Mend("fork", (("learning_rate", 0.01),)), "en")
    assert config.epochs == 32


def test_a_mend_that_starts_anew_keeps_the_curve_under_it(runs: Runs) -> None:
    """A start anew has no changes of before; the ailing run lies under it."""
    run = begun(runs)
    assert run.wait(20)
    _, config = coach.mend(live(runs), run, Mend("anew", (("learning_rate", 1e-4),)), "zh")
    assert (config.learning_rate, config.changes) == (1e-4, ())
    again = runs.get(OWNER, "train")
    assert again is not None
    assert again.wait(20)
    assert min(losses(again)) == 0
    assert [(one.id, one.name) for one in again.snapshot().others] == [(run.id, say("coach.before", "zh"))]


def test_a_leaky_table_is_told_and_mended(runs: Runs, tmp_path: Path) -> None:
    """A run on a table with a telling column says so; one press trains without it."""
    lines = [f"{i * 7 % 50},{i * 13 % 31},{'ja' if i % 3 else 'nein'},{'yes' if i % 3 else 'no'}" for i in range(150)]
    path = tmp_path / "leaky.csv"
    path.write_text("\n".join(["a,b,answer,kind", *lines]), encoding="utf-8")
    run = begun(runs, BASE, source=Source(DatasetConfig(), str(path), "kind"))
    assert run.wait(20)
    assert [event.key for event in run.snapshot().events if isinstance(event, Leak)] == ["telling"]
    first = coach.advise(run.snapshot())[0]
    source, _ = coach.mend(live(runs), run, first.mend, "en")
    assert source.leave_out == ("answer",)
    again = runs.get(OWNER, "train")
    assert again is not None
    assert again.wait(20)
    assert "telling" not in [one.key for one in coach.advise(again.snapshot())]


def test_advice_for_nothing_is_refused(runs: Runs) -> None:
    """A run without its source cannot be mended: one sentence."""
    run = runs.start(OWNER, "train", lambda shelf: (event for event in [setup(), *epochs(2)]))
    assert run.wait(5)
    with pytest.raises(RunError):
        coach.mend(live(runs), run, Mend("anew"), "en")
