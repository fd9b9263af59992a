"""The Compare tab's view: rounds in, values out; and orders, from the page into the race."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import gradio as gr
import pytest

from bigmodel.compare import Before, Chosen, CompareConfig
from bigmodel.compare.orders import GoOn, MoreRates
from bigmodel.compare.verdict import Verdict
from bigmodel.datasets import DatasetConfig
from bigmodel.errors import ConfigError, RunError
from bigmodel.runs import Run, Runs
from bigmodel.ui import compare
from bigmodel.ui.compare import ahead, choose, judge, steer, table
from bigmodel.ui.compare.seen import see
from bigmodel.ui.data import Source
from bigmodel.ui.widgets import Form, Page
from bigmodel.ui.words import LANGUAGES, say, word
from tests.ui.made import plan, sent, snapshot, strict, tiles, travelling, turn

CURVES, TILES, CARDS, EDGE, WARNING, HAND_OVER, AXIS, ORDERS, GO_ON, TABLE = range(10)
RATES_128 = tuple(0.001 * (k + 1) for k in range(128))
VERDICT = Verdict(0, 0.25, 0.9, 0.3, 0.88, 0.85, 0.91, 0.05, 0.02, 200, (0.3, 0.4, math.nan))


def race(count: int, state: str = "running", **kinds: object) -> object:
    """A race after `count` rounds."""
    return snapshot(plan(), *(turn(number, **kinds) for number in range(count + 1)), state=state)


def ranked(values: list[Any]) -> list[list[str]]:
    """The lines of the ranking."""
    return [row["cells"] for row in json.loads(values[TABLE]["rows"])]


@pytest.mark.parametrize("language", LANGUAGES)
def test_idle_tab_has_an_empty_table(language: str) -> None:
    """Before any race: empty charts, a table with its headers, no orders, a button that cannot be pressed."""
    values = compare.view(None, language)
    assert values[TABLE]["rows"] == "[]"
    assert values[TABLE]["heads"] == [say(f"compare.column.{name}", language) for name in table.COLUMNS]
    assert values[HAND_OVER]["interactive"] is False
    assert values[ORDERS]["visible"] is values[EDGE]["visible"] is False
    assert values[CURVES]["layout"]["yaxis"]["title"]["text"] == say("chart.valid_loss", language)
    assert values[CARDS]["note"] == say("compare.answer.later", language)
    strict(values)


def test_curves_grow_together() -> None:
    """There is a curve per rate, all of the same length."""
    curves = compare.view(race(4), "en")[CURVES]
    assert [len(line["x"]) for line in curves["data"]] == [5, 5, 5]
    assert [line["name"] for line in curves["data"]] == ["0.001", "0.01", "0.1"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_table_is_ranked_and_marks_what_diverged(language: str) -> None:
    """The lowest loss stands first as the best, who left after who runs, a diverged rate last with its step."""
    values = compare.view(race(4, "done", broken=(0.1,), left=(0.001,)), language)
    shown = ranked(values)
    assert [line[:2] for line in shown] == [["1", "0.01"], ["2", "0.001"], ["3", "0.1"]]
    assert shown[0][-1] == say("compare.remark.best", language)
    assert shown[1][-1] == say("compare.remark.left", language, epoch=4)
    assert shown[-1][2:] == ["–", "–", "–", say("compare.remark.diverged", language, step=7)]


def test_equals_and_the_cheapest_are_marked() -> None:
    """With seeds that agree nothing is equal; the remarks say who is."""
    lines = ranked(compare.view(race(4, "done", rates=(0.1, 0.1001), seeds=3), "en"))
    assert [line[-1] for line in lines] == [say("compare.remark.best"), ""]
    same = ranked(compare.view(race(4, "done", rates=(0.1, 0.1), seeds=3), "en"))
    assert say("compare.remark.equal") in same[1][-1]


def test_lines_carry_their_entry_and_how_it_stands() -> None:
    """However the page sorts them, a press on a line means its entry; who left or broke is marked."""
    values = compare.view(race(4, "done", broken=(0.1,), left=(0.001,)), "en")
    rows = json.loads(values[TABLE]["rows"])
    assert [(row["trial"], row["state"]) for row in rows] == [(1, "best"), (0, "gone"), (2, "gone")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_differs_has_a_column_by_its_name(language: str) -> None:
    """The second knob's column is called what it is, an optimizer's is there when there are several."""
    assert table.headers((), language) == [say(f"compare.column.{name}", language) for name in table.COLUMNS]
    shown = table.headers(("optimizer", "value"), language, "batch")
    assert shown[2:4] == [say("compare.column.optimizer", language), say("knob.batch", language)]


def test_diverged_rates_are_strict_json() -> None:
    """Rates whose loss is no number, all of them even, make values that are JSON, and there is nothing to hand over."""
    values = compare.view(race(4, "done", broken=(0.001, 0.01, 0.1)), "en")
    strict(values)
    assert values[HAND_OVER]["interactive"] is False
    assert values[CARDS] == {"cards": [], "note": say("compare.answer.none")}


@pytest.mark.parametrize(
    ("state", "free"), [("running", False), ("waiting", False), ("paused", True), ("stopped", True), ("done", True)]
)
def test_winner_can_be_handed_over_when_the_race_stands(state: str, free: bool) -> None:
    """The button to Train is free as soon as the places cannot change."""
    assert compare.view(race(4, state), "en")[HAND_OVER]["interactive"] is free


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_winner_on_the_edge_is_warned_of(language: str) -> None:
    """The best rate is the lowest of those that raced: a sentence says so, and a button extends the range."""
    values = compare.view(race(4, "done"), language)
    assert values[EDGE]["visible"] is True
    assert values[WARNING] == say("compare.edge.low", language, rate="0.001")
    inside = compare.view(race(4, "done", broken=(0.001,), rates=(0.001, 0.01, 0.1)), language)
    assert inside[EDGE]["visible"] is False


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_answer_is_told_in_words(language: str) -> None:
    """One seed, one winner, several equals: each has its sentence, and the sealed test stands beside it."""
    one = compare.view(race(4, "done"), language)[CARDS]
    assert one["note"] == say("compare.answer.one_seed", language, best="0.001")
    alone = compare.view(race(4, "done", seeds=3), language)[CARDS]
    assert say("compare.answer.alone", language, best="0.001", seeds=3) in alone["note"]
    equal = snapshot(plan(), turn(0), turn(3, (0.001, 0.001), seeds=3), VERDICT, state="done")
    values = compare.view(equal, language)
    assert [value for _, value in values[CARDS]["cards"]] == ["0.001", "2 / 2", "0.310", "0.300", "88.0%"]
    assert say("compare.answer.flattered", language, gap=0.05, usual=0.02, rows=200) in values[CARDS]["note"]
    assert say("chart.sealed", language) in [line["name"] for line in values[AXIS]["data"]]


def test_tiles_stand_under_the_curves_in_their_colours() -> None:
    """Each tile has the name, colour and loss of its entry; who broke is grey; buttons are there while it runs."""
    running = snapshot(plan(), turn(0), turn(2, broken=(0.1,)), tiles(2))
    wall = compare.view(running, "en")[TILES]
    shown = {name: json.loads(text) for name, text in wall["tiles"].items()}
    assert shown["state"] == ["best", "runs", "gone"]
    assert shown["name"] == ["0.001", "0.01", "0.1"]
    assert shown["note"][2] == say("compare.remark.diverged", step=7)
    lines = compare.view(running, "en")[CURVES]["data"]
    assert shown["colour"][1] == lines[1]["line"]["color"]
    assert wall["leave"]
    ended = snapshot(plan(), turn(0), tiles(0), state="done")
    assert compare.view(ended, "en")[TILES]["leave"] == ""


def test_a_race_taken_up_again_shows_what_was_before() -> None:
    """The rounds and tiles before are drawn with the new ones."""
    before = Before(tuple(turn(number) for number in range(4)), tiles(3))
    values = compare.view(snapshot(before, plan(), turn(4)), "en")
    assert [len(line["x"]) for line in values[CURVES]["data"]] == [5, 5, 5]
    assert values[TILES] is not None


def test_failed_race_keeps_its_curves() -> None:
    """What was drawn before a failure stays."""
    values = compare.view(snapshot(turn(0), turn(1), state="failed", error=RunError("unexpected")), "en")
    assert len(values[CURVES]["data"][0]["x"]) == 2
    assert len(ranked(values)) == 3


def test_long_race_is_small_to_send() -> None:
    """All of a race of three rates over 500 epochs is under 60 kB, one of 128 rates under 400 kB, its next epoch under
    80 kB."""
    assert len(strict(travelling(compare.view(race(500), "en")))) < 60_000
    before, after = (compare.view(race(count, rates=RATES_128), "en") for count in (300, 301))
    assert len(strict(travelling(before))) < 400_000
    assert sent(before, after) < 80_000


def test_a_large_race_is_few_values_for_the_page() -> None:
    """The page copies value by value, for every message: the charts of 128 rates are an eighth of what they hold."""
    view = compare.view(race(60, rates=RATES_128), "en")
    assert counted(travelling(view)[CURVES]) < counted(view[CURVES]) / 8
    assert counted(travelling(view)[AXIS]) < 0.3 * counted(view[AXIS])


def counted(value: Any) -> int:
    """How many values a value is made of."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return 1 + sum(map(counted, inner))


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_status_line_tells_the_budget(language: str) -> None:
    """It says what is to go and what is left of the budget, that the budget will end it, or that it has."""
    text, _ = compare.status_line(snapshot(plan(), turn(100)), language)
    assert say("compare.status.left", language, left=40.0, budget=590.0) in text
    short = snapshot(plan(), replaced(turn(100), budget=20.0))
    assert say("compare.status.short", language, budget=10.0) in compare.status_line(short, language)[0]
    over = snapshot(plan(), replaced(turn(100), budget=9.0, ended="time"), state="done")
    assert say("compare.status.time", language, budget=9.0) in compare.status_line(over, language)[0]


