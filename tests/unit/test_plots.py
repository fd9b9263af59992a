"""Charts: a new figure from plain values, transparent, with words from outside and few enough points."""

import math
from types import SimpleNamespace as Plain

import pytest

from bigmodel import plots

WORDS = {
    "epoch": "轮次", "loss": "损失", "accuracy": "准确率", "train": "训练集", "valid": "验证集", "rate": "学习率",
    "valid_loss": "验证损失", "diverged": "发散", "best": "最佳", "truth": "真实类别", "guess": "预测类别",
    "seconds": "秒", "amplitude": "振幅", "hertz": "频率",
    "linear": "线性", "linear.info": "等距", "log": "对数", "log.info": "十倍", "loss.caption": "损失：错得多远",
    "accuracy.caption": "准确率：答对的比例", "boundary.caption": "界线", "points.caption": "数据", "classes": "类别",
    "classes.info": "类", "spread": "分歧", "spread.info": "差", "component": "主成分 {number}（{share:.0%}）",
    "slice": "截面 {share:.0%}", "race.caption": "比赛", "axis.caption": "结果", "cheapest": "最省", "sealed": "封存",
    "health.caption": "各层", "health.note": "健康", "gradient": "梯度", "gradient.short": "梯", "gradient.info": "长",
    "update": "步长", "update.short": "步", "update.info": "比", "dead": "沉默", "dead.short": "默", "dead.info": "数",
    "confusion.caption": "混淆矩阵", "confusion.note": "点一格",
    "confusion.keys": "方向键", "confusion.cell": "{truth}→{guess}：{count}",
}  # fmt: skip


def epochs(count, members=1, broken=False):
    """Epochs whose loss falls; the last one is no number when `broken`."""
    rows = []
    for k in range(count):
        loss = math.nan if broken and k == count - 1 else 1 / (k + 1)
        values = {"valid_loss": loss, "rate": 0.1, "train_accuracy": 0.5, "valid_accuracy": 0.6}
        seeds = [Plain(train_loss=loss + m, **values) for m in range(members)]
        rows.append(Plain(number=k, train_loss=loss, members=seeds, **values))
    return rows


def trial(rate, loss, broke=None, left=False, optimizer="adam"):
    entry = Plain(learning_rate=rate, optimizer=optimizer, schedule="constant", value="")
    at = None if broke is None else round(20 * broke)
    return Plain(entry=entry, valid_loss=loss, diverged_at=at, broke=broke, left=left)


def standing(place, mean, half=math.nan, equal=False):
    return Plain(trial=place, mean=mean, low=mean - half, high=mean + half, equal=equal)


SOUND = Plain(
    seconds=2.0, low=(-0.5, -0.1), high=(0.25, 0.1), mel=bytes([0, 10, 20, 30, 40, 255]), bins=3, columns=2, top=8000.0
)

FLAT = Plain(axes=("u", "v"), shares=(), grid=(0, 59, 0, 59), points=[(1, 2, 0), (3, 4, 1)])
SLICE = Plain(axes=(), shares=(0.5, 0.25), grid=(-1, 1, -1, 1), points=[(0.1, 0.2, 0)])

FOUND = Plain(best=0, cheapest=0, standings=[standing(0, 1.0, equal=True)])

