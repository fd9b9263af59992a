"""The judge panel: a sealed test part, a threshold, and the rows behind the cells."""

from __future__ import annotations

import pytest

from bigmodel.datasets import DatasetConfig, Notice, read_table, table_dataset
from bigmodel.errors import RunError
from bigmodel.runs import Run, Runs
from bigmodel.train import TrainConfig
from bigmodel.train.judging import Cut, Judged, Show
from bigmodel.ui import train
from bigmodel.ui.data import Source
from bigmodel.ui.train import judge
from bigmodel.ui.words import LANGUAGES, say
from tests.ui.made import epochs, judged, setup, snapshot, strict


def trained(dataset: str = "moons", *, rows: int = 120, **settings: object) -> Run:
    """A run of the tab that has ended."""
    config = TrainConfig(**{"epochs": 2, "widths": (8,), **settings})  # type: ignore[arg-type]
    start = train.training(Source(DatasetConfig(dataset=dataset, rows=rows)), config, 0.0)
    run = Runs().start("me", "train", start.job, conclude=start.conclude)
    assert run.wait(60)
    return run


def looks(run: Run) -> list[Judged]:
    return [event for event in run.snapshot().events if isinstance(event, Judged) and event.part == "test"]


def test_the_test_part_is_sealed_until_asked() -> None:
    """A run that has ended shows validation numbers and has not touched the test part; the button may be pressed."""
    run = trained()
    opener, part, seal, cards, *_ = judge.view(run.snapshot(), "en")
    assert looks(run) == []
    assert (opener["interactive"], part["visible"]) == (True, False)
    assert seal["note"] == say("train.open.info")
    assert cards["note"].startswith(say("train.scores.valid", rows=20, number=2))
    assert not judge.view(snapshot(setup(), *epochs(1)), "en")[0]["interactive"]


def test_a_look_is_counted_and_kept_with_the_run() -> None:
    """Opening shows the test rows and counts one; the same network again is no new look; the radio goes back."""
    run = trained()
    judge.look(run)
    judge.look(run)
    (only,) = looks(run)
    assert (only.looks, only.scores.rows) == (1, 24)
    _, part, seal, cards, *_ = judge.view(run.snapshot(), "en")
    assert (part["visible"], part["value"]) == (True, "test")
    assert seal["note"] == say("train.open.count", looks=1)
    assert say("train.scores.test", rows=24, number=2) in cards["note"]
    run.tell(Show("valid"))
    assert judge.on_show(run.snapshot())[0].part == "valid"  # type: ignore[union-attr]


def test_a_network_that_moved_on_is_another_look() -> None:
    """While the run goes on the newest kept epoch is judged, and each further epoch that is looked at counts."""
    config = TrainConfig(epochs=10_000, widths=(4,))
    start = train.training(Source(DatasetConfig(dataset="moons", rows=60)), config, 0.0)
    run = Runs().start("me", "train", start.job, conclude=start.conclude)
    while run.version < 40:
        pass
    run.pause()
    judge.look(run)
    first = looks(run)[-1]
    for _ in range(4):
        run.step()
    before = run.version
    while run.version < before + 3:
        pass
    run.stop()
    assert run.wait(20)
    judge.look(run)
    assert first.looks == 1
    assert looks(run)[-1].looks == 2
    assert looks(run)[-1].number > first.number


def test_without_a_network_it_is_one_sentence() -> None:
    """No run, or one that the lab has forgotten, is told as such; so is a cell that is none."""
    with pytest.raises(RunError, match="no trained network"):
        judge.look(None)
    run = trained()
    for place in (None, [0], [5, 0], ["a", 0], [0, -1]):
        with pytest.raises(RunError, match="no cell"):
            judge.behind(run, place, "en")


def test_all_members_diverged_is_one_sentence() -> None:
    """A training that broke has no network to judge, and the page says so."""
    run = trained(learning_rate=10.0, optimizer="sgd", loss="mse", epochs=30)
    assert run.snapshot().state == "failed"
    with pytest.raises(RunError, match="diverged"):
        judge.look(run)
    strict(judge.view(run.snapshot(), "en"))


@pytest.mark.parametrize("dataset", ["moons", "iris", "digits"])
def test_a_cell_shows_its_rows(dataset: str) -> None:
    """As many rows as the cell counts (or the most confident of them), with their features or as pictures."""
    run = trained(dataset, epochs=1)
    judge.look(run)
    shown, _ = judge.on_show(run.snapshot())
    assert shown is not None
    size = len(shown.scores.classes)
    for truth in range(size):
        for guess in range(size):
            value = judge.behind(run, [truth, guess], "zh")
            assert len(value["rows"]) == min(judge.MOST_ROWS, shown.scores.confusion[truth][guess])
            shares = [float(row[2]) for row in value["rows"]]
            assert shares == sorted(shares, reverse=True)
            if dataset == "digits":
                assert (value["pictures"]["width"], value["pictures"]["height"]) == (8, 8)
            elif value["rows"]:
                assert len(value["rows"][0]) == len(value["heads"])
    strict([value])


