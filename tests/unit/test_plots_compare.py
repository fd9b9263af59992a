"""The charts of a race's finders and knobs: plain values in, figures out."""

from __future__ import annotations

import math
from types import SimpleNamespace as Plain

import pytest

from bigmodel import plots
from bigmodel.compare.finders import Vote
from bigmodel.compare.knobs import Cells, Halved, Weight
from bigmodel.ui.words import LANGUAGES, chart_words

WORDS = chart_words("en")
VOTES = (
    Vote("valley", 0.01, 0.005, 0.02, 0.6, 0.3, True),
    Vote("steep", 0.1, 0.1, 0.1, 0.3, 0.0, True),
    Vote("lightning_new", 1e-7, 1e-8, 1e-6, 0.9, 0.6, False),
    Vote("minimum", 9.0, 9.0, 9.0, math.inf, math.inf, True),
)


def case(name="SGD"):
    """One optimizer on trial."""
    curve = ((0.001, 0.9), (0.01, 0.6), (0.1, 0.3), (10.0, math.nan))
    test = ((1e-7, 0.9), (0.1, 0.7), (1.0, 50.0))
    return Plain(name=name, votes=VOTES, curve=curve, test=test, best=(0.1, 0.3), equals=(0.05, 0.2))


CELLS = Cells("value", (0.01, 0.1), ("8", "16"), ((0.5, 0.4), (math.nan, 0.3)), ((0, 1), (2, 3)))
SPARSE = Cells("value", (0.01, 0.03, 0.1), ("8", "12", "16"), ((0.5, math.nan, math.nan),) * 3, ((0, -1, -1),) * 3)
LINES = [{0: 1.0, 1: 0.5, 2: 0.2, 3: 0.1, 4: 0.05}, {0: 1.0, 1: 0.4, 2: 0.4, 3: 0.4, 4: 0.4}, {0: 1.0}]

