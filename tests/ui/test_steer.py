"""Steering: steps, live changes, the look back and forks, without a browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bigmodel.datasets import DatasetConfig
from bigmodel.errors import BigModelError, ConfigError, RunError
from bigmodel.runs import Run, Runs, Store
from bigmodel.train import Change, Changed, Epoch, Progress, TrainConfig
from bigmodel.ui import train
from bigmodel.ui.data import Source
from bigmodel.ui.live import Live, Start
from bigmodel.ui.train import judge, plane, steer, watch
from bigmodel.ui.train.past import Past, look_back
from bigmodel.ui.train.setup import settings, standing
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import epoch, epochs, picture, setup, snapshot, strict, units

MOONS = Source(DatasetConfig(dataset="moons", rows=250))
BASE = TrainConfig(widths=(8,), epochs=8)
OWNER = "page.browser"


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """The runs of a lab that keeps them."""
    made = Runs(store=Store(tmp_path, pause=0.02))
    yield made
    for run in made._runs.get(OWNER, {}).values():
        run.stop()
        run.wait(5)


def live(runs: Runs) -> Any:
    """As much of the bridge to the page as a fork needs."""
    made = SimpleNamespace(runs=runs)
    made.launch = lambda owner, kind, start: Live.launch(made, owner, kind, start)  # type: ignore[arg-type]
    return made


def begun(runs: Runs, config: TrainConfig = BASE, rate: float = 0.0, source: Source = MOONS) -> Run:
    """A training of the page."""
    return Live.launch(live(runs), OWNER, "train", train.training(source, config, rate))


def until(found: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait for something to be true."""
    end = time.monotonic() + seconds
    while not (got := found()) and time.monotonic() < end:
        time.sleep(0.005)
    return got


def told(run: Run) -> list[Any]:
    """The events of the training itself."""
    return [e for e in run.snapshot().events if isinstance(e, (Epoch, Progress, Changed))]


def losses(run: Run) -> dict[int, float]:
    return {e.number: e.valid_loss for e in run.snapshot().events if isinstance(e, Epoch)}


def last(run: Run) -> Any:
    """The last event that is a step of its own."""
    return [e for e in told(run) if getattr(e, "paced", True)][-1]


def stood(run: Run) -> Any:
    """The last event, once the run has stood still for a while."""
    seen = None
    while seen is not (now := last(run)):
        seen = now
        time.sleep(0.2)
    return seen


def test_one_step_is_one_step_of_the_optimizer(runs: Runs) -> None:
    """Each press makes exactly one step more, over the end of an epoch too; an epoch's press goes up to its end."""
    run = begun(runs, replace(BASE, epochs=500), rate=20.0)
    until(lambda: len(losses(run)) > 1)
    run.pause()
    first = stood(run)
    for count in range(1, 7):
        steer.one_step(run)
        until(lambda step=first.step + count: last(run).step >= step)
        assert stood(run).step == first.step + count
        # 160 rows in batches of 32 are five steps an epoch.
        assert isinstance(last(run), Epoch) == ((first.step + count) % 5 == 0)
    steer.one_epoch(run)
    after = stood(run)
    assert isinstance(after, Epoch)
    run.resume()
    assert until(lambda: max(losses(run)) > after.number + 2)


def test_changes_on_the_way_are_kept_in_the_recipe(runs: Runs) -> None:
    """A rate and a batch changed while it runs: marked, kept on the shelf and in the file, and the same curve again."""
    run = begun(runs, replace(BASE, epochs=40), rate=40.0)
    until(lambda: len(losses(run)) > 3)
    assert steer.turn(run, "learning_rate", 0.02)
    assert not steer.turn(run, "learning_rate", 0.02)
    until(lambda: any(isinstance(e, Changed) for e in told(run)))
    assert steer.turn(run, "batch", 20)
    run.set_rate(0)
    assert run.wait(20)
    config = run.shelf["config"]
    assert [change.field for change in config.changes] == ["learning_rate", "batch"]
    (kept,) = runs.kept(OWNER, "train")
    assert kept.recipe["config"] == config == settings(run.snapshot().events)
    now = standing(run.snapshot().events)
    assert now is not None
    assert (now.learning_rate, now.batch, now.changes) == (0.02, 20, ())
    assert len(steer.marks(run.snapshot().events, "en")) == 2
    again = begun(runs, config)
    assert again.wait(20)
    assert losses(again) == losses(run)
    assert again.shelf["config"] == config


