"""The panels of a race's finders, knobs and take-away: what is seen in, values out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from bigmodel.compare import CompareConfig, Round
from bigmodel.compare.finders import FASTAI, Ramp, Said
from bigmodel.compare.knobs import Weight, Weights
from bigmodel.datasets import DatasetConfig
from bigmodel.runs import Snapshot
from bigmodel.ui.compare import KNOBS, finders, knobs, racing, takeaway
from bigmodel.ui.compare.seen import see
from bigmodel.ui.data import Source
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import strict

SOURCE = Source(DatasetConfig(dataset="moons", rows=200))
RANGE: dict[str, Any] = {"rates_as": "range", "lowest": 0.01, "highest": 1.0, "count": 4, "seeds": 2, "widths": (4,)}


def raced(**kinds: Any) -> tuple[Snapshot, dict[str, Any]]:
    """A race that has ended, and its shelf."""
    shelf: dict[str, Any] = {}
    config = CompareConfig(**{**RANGE, "epochs": 4, **kinds})
    events = tuple(event for event in racing(SOURCE, config, ()).job(shelf) if event is not None)
    return Snapshot("done", events, len(events), 0, 1.0, None), shelf


@pytest.fixture(scope="module")
def race() -> tuple[Snapshot, dict[str, Any]]:
    """Rates × batch sizes × optimizers."""
    return raced(knob="batch", values=("16", "64"), optimizers=("sgd", "adam"))


@pytest.fixture(scope="module")
def rates() -> tuple[Snapshot, dict[str, Any]]:
    """Rates alone."""
    return raced()


def test_finders_weights_and_ensemble_come_after_the_race(race: Any, rates: Any) -> None:
    """Each optimizer is heard once; weights are only told where more than the rate differs."""
    kinds = [type(event).__name__ for event in race[0].events]
    assert kinds.count("Said") == 2
    assert kinds.count("Weights") == kinds.count("Ensemble") == 1
    assert [type(event).__name__ for event in rates[0].events].count("Weights") == 0
    assert "Said" not in [type(event).__name__ for event in raced(finders=False)[0].events]


@pytest.mark.parametrize("language", LANGUAGES)
def test_panels_before_a_race_are_hidden(language: str) -> None:
    """There is nothing to draw and nothing to take away."""
    for panel in (finders, knobs, takeaway):
        values = panel.view(None, language)
        assert all(value["visible"] is False for value in values)


@pytest.mark.parametrize("language", LANGUAGES)
def test_finders_chart_has_a_look_per_optimizer(race: Any, language: str) -> None:
    """The chart appears with the first vote, and names optimizers and rules in the language."""
    (chart,) = finders.view(see(race[0]), language)
    assert chart["visible"] is True
    looks = chart["value"]["layout"]["meta"]["switch"]
    assert [look["label"] for look in looks] == [say(f"optimizer.{name}", language) for name in ("sgd", "adam")]
    assert say("chart.rule.valley", language) in chart["value"]["layout"]["yaxis2"]["ticktext"]
    strict([chart])


def test_an_optimizer_without_an_entry_that_runs_is_left_out(rates: Any) -> None:
    """Votes for a kind that is not in the race are no case."""
    seen = see(rates[0])
    assert seen is not None
    other = Said("adagrad", "constant", "", (("valley", (0.1,)),), Ramp(FASTAI, (), ()))
    assert finders.case(other, seen, "en") is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_knobs_are_named_and_mapped(race: Any, language: str) -> None:
    """The map has a look for the optimizer and one for the batch size; weights go by the same names."""
    cells, lines, weights, halving = knobs.view(see(race[0]), language)
    names = [say("compare.optimizer.label", language), say("knob.batch", language)]
    assert [look["label"] for look in cells["value"]["layout"]["meta"]["switch"]] == names
    assert cells["value"]["data"][0]["y"] == [say(f"optimizer.{name}", language) for name in ("adam", "sgd")]
    told = {name for bar in weights["value"]["data"] for name in bar["y"]}
    assert say("knob.batch", language) in told
    assert any(" × " in name for name in told)
    assert [axis["label"] for axis in lines["value"]["axes"]][:3] == [say("chart.rate", language), *names]
    assert halving["visible"] is True
    strict([cells, lines, weights, halving])


def test_explorer_has_every_entry_on_every_axis(race: Any) -> None:
    """Places lie between 0 and 1, the best one is marked, and few values have a tick each."""
    value = knobs.view(see(race[0]), "en")[1]["value"]
    assert len(value["marks"]) == len(value["colours"]) == 16
    assert value["marks"].count("best") == 1
    for axis in value["axes"]:
        assert len(axis["places"]) == len(axis["shown"]) == 16
        assert all(place is None or 0 <= place <= 1 for place in axis["places"])
    batch = next(axis for axis in value["axes"] if axis["label"] == say("knob.batch"))
    assert batch["ticks"] == [[0.0, "16"], [1.0, "64"]]


def test_rates_alone_have_no_map_but_halving_on_trial(rates: Any) -> None:
    """Without a second knob there is nothing to map; the replay of halving needs none."""
    cells, lines, weights, halving = knobs.view(see(rates[0]), "en")
    assert [cells["visible"], weights["visible"], lines["visible"]] == [False] * 3
    assert halving["visible"] is True
    assert "thrown out" in halving["value"]["layout"]["meta"]["note"]


def test_a_race_that_halves_claims_nothing_about_whom_it_threw_out() -> None:
    """Who left is shown with what that saved; what they would have become nobody knows, and the page says so."""
    snapshot, _ = raced(halving=True, count=8, epochs=8)
    seen = see(snapshot)
    assert seen is not None
    assert any(trial.left for trial in seen.trials)
    chart = knobs.view(seen, "en")[3]["value"]
    names = {trace["name"] for trace in chart["data"]}
    assert say("chart.thrown") in names
    assert say("chart.wrongly") not in names
    assert "nobody knows" in chart["layout"]["meta"]["note"]


def test_entries_are_lines_once_the_race_stands_still(race: Any) -> None:
    """While it runs the page is not sent every line at every epoch; a pause shows them."""
    for state, visible in (("running", False), ("paused", True), ("stopped", True)):
        seen = see(replace(race[0], state=state))
        assert seen is not None
        _, lines, _, _ = knobs.view(seen, "en")
        assert lines["visible"] is visible


def test_a_person_who_takes_entries_out_ends_the_replay(rates: Any) -> None:
    """Curves that a person cut cannot be replayed."""
    snapshot, _ = rates
    last = next(event for event in reversed(snapshot.events) if isinstance(event, Round))
    cut = replace(last, trials=(replace(last.trials[0], left=True), *last.trials[1:]))
    seen = see(replace(snapshot, events=(*snapshot.events, cut)))
    assert seen is not None
    assert knobs.view(seen, "en")[3]["visible"] is False


def test_halving_says_whether_it_was_wrong(rates: Any) -> None:
    """The sentence names how many would have gone, what was saved, and what it cost."""
    seen = see(rates[0])
    assert seen is not None
    from bigmodel.compare.knobs import Halved

    assert seen.answer is not None
    best = seen.answer.best
    worst = len(seen.trials)  # nobody among the equals
    wrong = knobs.note(Halved(((0, 1), (1, 2)), 0.5, worst, (0,), 0.25), seen, "en")
    assert "2 of 4" in wrong
    assert "50%" in wrong
    assert "0.2500" in wrong
    assert say("compare.halving.sure") in wrong
    assert say("compare.halving.chance") in knobs.note(Halved(((0, 1),), 0.5, best, (0,), 0.0), seen, "en")
    assert "kept the best" in knobs.note(Halved(((0, 1),), 0.5, best, (), 0.0), seen, "en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", takeaway.FILES)
def test_every_file_can_be_taken(race: Any, name: str, language: str) -> None:
    """Each file has a name, a type and its content."""
    snapshot, shelf = race
    seen = see(snapshot)
    assert seen is not None
    file = takeaway.made(name, shelf, seen, language)
    assert file["name"] == takeaway.FILES[name]
    assert file["text"]
    if name == "json":
        told = json.loads(file["text"])
        assert len(told["entries"]) == 16
        assert {case["optimizer"] for case in told["finders"]} == {"SGD", "Adam"}
        assert told["ensemble"]["rows"] == len(shelf["data"].test.y)
    if file["name"].endswith(".py"):
        compile(file["text"], name, "exec")


@pytest.mark.parametrize("language", LANGUAGES)
def test_report_holds_every_chart_and_reaches_for_nothing(race: Any, language: str) -> None:
    """Each chart has its place and its caption, a look of a switch each its own; no address is loaded from."""
    snapshot, shelf = race
    seen = see(snapshot)
    assert seen is not None
    file = takeaway.made("report", shelf, seen, language)
    places = re.findall(r"<!--(figure \d+)-->", file["text"])
    assert places == list(file["figures"])
    assert len(places) >= 8
    assert say("chart.map.caption", language) in file["text"]
    assert seen.plan is not None
    assert f">{say('knob.' + seen.plan.knob, language)}<" in file["text"]
    assert not re.search(r"(src|href)\s*=|https?://|url\(", file["text"])
    assert f'lang="{language}"' in file["text"]
    strict(list(file["figures"].values()))


def test_report_takes_no_markup_from_a_table(race: Any) -> None:
    """The name of an uploaded file, and whatever else people wrote, is text."""
    snapshot, shelf = race
    seen = see(snapshot)
    assert seen is not None
    nasty = Source(SOURCE.config, "/tmp/x/<script>alert(1)</script>.csv", "a")
    text = takeaway.made("report", {**shelf, "source": nasty}, seen, "en")["text"]
    assert "<script>alert" not in text
    assert "/tmp/x" not in text


def test_scripts_name_an_own_table_without_its_folder(race: Any) -> None:
    """Where the server keeps an upload is nobody's business."""
    found = takeaway.where(Source(SOURCE.config, "/tmp/secret/own.csv", ""), race[1]["data"])
    assert (found.file, found.target) == ("own.csv", "class")


@pytest.mark.parametrize("language", LANGUAGES)
def test_ensemble_is_told_with_its_gain(race: Any, language: str) -> None:
    """Four numbers, and a sentence that fits what came out."""
    cards, box = takeaway.view(see(race[0]), language)
    assert len(cards["value"]["cards"]) == 4
    assert str(race[0].events[-1].rows) in cards["value"]["note"]
    assert box["visible"] is True


def test_weights_of_a_knob_that_is_gone_are_not_drawn(rates: Any) -> None:
    """Weights without a second knob say nothing."""
    snapshot, _ = rates
    more = Snapshot("done", (*snapshot.events, Weights((Weight(("rate",), 1.0),))), 99, 0, 1.0, None)
    assert knobs.view(see(more), "en")[2]["visible"] is False


def test_the_form_asks_for_every_knob_of_a_search() -> None:
    """What the search needs stands in one section, in the order of the idea."""
    assert KNOBS == ("knob", "values", "search", "draws", "halving", "finders")
