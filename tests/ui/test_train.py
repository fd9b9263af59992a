"""The Train tab's view: events in, values out."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr
import pytest

from bigmodel.datasets import DatasetConfig
from bigmodel.errors import RunError
from bigmodel.networks import build
from bigmodel.runs import Snapshot
from bigmodel.train import Progress, TrainConfig
from bigmodel.train.baselines import Baseline
from bigmodel.train.plane import Picture, Units
from bigmodel.ui import train
from bigmodel.ui.data import Source, load
from bigmodel.ui.train import judge, plane, watch
from bigmodel.ui.train.setup import watched
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import epoch, epochs, judged, picture, sent, setup, snapshot, strict, units


def marked(run: Snapshot | None, language: str) -> tuple[dict[str, object], dict[str, object]]:
    """The score cards and the confusion matrix of a run."""
    values = judge.view(run, language)
    return values[3], values[5]


def curve(value: dict[str, object], name: int = 0) -> dict[str, list[object]]:
    """One line of a chart's value."""
    return value["data"][name]  # type: ignore[index,no-any-return]


@pytest.mark.parametrize("language", LANGUAGES)
def test_idle_tab_is_not_empty(language: str) -> None:
    """Before any run there are two empty charts with axis titles and a hint where the scores will stand; the plane is
    left to the preview of the data."""
    loss, accuracy, ladder = watch.view(None, language)
    cards, confusion = marked(None, language)
    assert loss["layout"]["xaxis"]["title"]["text"] == say("chart.epoch", language)
    assert accuracy["layout"]["yaxis"]["title"]["text"] == say("chart.accuracy", language)
    assert (ladder["visible"], confusion["visible"]) == (False, False)
    preview, units = plane.view(None, language)
    assert (preview, units["layers"]) == (gr.skip(), [])
    assert cards == {"note": say("train.scores.later", language), "cards": []}


def test_view_is_pure() -> None:
    """The same snapshot gives the same values twice, and they are strict JSON."""
    run = snapshot(setup(), *epochs(5), picture(5), units(5), judged())
    assert strict(train.view(run, "en")) == strict(train.view(run, "en"))


def test_curves_hold_every_epoch() -> None:
    """Training and validation have a point per epoch, the start included."""
    loss, accuracy, *_ = train.view(snapshot(setup(), *epochs(5)), "en")
    for value in (loss, accuracy):
        assert [curve(value, k)["x"] for k in (0, 1)] == [list(range(6))] * 2
    names = [say(f"chart.{name}") for name in ("train", "valid", "rate")]
    assert [line["name"] for line in loss["data"]] == names


def test_diverged_losses_are_gaps() -> None:
    """A loss that is no number is null in the chart, and the status line says what to do."""
    run = snapshot(*epochs(2), epoch(3, broken=True), state="failed", error=RunError("train.diverged"))
    loss = train.view(run, "en")[0]
    assert curve(loss)["y"][-1] is None
    strict(train.view(run, "en"))
    text, _ = train.status_line(run, "en")
    assert say("train.status.diverged") in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_plane_shows_the_newest_pictures(language: str) -> None:
    """First the points alone, then the network's picture under them; hidden units once there are any."""
    points, hidden = plane.view(snapshot(setup()), language)
    assert [line["type"] for line in points["data"]] == ["scatter", "scatter"]
    assert hidden["layers"] == []
    run = snapshot(setup(), picture(0), *epochs(1), picture(1, spread=True), units(1))
    boundary, hidden = plane.view(run, language)
    assert [line["type"] for line in boundary["data"]] == ["heatmap", "heatmap", "scatter", "scatter"]
    assert [look["label"] for look in boundary["layout"]["meta"]["switch"]] == [
        say("chart.classes", language),
        say("chart.spread", language),
    ]
    one, two = hidden["layers"]
    assert one["note"] == say("train.units.first", language, count=16, of=64)
    assert (two["note"], two["silent"]) == ("", [2])
    strict([boundary, hidden])


def test_pictures_are_small_to_send() -> None:
    """A new picture of the plane is under 15 kB, new ones of the units of two layers under 20 kB."""
    start = [setup(), *epochs(1), picture(0), units(0)]
    before = plane.view(snapshot(*start), "en")
    changed = Picture(1, bytes([200]) * 7200, b"")
    assert sent(before, plane.view(snapshot(*start, changed), "en")) < 15_000
    other = Units(1, (64, 64), (bytes([9]) * 6400,) * 2, ((1.0,) * 16,) * 2)
    assert sent(before, plane.view(snapshot(*start, other), "en")) < 20_000


def grown(count: int, **kinds: object) -> Snapshot:
    """A long run at full speed."""
    return snapshot(setup(), *epochs(count, 10_000, **kinds))


def test_long_run_is_small_to_send() -> None:
    """All of a 500-epoch run is under 60 kB."""
    assert len(strict(train.view(grown(500), "en"))) < 60_000