def test_nothing_impossible_can_be_asked(runs: Runs) -> None:
    """A value out of its limits, or none, is refused in a sentence; an ended run takes nothing."""
    run = begun(runs)
    for value in (1e9, float("nan"), -1):
        with pytest.raises(ConfigError):
            steer.turn(run, "learning_rate", value)
    for nothing in (None, "", True):
        with pytest.raises(ConfigError):
            steer._number("batch", nothing)
    assert run.wait(20)
    assert not steer.turn(run, "batch", 64)
    assert not steer.turn(None, "batch", 64)


def test_a_look_back_shows_what_was(runs: Runs) -> None:
    """The boundary, the units and the matrix of epoch 2 stand on the page until the present is asked for."""
    run = begun(runs)
    assert run.wait(20)
    past = look_back(run.shelf, run.snapshot().events, 2)
    assert past.number == 2
    assert past.picture is not None
    assert past.units is not None
    assert sum(map(sum, past.confusion)) == 40
    run.look_at(past)
    shown = run.snapshot()
    boundary, hidden = plane.view(shown, "en")
    assert boundary["layout"]["meta"]["caption"] == say("train.past.boundary", number=2)
    matrix = judge.view(shown, "en")[5]
    assert matrix["value"]["data"][0]["customdata"] == [list(row) for row in past.confusion]
    bar = steer.bar_value(shown, "en")
    assert (bar["at"], bar["last"]) == (2, 8)
    assert f"{losses(run)[2]:.4f}" in bar["text"]
    assert say("train.mark.past") in [text for _, text in steer.marks(shown.events, "en", shown.past)]
    run.look_at(None)
    assert plane.view(run.snapshot(), "en")[0] != boundary
    assert hidden["layers"]


def test_after_a_restart_the_pictures_that_were_drawn_are_left() -> None:
    """Without the networks the look back finds the pictures of the events."""
    events = [setup(), picture(0), *epochs(3), picture(2), units(2), epoch(4)]
    past = look_back({}, events, 3)
    assert past == Past(3, picture(2), units(2))
    assert look_back({}, events, 1).picture == picture(0)


def test_a_fork_goes_on_over_its_parents_curve(runs: Runs) -> None:
    """From epoch 3 at another rate: numbering goes on, the parent lies under it, and the recipe makes it all again."""
    run = begun(runs)
    assert run.wait(20)
    config = steer.branch(live(runs), run, replace(BASE, learning_rate=0.05, epochs=10), "en", 3)
    fork = runs.get(OWNER, "train")
    assert fork is not None
    assert fork is not run
    assert fork.wait(20)
    assert fork.snapshot().error is None
    assert min(losses(fork)) == 3
    assert max(losses(fork)) == 10
    assert losses(fork)[3] == losses(run)[3]
    (parent,) = fork.snapshot().others
    assert (parent.id, parent.name) == (run.id, say("train.fork.parent"))
    assert len(watch.view(fork.snapshot(), "en")[0]["data"]) == 4
    whole = begun(runs, config)
    assert whole.wait(20)
    assert {n: loss for n, loss in losses(whole).items() if n >= 3} == losses(fork)


def test_a_fork_is_taken_from_where_one_looks(runs: Runs) -> None:
    """Looking back at epoch 2 makes a fork of epoch 2; else the last epoch goes on, for as many epochs again."""
    run = begun(runs)
    assert run.wait(20)
    run.look_at(look_back(run.shelf, run.snapshot().events, 2))
    start, config, _ = steer.cut(run, BASE, "en")
    assert isinstance(start, Start)
    assert config.epochs == 8
    run.look_at(None)
    _, config, _ = steer.cut(run, BASE, "en")
    assert config.epochs == 16


def test_a_fork_of_a_running_run_stops_it(runs: Runs) -> None:
    """The parent ends where it stands, and stays among the earlier runs."""
    run = begun(runs, replace(BASE, epochs=3000), rate=20.0)
    until(lambda: len(losses(run)) > 2)
    steer.branch(live(runs), run, replace(BASE, epochs=6, optimizer="sgd"), "en", 1)
    fork = runs.get(OWNER, "train")
    assert fork is not None
    assert run.wait(20)
    assert fork.wait(20)
    assert min(losses(fork)) == 1
    assert fork.shelf["origin"].epoch == 1
    assert [kept.state for kept in runs.kept(OWNER, "train")] == ["done", "stopped"]