def test_own_tables_show_their_own_cells(tmp_path) -> None:
    """Rows of an uploaded table are shown as they were written, in the validation part and in the test part."""
    path = tmp_path / "t.csv"
    path.write_text("name,size,kind\n" + "".join(f"n{i % 9},{i}.50,{'ab'[i % 2]}\n" for i in range(80)))
    data = table_dataset(read_table(str(path)), "kind", DatasetConfig())
    for name in ("valid", "test"):
        cells = judge.cells_of(data, name, [0, 1])  # type: ignore[arg-type]
        assert list(cells) == ["name", "size", "kind"]
        assert cells["kind"].tolist() == [data.classes[k] for k in judge.part_of(data, name).y[:2]]  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_threshold_moves_all_at_once(language: str) -> None:
    """Matrix, scores and the dots on both curves are those of the threshold; it waits until the run has ended."""
    run = snapshot(setup(), *epochs(1), judged(), Cut(0.2), state="done")
    _, _, _, cards, slider, matrix, lines, _ = judge.view(run, language)
    assert (slider["visible"], slider["value"]) == (True, 0.2)
    assert matrix["value"]["data"][0]["customdata"] == [[20, 80], [10, 90]]
    assert cards["cards"][0][1] == f"{(20 + 90) / 200:.3f}"
    dots = [line for line in lines["value"]["data"] if line.get("mode") == "markers"]
    assert [(dot["x"], dot["y"]) for dot in dots] == [([0.8], [0.9]), ([0.9], [0.52941])]
    going = judge.view(snapshot(setup(), *epochs(1), judged(), Cut(0.2)), language)
    assert not going[4]["visible"]
    strict([cards, slider, matrix, lines])


@pytest.mark.parametrize("language", LANGUAGES)
def test_many_classes_have_a_curve_each(language: str) -> None:
    """Three looks: ROC, PR and calibration; a look hides the traces of the others, and there is no threshold."""
    run = snapshot(setup(("a", "b", "c")), *epochs(1), judged(classes=("a", "b", "c")), state="done")
    *_, slider, _, lines, _ = judge.view(run, language)
    assert not slider["visible"]
    meta, data = lines["value"]["layout"]["meta"], lines["value"]["data"]
    assert [look["label"] for look in meta["switch"]] == [
        say(f"chart.{name}", language) for name in ("roc", "pr", "calibration")
    ]
    shown = [set(range(len(data))) - set(look["hidden"]) for look in meta["switch"]]
    assert set.union(*shown) == set(range(len(data)))
    assert not shown[0] & shown[1]


def test_scores_stay_after_a_stop() -> None:
    """A stopped run is judged like one that ended; while it learns the scores are there without curves."""
    values = judge.view(snapshot(setup(), *epochs(3), judged(), state="stopped"), "zh")
    assert values[5]["visible"]
    assert values[6]["visible"]
    assert values[3]["cards"][0][:2] == (say("train.scores.accuracy", "zh"), "0.900")
    going = judge.view(snapshot(setup(), *epochs(3), judged(drawn=False)), "zh")
    assert (going[5]["visible"], going[6]["visible"]) == (True, False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_note_tells_what_the_scores_mean(language: str) -> None:
    """The part, the interval, many classes, several seeds and what was done to a table are told with the scores."""
    notice = Notice("renamed", (("columns", "a, b"),))
    three = judged("test", 7, 1, classes=("a", "b", "c"), members=(0.8, 0.9))
    cards = judge.view(snapshot(setup(("a", "b", "c"), (notice,)), *epochs(1), three, state="done"), language)[3]
    assert say("train.scores.test", language, rows=200, number=7) in cards["note"]
    assert say("train.scores.note.macro", language, positive="c") in cards["note"]
    assert say("train.scores.seeds", language, count=2, low=0.8, high=0.9) in cards["note"]
    assert say("datasets.notice.renamed", language, columns="a, b") in cards["note"]
    assert cards["cards"][0][2] == say("train.scores.interval", language, low=0.85, high=0.94)
    assert [number for _, number, _ in cards["cards"]] == ["0.900", "0.940", "0.910", "0.920", "0.930", "–", "0.300"]