FIGURES = {
    "finders": lambda words: plots.finder_votes([case()], words),
    "two optimizers": lambda words: plots.finder_votes([case("SGD"), case("Adam")], words),
    "no finders": lambda words: plots.finder_votes([], words),
    "map": lambda words: plots.knob_map([("Batch", CELLS)], (3, 1), words),
    "sparse map": lambda words: plots.knob_map([("Batch", SPARSE)], (0,), words),
    "two maps": lambda words: plots.knob_map([("Batch", CELLS), ("Optimizer", SPARSE)], (3,), words),
    "no map": lambda words: plots.knob_map([], (), words),
    "weights": lambda words: plots.knob_weights(
        [Weight(("rate",), 0.6), Weight(("rate", "value"), 0.3)], {"rate": "R", "value": "V"}, words
    ),
    "no weights": lambda words: plots.knob_weights([], {}, words),
    "halving": lambda words: plots.halving(LINES, Halved(((2, 1), (0, 2)), 0.4, 1, (0,), 0.35), words, "note"),
    "no halving": lambda words: plots.halving(LINES, None, words),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_transparent_captioned_and_json(name, language):
    """Every figure has a clear background, no template, a caption in its language, and is new each time."""
    words = chart_words(language)
    figure = FIGURES[name](words)
    told = figure.to_plotly_json()["layout"]
    assert told["paper_bgcolor"] == "rgba(0,0,0,0)"
    assert told["meta"]["caption"] in words.values()
    assert figure is not FIGURES[name](words)
    assert "NaN" not in figure.to_json(engine="json")


def test_votes_stand_on_the_axis_of_the_race_with_what_they_cost():
    """Each rule has its line; colour says whether it is among the best, the text what it costs."""
    figure = plots.finder_votes([case()], WORDS)
    marks = next(trace for trace in figure.data if trace.mode == "markers" and trace.yaxis == "y2")
    assert list(marks.x) == [0.01, 0.1, 1e-7, 9.0]
    assert [colour == plots.PALETTE[2] for colour in marks.marker.color] == [False, True, False, False]
    assert list(marks.customdata) == ["+0.300", "+0.000", "≥ +0.600", "diverged"]
    assert list(marks.error_x.array) == pytest.approx([0.01, 0, 9e-7, 0])
    assert figure.layout.xaxis.anchor == "y2"
    low, high = figure.layout.xaxis.range
    assert low < -8 < 1 < high


def test_a_range_test_that_explodes_does_not_flatten_the_race():
    """Its curve is drawn as high as the race goes, and a rate that diverged has no point."""
    figure = plots.finder_votes([case()], WORDS)
    assert [list(trace.x) for trace in figure.data[:2]] == [[1e-7, 0.1], [0.001, 0.01, 0.1]]


def test_several_optimizers_are_looks_of_one_chart():
    """A switch shows one optimizer and hides the traces of the others."""
    figure = plots.finder_votes([case("SGD"), case("Adam")], WORDS)
    looks = figure.layout.meta["switch"]
    half = len(figure.data) // 2
    assert [look["label"] for look in looks] == ["SGD", "Adam"]
    assert [look["hidden"] for look in looks] == [list(range(half, 2 * half)), list(range(half))]
    assert plots.finder_votes([case()], WORDS).layout.meta["switch"] == []


def test_the_map_marks_the_best_its_equals_and_who_diverged():
    """A cell that diverged is a gap with a cross; the others have their number, under a star or a ring."""
    heat, broken = plots.knob_map([("Batch", CELLS)], (3, 1), WORDS).data
    assert heat.z[1][0] is None
    assert heat.z[1][1] == pytest.approx(math.log10(0.3), rel=1e-3)
    assert (list(broken.x), list(broken.y)) == (["0.01"], ["16"])
    assert [list(row) for row in heat.text] == [["0.5", "○<br>0.4"], ["", "★<br>0.3"]]


def test_a_map_of_many_cells_has_marks_instead_of_numbers():
    """More rates than there is room for numbers: a star and rings lie on the cells."""
    rates = tuple(0.01 * (k + 1) for k in range(10))
    wide = Cells("value", rates, ("8", "16"), ((0.5,) * 10,) * 2, (tuple(range(10)), tuple(range(10, 20))))
    heat, _, same, best = plots.knob_map([("Batch", wide)], (3, 10), WORDS).data
    assert heat.texttemplate is None
    assert (list(best.x), list(best.y)) == (["0.04"], ["8"])
    assert (list(same.x), list(same.y)) == (["0.01"], ["16"])


def test_a_random_search_is_points_on_axes_of_numbers():
    """Where most cells would be empty, each entry is a point at its rate and value."""
    figure = plots.knob_map([("Batch", SPARSE)], (0,), WORDS)
    assert (figure.data[0].type, figure.layout.xaxis.type, figure.layout.yaxis.type) == ("scatter", "log", "log")
    assert list(figure.data[0].y) == [8.0, 12.0, 16.0]


def test_halving_shows_whom_it_would_have_thrown_out():
    """A thrown curve ends at its rung and goes on faintly; one thrown wrongly has its own colour and name."""
    figure = plots.halving(LINES, Halved(((2, 1), (0, 2)), 0.4, 1, (0,), 0.35), WORDS)
    wrong = [trace for trace in figure.data if trace.name == WORDS["wrongly"]]
    assert [list(trace.x) for trace in wrong] == [[0, 1, 2], [2, 3, 4]]
    assert [trace.line.dash for trace in wrong] == [None, "dot"]
    assert {trace.name for trace in figure.data} == {WORDS["kept"], WORDS["thrown"], WORDS["wrongly"]}


def test_colours_of_entries_go_from_grey_to_green():
    """The worst is grey, the best is the green of all charts."""
    assert plots.along(0) == plots.GREY
    assert plots.along(1) == plots.PALETTE[2]


@pytest.mark.parametrize(("value", "told"), [(0.00123, "0.0012"), (5.5, "5.5"), (1100.4, "1100"), (2e7, "2e+07")])
def test_numbers_of_an_axis_are_short(value, told):
    """Two digits, whole numbers from a hundred on."""
    assert plots.short(value) == told