@pytest.mark.parametrize("wish", [{"learning_rate": 0.05}, {"optimizer": "sgd"}])
def test_a_run_from_the_file_can_be_forked(runs: Runs, tmp_path: Path, wish: dict[str, Any]) -> None:
    """After a restart of the lab the networks are trained anew up to the epoch: the fork is the same as at once. And
    its parent lies under it again."""
    run = begun(runs)
    assert run.wait(20)
    steer.branch(live(runs), run, replace(BASE, **wish), "en", 4)
    at_once = runs.get(OWNER, "train")
    assert at_once is not None
    assert at_once.wait(20)
    assert runs.store is not None
    runs.store.flush()
    later = Runs(store=Store(tmp_path, pause=0.02))
    found = {kept.id: kept for kept in later.kept(OWNER, "train")}
    fork = later.reopen(OWNER, found[at_once.id])
    assert [other.id for other in fork.snapshot().others] == [run.id]
    past = later.reopen(OWNER, found[run.id])
    steer.branch(live(later), past, replace(BASE, **wish), "en", 4)
    again = later.get(OWNER, "train")
    assert again is not None
    assert again.wait(20)
    assert losses(again) == losses(at_once)


def test_what_cannot_be_forked_says_why(runs: Runs) -> None:
    """No epoch yet, or another network: one sentence each."""
    nothing = Run(OWNER, "train", lambda shelf: iter(()), None, runs._lobby, 0.0)
    with pytest.raises(RunError):
        steer.cut(nothing, BASE, "en")
    run = begun(runs)
    assert run.wait(20)
    with pytest.raises(BigModelError, match="widths is 9"):
        steer.cut(run, replace(BASE, widths=(9,)), "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_panel_tells_where_the_run_stands(language: str) -> None:
    """Buttons by the state; the bar from the first epoch to the last; the settings as they stand now."""
    step, one, fork, bar, state = steer.view(None, language)
    assert (step["interactive"], one["interactive"], fork["interactive"], state) == (False, False, False, "")
    assert bar["text"] == say("train.time.later", language)
    change = Changed(1, 30, 0.1, "learning_rate", 0.001, 0.01)
    run = snapshot(setup(), *epochs(1), change, epoch(2))
    step, one, fork, bar, state = steer.view(run, language)
    assert (step["interactive"], fork["interactive"]) == (True, True)
    assert json.loads(state) == [0.01, 32, 0.0, 0.01, "30:learning_rate=0.01"]
    assert (bar["first"], bar["last"], bar["at"]) == (0, 2, None)
    assert steer.marks(run.events, language) == [(1.5, say("train.mark.learning_rate", language, value="0.01"))]
    strict([bar])
    assert not steer.view(snapshot(setup(), *epochs(1), state="done"), language)[0]["interactive"]


def test_the_best_epoch_and_the_fork_are_marked() -> None:
    """With patience the best epoch has its line; a fork its start."""
    patient = replace(setup(), config=TrainConfig(patience=3))
    events = [patient, replace(epoch(4), best=4), replace(epoch(5), best=4)]
    assert steer.marks(events, "en") == [(4.0, say("train.mark.fork")), (4.0, say("train.mark.best"))]


def test_the_form_takes_changes_as_a_link_writes_them() -> None:
    """Changes go through the form as text and come back as they were."""
    import gradio as gr

    from bigmodel.ui.widgets import Form, Page, written

    changes = (Change(30, "learning_rate", 0.1 + 0.2), Change(31, "batch", 16))
    with gr.Blocks():
        form = Form(Page(), TrainConfig)
        form.field("changes")
    assert form.read([written(changes)]).changes == changes
    assert form.told([written(changes)]) == {"changes": written(changes)}
    with pytest.raises(ConfigError):
        form.read(["soon:rate=fast"])


def test_after_it_has_diverged_the_time_bar_tells_no_numbers() -> None:
    """Losses that are no numbers are not read out."""
    text = steer.bar_value(snapshot(setup(), epoch(0), epoch(1, broken=True)), "en")["text"]
    assert "nan" not in text
    assert say("train.time.present", "en", number=1) in text