@pytest.mark.parametrize("count", [40, 500, 777, 5000])
def test_growing_curves_only_append(count: int) -> None:
    """One more epoch is under 3 kB to send, however many there were: the points that were there stay."""
    before, after = (train.view(grown(n, members=3), "en") for n in (count, count + 1))
    assert sent(before, after) < 3000
    old, new = curve(before[0])["x"], curve(after[0])["x"]
    assert new[: len(old) - 1] == old[:-1]


def test_nothing_new_is_nothing_to_send() -> None:
    """The same state twice costs no more than an empty difference, the picture of the boundary included."""
    run = snapshot(setup(), *epochs(3), picture(3), units(3))
    assert sent(train.view(run, "en"), train.view(run, "en")) < 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_status_line(language: str) -> None:
    """The line tells epoch, step, time, losses and what is left; within a long epoch it goes on with the steps."""
    text, done = train.status_line(snapshot(setup(), *epochs(5)), language)
    assert say("train.status", language, number=5, of=10, step=100, seconds=0.5) in text
    assert say("live.left", language, seconds=5.0) in text
    assert done == 0.5
    step = Progress(number=6, of=10, step=110, steps=200, seconds=0.6, batch_loss=0.5)
    text, done = train.status_line(snapshot(setup(), *epochs(5), step), language)
    assert say("train.status", language, number=6, of=10, step=110, seconds=0.6) in text
    assert done == 0.55


def test_no_time_left_to_tell_when_it_is_over() -> None:
    """A run that ended or stands still tells no remaining time."""
    for state in ("done", "stopped", "paused"):
        assert "left" not in train.status_line(snapshot(*epochs(5), state=state), "en")[0]


def test_ladder_stands_the_network_beside_the_baselines() -> None:
    """Once a baseline is there, the network's last numbers stand over it; what was sampled is told."""
    marks = [
        Baseline("majority", 0.69, 0.5, 0.0, 6000, 6000, 0, 300),
        Baseline("boosting", 0.2, 0.9, 0.3, 5000, 6000, 100, 300),
    ]
    ladder = watch.view(snapshot(setup(), *epochs(3), *marks), "en")[2]
    own, boosting, majority = ladder["value"]["rows"]
    assert ladder["visible"]
    assert own == (say("train.baseline.network"), "", 0.82469, 0.30864)
    assert boosting[1] == "fitted on 5000 of 6000 rows, on 100 of 300 columns"
    assert majority == (say("train.baseline.majority"), "", 0.5, 0.69)


def test_baselines_are_lines_in_both_plots() -> None:
    """Each baseline is a dashed line at its loss and at its accuracy."""
    mark = Baseline("majority", 0.69, 0.5, 0.0, 60, 60, 0, 2)
    loss, accuracy, *_ = watch.view(snapshot(setup(), *epochs(3), mark), "zh")
    for value, level in ((loss, 0.69), (accuracy, 0.5)):
        (line,) = value["layout"]["shapes"]
        assert (line["y0"], line["label"]["text"]) == (level, say("train.baseline.majority", "zh"))


def shelf(**settings: object) -> dict[str, object]:
    """What a training on a hundred moons leaves on its shelf before it begins."""
    data, config = load(Source(DatasetConfig(dataset="moons", rows=100))), TrainConfig(widths=(4,), **settings)  # type: ignore[arg-type]
    return {"data": data, "config": config, "stack": build(config, data)}


def test_what_is_seen_beside_the_epochs() -> None:
    """What it is about comes first, pictures before their epoch; baselines never before the first, but all of them,
    however short the training."""
    left = shelf()
    events = [event for event in watched(iter(epochs(1, of=1)), left) if event is not None]
    kinds = [type(event).__name__ for event in events]
    assert kinds[:6] == ["Setup", "Picture", "Units", "Judged", "Answers", "Epoch"]
    assert (kinds.count("Epoch"), kinds.count("Baseline")) == (2, 3)
    assert left["cut"].plane == events[0].plane  # type: ignore[attr-defined]


def test_the_last_epoch_has_its_pictures() -> None:
    """However soon after the one before, the end of a training is painted."""
    ended = replace(epoch(2, 2), ended="finished")
    events = [event for event in watched(iter([*epochs(1, of=2), ended]), shelf()) if event is not None]
    assert [event.number for event in events if isinstance(event, Picture)][-1] == 2
    assert [event.number for event in events if isinstance(event, Units)][-1] == 2


def test_a_run_loads_trains_and_is_judged() -> None:
    """The job of the tab yields a Setup, every epoch, and concludes with the marks on the validation part."""
    start = train.training(Source(DatasetConfig(dataset="moons", rows=100)), TrainConfig(epochs=2, widths=(4,)), 0.0)
    shelf: dict[str, object] = {}
    events = [event for event in start.job(shelf) if event is not None]
    assert type(events[0]).__name__ == "Setup"
    assert [e.number for e in events if type(e).__name__ == "Epoch"] == [0, 1, 2]
    assert start.conclude is not None
    (last,) = start.conclude(shelf)
    assert (last.part, last.scores.rows, last.number) == ("valid", 16, 2)
    strict(train.view(snapshot(*events, last, state="done"), "en"))


def test_nothing_to_conclude_without_a_network() -> None:
    """A run that ended before its data was there is not judged."""
    assert list(train.conclude({})) == []