def replaced(event: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(event, **changes)


SOURCE = Source(DatasetConfig(dataset="xor", rows=100))


def config(**settings: Any) -> CompareConfig:
    return CompareConfig(**{"rates": (0.001, 0.01), "epochs": 2, "widths": (4,), **settings})


@pytest.fixture
def runs() -> Runs:
    return Runs(slots=2)


def raced(runs: Runs, start: Any) -> Run:
    """A run of the tab to its end."""
    run = runs.start("ann", "compare", start.job, conclude=start.conclude)
    assert run.wait(60)
    return run


def test_a_race_runs_and_is_judged(runs: Runs) -> None:
    """The job of the tab races all rates on the chosen data and ends with tiles and the sealed test."""
    run = raced(runs, compare.racing(SOURCE, config(), ("xor", None, None)))
    assert run.shelf["config"] == config()
    assert run.shelf["choice"] == ("xor", None, None)
    kinds = [type(event).__name__ for event in run.snapshot().events]
    assert kinds.count("Verdict") == 1
    assert kinds.count("Round") == 3
    assert {"Plan", "Tiles", "Ranking"} <= set(kinds)
    strict(compare.view(run.snapshot(), "zh"))


def test_a_race_that_was_stopped_is_judged(runs: Runs) -> None:
    """Stop keeps what there is, and the sealed test is opened all the same."""
    start = compare.racing(SOURCE, config(epochs=10_000), ())
    run = runs.start("ann", "compare", start.job, conclude=start.conclude)
    while not any(type(event).__name__ == "Round" for event in run.snapshot().events):
        time.sleep(0.01)
    run.stop()
    assert run.wait(10)
    assert [type(event).__name__ for event in run.snapshot().events].count("Verdict") == 1


def test_a_race_that_has_ended_is_taken_up_again(runs: Runs) -> None:
    """An order after the end makes a run that shows all of it: further rates, then further epochs."""
    run = raced(runs, compare.racing(SOURCE, config(), ()))
    run = raced(runs, compare.taken_up(run, MoreRates((0.1,)), 0.0))
    run = raced(runs, compare.taken_up(run, GoOn(1), 0.0))
    seen = see(run.snapshot())
    assert seen is not None
    assert [trial.learning_rate for trial in seen.trials] == [0.001, 0.01, 0.1]
    assert [sorted(curve) for curve in seen.curves] == [[0, 1, 2, 3]] * 3
    assert seen.verdict is not None


def test_an_order_of_a_visitor_reaches_that_visitors_race_only(runs: Runs) -> None:
    """Ann's order takes up Ann's race; Bob has none, and nothing happens."""
    mine = raced(runs, compare.racing(SOURCE, config(), ()))
    live = Lines(runs)
    request: Any = object()
    steer._order(live, ("bob", "en", "fast"), request, lambda race: GoOn(1))  # type: ignore[arg-type]
    assert runs.get("ann", "compare") is mine
    steer._order(live, ("ann", "en", "fast"), request, lambda race: GoOn(1))  # type: ignore[arg-type]
    later = runs.get("ann", "compare")
    assert later is not None
    assert later is not mine
    assert later.wait(60)
    with pytest.raises(gr.Error):
        steer._order(live, ("ann", "en", "fast"), request, lambda race: GoOn(10_000))  # type: ignore[arg-type]


class Lines:
    """What an order needs of the page's bridge."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs

    def run(self, kind: str, visitor: str, request: Any) -> Run | None:
        return self.runs.get(visitor, kind)

    def arrive(self, visitor: str, request: Any) -> str:
        return visitor


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("value", [None, 0, -1, 1.5, 17, math.nan, "2", True])
def test_amounts_that_are_none_are_refused(value: Any, language: str) -> None:
    """How many more seeds: a whole number of the field's limits, or one sentence."""
    with pytest.raises(ConfigError) as raised:
        steer.amount("seeds", value)
    assert say("compare.order.seeds.label", language) in word(raised.value, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_race_takes_is_told_before_it_starts(language: str) -> None:
    """Networks, weights and memory; what is too much is refused in the same words as at the start."""
    line = ahead.foretold(SOURCE, config(seeds=4), language)
    said = {"entries": 2, "seeds": 4, "members": 8, "stacks": 1, "parameters": 8 * 22, "megabytes": 1, "most": 1024}
    assert line == {"text": say("compare.plan", language, **said), "wrong": False}
    with pytest.raises(ConfigError) as raised:
        ahead.foretold(SOURCE, config(widths=(1024,) * 4, seeds=16), language)
    assert "1024" in word(raised.value, language)


def test_the_winner_of_the_answer_goes_to_train() -> None:
    """What is proposed is what Train gets: the cheapest of the equals."""
    seen = see(snapshot(plan(), turn(0, seeds=3), turn(3, seeds=3), state="done"))
    assert seen is not None
    assert judge.answer_cards(seen, ["a", "b", "c"], "en")["cards"][0][1] == "a"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_proposed_says_what_its_name_is_made_of(language: str) -> None:
    """With another knob than the rate the label of the proposal names both."""
    one = see(race(3, "done"))  # type: ignore[arg-type]
    assert one is not None
    assert judge.proposed(one, language) == say("compare.answer.proposed", language)
    trials = tuple(
        replaced(trial, entry=replaced(trial.entry, optimizer=name))
        for trial, name in zip(one.trials, ("sgd", "adam", "sgd"), strict=True)
    )
    both = see(snapshot(plan(), replaced(one.rounds[-1], trials=trials), state="done"))
    assert both is not None
    parts = " · ".join(say(f"compare.column.{name}", language) for name in ("rate", "optimizer"))
    assert judge.proposed(both, language) == say("compare.answer.proposed.parts", language, parts=parts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_setting_can_be_chosen_for_train(language: str) -> None:
    """Who is pointed at is marked in every panel and offered to Train, also while the race runs; nobody: the best."""
    events = (plan(), turn(0), turn(3), tiles(3), Chosen(2))
    values = compare.view(snapshot(*events), language)
    assert values[HAND_OVER]["interactive"] is True
    assert values[HAND_OVER]["value"] == say("compare.hand_over.chosen", language, name="0.1")
    assert values[TILES]["chosen"] == 2
    assert [line["line"]["width"] for line in values[CURVES]["data"]] == [4, 2, 4]
    ring = next(line for line in values[AXIS]["data"] if line["name"] == say("chart.chosen", language))
    assert (ring["x"], ring["customdata"]) == ([0.1], [2])
    assert [say("compare.remark.chosen", language) in line[-1] for line in ranked(values)] == [0, 0, 1]
    assert [row["chosen"] for row in json.loads(values[TABLE]["rows"])] == [False, False, True]
    assert judge.taken(see(snapshot(*events))) == 2
    nobody = compare.view(snapshot(*events, Chosen(None)), language)
    assert nobody[HAND_OVER]["value"] == say("compare.hand_over", language)
    assert nobody[HAND_OVER]["interactive"] is False
    strict(values)


def test_a_press_points_at_the_entry_it_shows() -> None:
    """Points carry their entry's number, tiles and lines their own, however those are sorted; others are nobody."""
    seen = see(snapshot(plan(), turn(0), turn(3, broken=(0.001,)), state="done"))
    assert seen is not None
    assert choose.on_point({"own": 1}, seen) == 1
    assert choose.on_tile({"trial": 2}, seen) == 2
    assert choose.on_tile({"trial": 2, "out": True}, seen) is None
    for wish in (None, "1", True, math.nan, -1, 3, [1]):
        assert choose.number(wish, seen) is None
    assert choose.number(2.0, seen) == 2
    values = compare.view(seen.snapshot, "en")
    assert [line["meta"] for line in values[CURVES]["data"]] == [0, 1, 2]
    numbers = {n for line in values[AXIS]["data"] for n in line["customdata"]}
    assert numbers == {0, 1, 2}


def test_a_choice_outlives_the_end_of_its_race(runs: Runs) -> None:
    """A race that is taken up again still shows who was chosen."""
    run = raced(runs, compare.racing(SOURCE, config(), ()))
    run.tell(Chosen(1))
    run = raced(runs, compare.taken_up(run, GoOn(1), 0.0))
    seen = see(run.snapshot())
    assert seen is not None
    assert seen.chosen == 1


def typed(**typed: Any) -> CompareConfig:
    """What the form makes of its fields when these are typed."""
    with gr.Blocks(analytics_enabled=False):
        made = Form(Page(), CompareConfig)
        for name in ("rates", "rates_as", "lowest", "highest", "count", "knob", "values"):
            made.field(name)
    found: CompareConfig = made.read([typed.get(name, widget.value) for name, widget in made.widgets.items()])
    return found


MANY = ", ".join(f"{1e-6 * (k + 1):.9f}" for k in range(10_000))
RANGED = {"rates_as": "range"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("fields", "keys", "said"),
    [
        ({"rates": ""}, ["config.count"], "0"),
        ({"rates": "0.1"}, ["config.count"], "1"),
        ({"rates": "0.1, 0.10, 0.2"}, ["compare.twice"], "0.1"),
        ({"rates": "0, 0.1"}, ["config.range"], "0.0"),
        ({"rates": "-0.1, 0.1, -5"}, ["config.range"], "-0.1, -5.0"),
        ({"rates": "0.1, fast"}, ["config.list"], "0.1, fast"),
        ({"rates": "0.1, 1e9"}, ["config.range"], "1000000000.0"),
        ({"rates": "0.1, nan, inf"}, ["config.range"], "nan, inf"),
        ({"rates": MANY}, ["config.count"], "10000"),
        ({"rates": ", ".join(["0.1"] * 10_000)}, ["config.count", "compare.twice"], "0.1"),
        ({"rates": "fast, " * 10_000}, ["config.list"], "…"),
        (RANGED | {"count": 10_000}, ["config.range"], "10000"),
        (RANGED | {"count": 1}, ["config.range"], "1"),
        (RANGED | {"count": 2.5}, ["config.whole"], "2.5"),
        (RANGED | {"lowest": 0}, ["config.range"], "0"),
        (RANGED | {"lowest": -1}, ["config.range"], "-1"),
        (RANGED | {"highest": 1e9}, ["config.range"], "1000000000.0"),
        (RANGED | {"highest": "high"}, ["config.number"], "high"),
        (RANGED | {"highest": None}, ["config.empty"], "1.0"),
        (RANGED | {"lowest": 0.1, "highest": 0.1}, ["compare.narrow"], "0.1"),
    ],
)
def test_rates_that_cannot_be_raced_are_refused(
    fields: dict[str, Any], keys: list[str], said: str, language: str
) -> None:
    """No rate, one, twice the same, 0, negative, text, 1e9, ten thousand: a short sentence each, in both languages."""
    with pytest.raises(ConfigError) as raised:
        typed(**fields)
    assert [problem.key for problem in raised.value.problems] == keys
    sentence = word(raised.value, language)
    assert said in sentence
    assert len(sentence) < 400
    assert "{" not in sentence


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("knob", "values", "key"),
    [
        ("batch", "32", "compare.no_values"),
        ("batch", "32, 0", "compare.value_whole"),
        ("dropout", "0.1, 2", "compare.value_range"),
        ("activation", "relu, magic", "compare.value_choice"),
        ("batch", ", ".join(map(str, range(1, 1025))), "compare.cells"),
        ("l1", MANY, "compare.cells"),
    ],
)
def test_knobs_that_cannot_be_raced_are_refused(knob: str, values: str, key: str, language: str) -> None:
    """A value that is none of the knob's, and a grid of a million cells: one sentence before anything is built."""
    chosen = typed(**RANGED, count=128, knob=knob, values=values)
    with pytest.raises(ConfigError) as raised:
        ahead.foretold(SOURCE, chosen, language)
    assert [problem.key for problem in raised.value.problems] == [key]
    assert len(word(raised.value, language)) < 400
