"""The Compare tab's view: rounds in, values out."""

from __future__ import annotations

import pytest

from bigmodel.compare import CompareConfig, winner
from bigmodel.datasets import DatasetConfig
from bigmodel.errors import RunError
from bigmodel.ui import compare
from bigmodel.ui.data import Source
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import sent, snapshot, strict, turn


def race(count: int, state: str = "running", **kinds: object) -> object:
    """A race after `count` rounds."""
    return snapshot(*(turn(number, **kinds) for number in range(count + 1)), state=state)


@pytest.mark.parametrize("language", LANGUAGES)
def test_idle_tab_has_an_empty_table(language: str) -> None:
    """Before any race: empty charts, a table with its headers, a button that cannot be pressed."""
    curves, table, hand_over, axis = compare.view(None, language)
    assert table["value"] == []
    assert table["headers"] == [say(f"compare.column.{name}", language) for name in compare.COLUMNS]
    assert hand_over["interactive"] is False
    assert curves["layout"]["yaxis"]["title"]["text"] == say("chart.valid_loss", language)
    strict([curves, axis])


def test_curves_grow_together() -> None:
    """There is a curve per rate, all of the same length."""
    curves, *_ = compare.view(race(4), "en")
    assert [len(line["x"]) for line in curves["data"]] == [5, 5, 5]
    assert [line["name"] for line in curves["data"]] == ["0.001", "0.01", "0.1"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_table_is_ranked_and_marks_what_diverged(language: str) -> None:
    """The lowest loss stands first as the best, a diverged rate last with its step and dashes for its numbers."""
    _, table, _, _ = compare.view(race(4, "done", broken=(0.1,)), language)
    assert [line[0] for line in table["value"]] == ["1", "2", "3"]
    assert [line[1] for line in table["value"]] == ["0.001", "0.01", "0.1"]
    assert table["value"][0][-1] == say("compare.remark.best", language)
    assert table["value"][-1][2:] == ["–", "–", "–", say("compare.remark.diverged", language, step=7)]


def test_diverged_rates_are_strict_json() -> None:
    """Rates whose loss is no number, all of them even, make values that are JSON, and there is nothing to hand over."""
    run = race(4, "done", broken=(0.001, 0.01, 0.1))
    values = compare.view(run, "en")
    strict(values)
    assert values[2]["interactive"] is False


@pytest.mark.parametrize(
    ("state", "free"), [("running", False), ("waiting", False), ("paused", True), ("stopped", True), ("done", True)]
)
def test_winner_can_be_handed_over_when_the_race_stands(state: str, free: bool) -> None:
    """The button to Train is free once the race has ended or was stopped, and not while places may change."""
    assert compare.view(race(4, state), "en")[2]["interactive"] is free


def test_failed_race_keeps_its_curves() -> None:
    """What was drawn before a failure stays."""
    run = snapshot(turn(0), turn(1), state="failed", error=RunError("unexpected"))
    curves, table, *_ = compare.view(run, "en")
    assert len(curves["data"][0]["x"]) == 2
    assert len(table["value"]) == 3


def test_long_race_is_small_to_send() -> None:
    """All of a race of three rates over 500 epochs is under 60 kB, one of 64 rates under 200 kB."""
    assert len(strict(compare.view(race(500), "en"))) < 60_000
    many = tuple(0.001 * (k + 1) for k in range(64))
    assert len(strict(compare.view(race(500, rates=many), "en"))) < 200_000


@pytest.mark.parametrize("count", [40, 501, 777])
def test_growing_curves_only_append(count: int) -> None:
    """One more epoch of three rates is under 4 kB to send: the points that were there stay."""
    before, after = compare.view(race(count), "en"), compare.view(race(count + 1), "en")
    assert sent(before, after) < 4000
    old, new = before[0]["data"][0]["x"], after[0]["data"][0]["x"]
    assert new[: len(old) - 1] == old[:-1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_status_line_counts_what_diverged(language: str) -> None:
    """The line tells epoch, step and time, and how many rates are lost."""
    text, done = compare.status_line(race(100, broken=(0.1,)), language)
    assert say("train.status", language, number=100, of=500, step=2000, seconds=10.0) in text
    assert say("compare.status.diverged", language, count=1, of=3) in text
    assert done == 0.2


def test_a_race_runs_and_has_a_winner() -> None:
    """The job of the tab races all rates on the chosen data, and its winner is a setting for Train."""
    config = CompareConfig(rates=(0.001, 0.01), epochs=2, widths=(4,))
    shelf: dict[str, object] = {}
    start = compare.race(Source(DatasetConfig(dataset="xor", rows=100)), config, ("xor", None, None))
    run = snapshot(*start.job(shelf), state="done")
    strict(compare.view(run, "zh"))
    assert shelf["config"] == config
    assert shelf["choice"] == ("xor", None, None)
    ranking = compare.ranked(run)
    assert ranking is not None
    chosen = winner(config, ranking)
    assert chosen is not None
    assert chosen.learning_rate in config.rates
    assert chosen.widths == (4,)