FIGURES = {
    "loss": lambda: plots.loss_curves(epochs(3), WORDS),
    "accuracy": lambda: plots.accuracy_curves(epochs(3), WORDS),
    "rates": lambda: plots.rate_curves([trial(0.1, 1.0), trial(0.2, 1.0)], [{0: 1.0}] * 2, "ab", WORDS),
    "axis": lambda: plots.rate_axis([trial(0.1, 1.0), trial(10, math.nan, 0.3)], FOUND, "ab", WORDS),
    "confusion": lambda: plots.confusion([[3, 1], [0, 4]], ["a", "b"], WORDS),
    "boundary": lambda: plots.boundary(FLAT, "ab", WORDS, bytes([255] * 3600 + [0] * 3600)),
    "slice": lambda: plots.boundary(SLICE, "ab", WORDS),
    "waveform": lambda: plots.waveform(SOUND, WORDS),
    "spectrogram": lambda: plots.spectrogram(SOUND, WORDS),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_new_transparent_and_named(name):
    """Every figure has titles on both axes, a clear background, no template, and is not the one from before."""
    figure = FIGURES[name]()
    assert figure is not FIGURES[name]()
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert '"colorway"' not in figure.to_json()


def test_words_come_from_outside():
    """Titles and names are the words that were passed in."""
    figure = plots.loss_curves(epochs(3), WORDS)
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("轮次", "损失")
    assert [trace.name for trace in figure.data] == ["训练集", "验证集", "学习率"]
    assert figure.layout.meta["caption"] == "损失：错得多远"


def test_long_curves_are_thinned_but_keep_their_ends():
    """10,000 epochs become 250 to 500 points, the first and the last among them."""
    trace = plots.loss_curves(epochs(10_000), WORDS).data[0]
    assert plots.MOST_POINTS / 2 < len(trace.x) <= plots.MOST_POINTS
    assert (trace.x[0], trace.x[-1]) == (0, 9999)


def test_what_is_no_number_is_a_gap():
    """NaN and infinity are drawn as gaps, not as zero."""
    assert plots.loss_curves(epochs(4, broken=True), WORDS).data[0].y[-1] is None


def test_several_seeds_have_a_band():
    """With members the band runs from the lowest to the highest of them."""
    figure = plots.loss_curves(epochs(3, members=3), WORDS)
    low, high = figure.data[:2]
    assert (low.y[0], high.y[0], high.fill) == (1.0, 3.0, "tonexty")


def test_the_learning_rate_lies_under_the_loss():
    """It shares the axis of epochs, has an own logarithmic one, and needs a point only where it changes."""
    rows = [Plain(**{**vars(row), "rate": 0.1 if k < 5 else 0.01}) for k, row in enumerate(epochs(8))]
    figure = plots.loss_curves(rows, WORDS)
    rate = figure.data[-1]
    assert (rate.yaxis, figure.layout.yaxis2.type, figure.layout.xaxis.anchor) == ("y2", "log", "y2")
    assert list(zip(rate.x, rate.y, strict=True)) == [(0, 0.1), (4, 0.1), (5, 0.01), (7, 0.01)]
    assert figure.layout.yaxis2.domain[1] < figure.layout.yaxis.domain[0]
    assert figure.layout.yaxis2.ticktext == ("0.01", "0.1")


@pytest.mark.parametrize("curves", [plots.loss_curves, plots.accuracy_curves])
def test_a_waiting_chart_leaves_its_ranges_to_nobody(curves):
    """Empty axes have ranges of their own and another state on the page than those of a run."""
    waiting, running = curves([], WORDS).layout, curves(epochs(3), WORDS).layout
    assert (waiting.xaxis.range, running.xaxis.range) == ((0, 10), None)
    assert waiting.uirevision != running.uirevision


@pytest.mark.parametrize("curves", [plots.loss_curves, plots.accuracy_curves])
def test_earlier_runs_changes_and_baselines_are_laid_over(curves):
    """Earlier runs are thin dotted curves by name, changes vertical lines, baselines dashed ones through the plot."""
    figure = curves(
        epochs(3), WORDS, others=[("before", epochs(5))], marks=[(1.5, "rate 0.01")], baselines=[("majority", 0.5)]
    )
    (other,) = [trace for trace in figure.data if trace.name == "before"]
    assert (other.line.dash, len(other.x)) == ("dot", 5)
    mark, level = figure.layout.shapes
    assert (mark.x0, mark.x1, mark.yref) == (1.5, 1.5, "paper")
    assert "rate 0.01" in [note.text for note in figure.layout.annotations]
    assert (level.y0, level.y1, level.xref, level.label.text) == (0.5, 0.5, "paper", "majority")
    assert level.line.dash == "dash"


def test_names_of_close_baselines_do_not_cover_each_other():
    """Three baselines of almost one value have their names at three places along the lines; NaN has no line."""
    levels = [("a", 0.9), ("b", 0.9), ("c", 0.91), ("d", math.nan)]
    shapes = plots.accuracy_curves(epochs(3), WORDS, baselines=levels).layout.shapes
    assert [shape.label.textposition for shape in shapes] == ["end", "middle", "start"]


def test_the_loss_has_a_switch_to_a_logarithmic_axis():
    """The second look of the figure turns the axis of losses, and nothing else."""
    even, logarithmic = plots.loss_curves(epochs(3), WORDS).layout.meta["switch"]
    assert (even["label"], logarithmic["label"]) == ("线性", "对数")
    assert "layout" not in even
    assert logarithmic["layout"] == {"yaxis": {**plots.LOG, "range": None}}


def test_a_logarithmic_axis_writes_its_figures_out_and_few_of_them():
    """0.001 and not a small exponent; plotly labels all nine digits of a power of ten unless it may have few."""
    assert (plots.LOG["tickformat"], plots.LOG["nticks"]) == ("~g", 3)
    axis = plots.health([], WORDS).layout.yaxis
    assert (axis.type, axis.tickformat, axis.nticks) == ("log", "~g", 3)
    axes = [look["layout"]["yaxis"] for look in plots.health([], WORDS).layout.meta["switch"]]
    assert [(axis["type"], axis["nticks"]) for axis in axes] == [("log", 3), ("log", 3), ("linear", 0)]


def test_waveform_and_spectrogram_have_a_moment_at_one_place():
    """Their margins are the same and do not follow the figures on their axes."""
    picture = Plain(seconds=2.0, low=(-1.0,), high=(1.0,), mel=bytes(6), bins=2, columns=3, top=8000.0)
    above, below = plots.waveform(picture, WORDS), plots.spectrogram(picture, WORDS)
    assert above.layout.margin == below.layout.margin
    assert (above.layout.yaxis.automargin, below.layout.yaxis.automargin) == (False, False)


def test_a_diverged_rate_is_grey_and_ends_with_a_cross():
    """Its curve goes on to the place within the epoch where it broke; the others keep their colours."""
    trials = [trial(0.1, 1.0), trial(9.0, math.nan, broke=1.35), trial(0.5, 1.0, left=True)]
    curves = [{0: 1.0, 1: 0.9, 2: 0.8, 3: 0.7}, {0: 2.0, 1: 3.0}, {0: 2.0, 1: 1.0}]
    fine, broken, left = plots.rate_curves(trials, curves, "abc", WORDS, best=0).data
    assert fine.line.color == plots.rate_colour(0, 3)
    assert fine.line.width > left.line.width
    assert broken.line.color == left.line.color == plots.GREY
    assert list(broken.x) == [0, 1, 1.35]
    assert broken.marker.symbol[-1] == "x"
    assert "发散" in broken.name
    assert left.line.dash == "dot"


def test_kinds_share_the_colour_of_their_rate_and_differ_in_their_dash():
    """Of many entries the colour is the rate's, the dash the optimizer's."""
    rates = [10.0**-k for k in range(6)]
    trials = [trial(rate, 1.0, optimizer=name) for name in ("sgd", "adam") for rate in rates]
    lines = plots.rate_curves(trials, [{0: 1.0}] * 12, "abcdefghijkl", WORDS).data
    assert [line.line.color for line in lines[:6]] == [line.line.color for line in lines[6:]]
    assert len({line.line.color for line in lines}) == 6
    assert {line.line.dash for line in lines[:6]} == {"solid"}
    assert {line.line.dash for line in lines[6:]} == {"dash"}


def test_more_entries_than_a_chart_holds_are_drawn_in_part():
    """Of a thousand entries 128 at most have a curve, evenly chosen."""
    trials = [trial(10 ** (-5 + k / 200), 1.0) for k in range(1000)]
    assert 100 < len(plots.rate_curves(trials, [{0: 1.0}] * 1000, ["x"] * 1000, WORDS).data) <= 128


def test_the_axis_shows_intervals_equals_and_the_sealed_test():
    """Error bars are the intervals, cut off above 0; equals are green, the best a star, the cheapest a diamond."""
    trials = [trial(0.01, 0.5), trial(0.1, 0.4), trial(1.0, 0.9), trial(9.0, math.nan, broke=0.2)]
    rows = [standing(2, 0.9, 2.0), standing(0, 0.5, 0.1, equal=True), standing(1, 0.4, 0.1, equal=True)]
    found = Plain(best=1, cheapest=0, standings=rows)
    reached, sealed, best, cheapest, broken = plots.rate_axis(trials, found, "abcd", WORDS, tests=(0.6, 0.5)).data
    assert list(reached.x) == [0.01, 0.1, 1.0]
    assert list(reached.marker.color) == [plots.PALETTE[2], plots.PALETTE[2], plots.GREY]
    assert list(reached.error_y.array) == [0.1, 0.1, 2.0]
    assert reached.error_y.arrayminus[2] < 0.9
    assert (list(sealed.x), list(sealed.y)) == ([0.01, 0.1], [0.6, 0.5])
    assert (list(best.x), best.marker.symbol) == ([0.1], "star")
    assert (list(cheapest.x), cheapest.marker.symbol) == ([0.01], "diamond")
    assert (list(broken.x), broken.marker.symbol) == ([9.0], "x")


@pytest.mark.parametrize(("highest", "ticks"), [(0.02, None), (0.2, "D2"), (10.0, 1)])
def test_the_axis_has_few_enough_labels(highest, ticks):
    """One a decade over a wide range, 1, 2 and 5 over a narrower one, plotly's own over a factor of two."""
    trials = [trial(0.01, 0.5), trial(highest, 0.4)]
    assert plots.rate_axis(trials, None, "ab", WORDS).layout.xaxis.dtick == ticks


@pytest.mark.parametrize("count", [2, 8, 9, 64, 128])
def test_every_rate_has_a_colour_of_its_own(count):
    """No two of up to 128 rates share a colour."""
    assert len({plots.rate_colour(place, count) for place in range(count)}) == count


def test_the_confusion_matrix_is_coloured_by_row_and_shows_counts():
    """Cells hold the share of their true class and are labelled with counts; the first class is on top."""
    figure = plots.confusion([[3, 1], [0, 4]], ["a", "b"], WORDS)
    assert [list(row) for row in figure.data[0].z] == [[0.75, 0.25], [0, 1]]
    assert [note.text for note in figure.layout.annotations] == ["3", "1", "0", "4"]
    assert figure.layout.yaxis.autorange == "reversed"


def test_the_boundary_shows_class_and_confidence():
    """Each place holds its class in hundreds and how sure the network is below; points keep their class."""
    surface = bytes([255] * 1800 + [0] * 1800 + [0] * 1800 + [255] * 1800)
    figure = plots.boundary(FLAT, ["a", "b"], WORDS, surface)
    z = figure.data[0].z
    assert (int(z[0][0]), int(z[59][59])) == (99, 199)
    assert (figure.data[0].dx, figure.data[0].dy) == (1, 1)
    assert [list(trace.x) for trace in figure.data[1:]] == [[1], [3]]
    assert (figure.layout.meta["note"], figure.layout.meta["switch"]) == ("", [])


def test_several_seeds_have_a_look_at_where_they_disagree():
    """The second look hides the classes and shows the spread; the first is the other way round."""
    figure = plots.boundary(FLAT, ["a", "b"], WORDS, bytes(7200), bytes(range(225)) * 16)
    assert [look["hidden"] for look in figure.layout.meta["switch"]] == [[1], [0]]
    assert (figure.data[1].zmax, int(figure.data[1].z.max())) == (255, 224)


def test_a_slice_is_called_one():
    """Of data with more features the axes name the components with their shares, and the note tells the whole."""
    figure = plots.boundary(SLICE, ["a", "b"], WORDS)
    assert figure.layout.xaxis.title.text == "主成分 1（50%）"
    assert figure.layout.meta["note"] == "截面 75%"
    assert figure.layout.meta["caption"] == "数据"


def test_the_waveform_runs_between_lowest_and_highest():
    """One closed outline: up along the highest samples, back along the lowest, from the first to the last second."""
    trace = plots.waveform(SOUND, WORDS).data[0]
    assert trace.x == (0.5, 1.5, 1.5, 0.5)
    assert trace.y == (0.25, 0.1, -0.1, -0.5)


def test_the_spectrogram_has_low_pitches_below_and_names_them():
    """Row 0 is the lowest band; 8000 Hz stands one step above the highest of the bands that end there."""
    figure = plots.spectrogram(SOUND, WORDS)
    assert figure.data[0].z.tolist() == [[0, 10], [20, 30], [40, 255]]
    ticks = dict(zip(figure.layout.yaxis.ticktext, figure.layout.yaxis.tickvals, strict=True))
    assert ticks["8000"] == pytest.approx(3.0)
    assert ticks["250"] < ticks["1000"] < ticks["4000"]


def test_health_has_three_looks_with_a_line_a_layer():
    """Each look shows its own lines only; what has no meaning is a gap, and the band stands under the steps alone."""
    row = Plain
    inside = row(layers=("hidden1", "output"), gradient=(0.5, 0.1), update=(1e-3, 0.0), dead=(0.25, math.nan))
    epochs = [row(number=0, health=None), row(number=1, health=inside), row(number=2, health=inside)]
    figure = plots.health(epochs, WORDS)
    assert [list(trace.y) for trace in figure.data if trace.name] == [
        [0.5, 0.5], [0.1, 0.1], [1e-3, 1e-3], [None, None], [0.25, 0.25], [None, None],
    ]  # fmt: skip
    looks = figure.layout.meta["switch"]
    assert [look["hidden"] for look in looks] == [[2, 3, 4, 5, 6, 7], [0, 1, 6, 7], [0, 1, 2, 3, 4, 5]]
    low, high = (trace.y[0] for trace in figure.data if not trace.name)
    assert low < 1e-3 < high
    assert not plots.health([], WORDS).data
