"""Two knobs: the cells of the map, how much each knob weighs, and what halving would have thrown away."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from bigmodel.compare import KNOBS, CompareConfig, Entry, Round, Trial, compare, knobs
from bigmodel.compare.entries import entries
from bigmodel.config import limits_of
from bigmodel.datasets import DatasetConfig, load_dataset
from bigmodel.errors import ConfigError
from bigmodel.ui.words import LANGUAGES, word


def trial(rate, loss, *, optimizer="adam", schedule="constant", value="", diverged=None):
    """An entry that ended with this loss."""
    entry = Entry(rate, optimizer, schedule, value)
    return Trial(entry, 10, loss, loss, 0.5, 0.5, (loss,), diverged_at=diverged)


RATES = (0.001, 0.01, 0.1, 1.0)
SIZES = ("8", "16", "32", "64", "128")


def grid(loss):
    """All rates with all batch sizes."""
    return [trial(r, loss(a, b), value=v) for (a, r), (b, v) in itertools.product(enumerate(RATES), enumerate(SIZES))]


# ---- cells ---------------------------------------------------------------------------------------------------------


def test_cells_are_rates_by_values_in_the_order_of_numbers():
    """Columns are rates, rows the values by size (8 before 16), each cell the loss and the number of its trial."""
    trials = grid(lambda a, b: 1 + a + 10 * b)
    found = knobs.cells(trials, "value")
    assert (found.rates, found.values, found.filled) == (RATES, SIZES, 1.0)
    assert found.losses[2] == (21, 22, 23, 24)
    assert trials[found.trials[2][3]].entry == Entry(1.0, "adam", "constant", "32")


def test_the_best_of_what_shares_a_cell_stands_in_it():
    """Where an optimizer differs too, the better one counts; who diverged only where nobody else ran."""
    trials = [
        trial(0.1, 0.9, value="8"), trial(0.1, 0.4, value="8", optimizer="sgd"), trial(0.1, 0.6, value="8"),
        trial(0.1, math.nan, value="16", diverged=3), trial(1.0, math.nan, value="16", diverged=3),
        trial(0.1, 0.7, value="16"),
    ]  # fmt: skip
    found = knobs.cells(trials, "value")
    assert found.losses[0][0] == 0.4
    assert found.losses[1][0] == 0.7
    assert math.isnan(found.losses[1][1])
    assert found.trials == ((1, -1), (5, 4))
    assert found.filled == 0.75
    assert knobs.cells(trials, "optimizer").values == ("adam", "sgd")


def test_there_is_no_map_of_a_knob_that_does_not_differ():
    """Rates alone make no map, nor does a knob with one value."""
    trials = [trial(0.1, 1.0), trial(1.0, 1.0)]
    assert knobs.varied(trials) == ("rate",)
    assert knobs.cells(trials, "value") is None
    assert knobs.cells(trials, "rate") is None


# ---- weights -------------------------------------------------------------------------------------------------------


def shares(trials):
    """Knobs → share."""
    return {weight.knobs: weight.share for weight in knobs.weigh(trials).shares}


def test_a_knob_that_does_nothing_weighs_nothing():
    """Where the loss depends on the rate alone, the rate has it all."""
    found = shares(grid(lambda a, b: math.exp(a)))
    assert found["rate",] > 0.97
    assert found["value",] < 0.02
    assert found["rate", "value"] < 0.02


def test_two_knobs_that_add_up_have_no_interaction():
    """exp(a) · exp(b) is a sum by its logarithm: shares as those of the two variances, next to nothing for the pair."""
    found = shares(grid(lambda a, b: math.exp(2 * a + b)))
    a, b = 4 * 1.25, 2.0  # variances of 2a over 0..3 and b over 0..4
    assert found["rate",] == pytest.approx(a / (a + b), abs=0.06)
    assert found["value",] == pytest.approx(b / (a + b), abs=0.06)
    assert found["rate", "value"] < 0.06


def test_two_knobs_that_only_work_together_are_an_interaction():
    """Small rates want small batches, large ones large: neither knob alone says anything, the pair does."""
    found = shares(grid(lambda a, b: math.exp(2 * ((a > 1) ^ (b > 1)))))
    assert found["rate", "value"] > 0.8
    assert found["rate",] < 0.1


def test_shares_of_two_knobs_make_one():
    """With two knobs there is nothing else: the three shares sum to 1, the heaviest first."""
    found = knobs.weigh(grid(lambda a, b: 1 + abs(a - b) + 0.3 * b)).shares
    assert sum(weight.share for weight in found) == pytest.approx(1.0)
    assert [w.share for w in found] == sorted((w.share for w in found), reverse=True)


def test_too_few_entries_have_no_weights():
    """Five entries, entries without a difference, and entries that all diverged tell nothing."""
    assert knobs.weigh([trial(0.1 * k, 0.1, value="8") for k in range(1, 6)]).shares == ()
    assert knobs.weigh([trial(0.1, 0.5)] * 20).shares == ()
    assert knobs.weigh([trial(0.1 * k, math.nan, diverged=2) for k in range(1, 20)]).shares == ()
    assert knobs.weigh([trial(0.1 * k, 0.5) for k in range(1, 20)]).shares == ()


# ---- halving -------------------------------------------------------------------------------------------------------


def test_rungs_halve_and_double():
    """Half as many run twice as long, until half of the epochs."""
    assert knobs.rungs(16, 16) == ((1, 8), (2, 4), (4, 2), (8, 1))
    assert knobs.rungs(5, 20) == ((5, 3), (10, 2))
    assert knobs.rungs(64, 3) == ((1, 32),)
    assert knobs.rungs(1, 100) == knobs.rungs(8, 1) == ()


def line(*losses):
    """A curve from epoch 0."""
    return dict(enumerate(losses))


SLOW = line(1.0, 0.9, 0.8, 0.5, 0.1)
QUICK = line(1.0, 0.5, 0.4, 0.35, 0.3)
POOR = line(1.0, 0.95, 0.9, 0.85, 0.8)
BROKEN = line(1.0)


def test_replay_tells_who_would_have_been_thrown_away_wrongly():
    """The slow one is best in the end and would have gone at the first rung; it is named, and so is what it cost."""
    halved = knobs.replay([SLOW, QUICK, POOR, BROKEN], 4)
    assert knobs.rungs(4, 4) == ((1, 2), (2, 1))
    assert halved.thrown == ((2, 1), (3, 1), (0, 2))
    assert (halved.kept, halved.wrongly) == (1, (0,))
    assert halved.cost == pytest.approx(0.2)
    assert halved.saved == pytest.approx(1 - (4 * 1 + 2 * 1 + 1 * 2) / 16)


def test_replay_of_a_race_that_halving_gets_right_costs_nothing():
    """Where the best is ahead from the start, time is saved and nothing lost."""
    halved = knobs.replay([QUICK, POOR], 4)
    assert (halved.kept, halved.wrongly, halved.cost) == (0, (), 0.0)
    assert halved.saved == pytest.approx(1 - (2 * 2 + 1 * 2) / 8)


def test_there_is_nothing_to_replay_without_a_rung_or_a_curve():
    """One entry, or none that lasted."""
    assert knobs.replay([QUICK], 4) is None
    assert knobs.replay([BROKEN, BROKEN], 4) is None


def test_what_halving_did_is_told_without_a_claim():
    """Who left and what it saved; nobody is called thrown wrongly, and without anybody thrown there is nothing."""
    stayed, left = trial(0.1, 0.2), replace(trial(1.0, 0.5), number=2, left=True)
    halved = knobs.happened([left, stayed], 10)
    assert (halved.thrown, halved.kept, halved.wrongly, halved.saved) == (((0, 2),), 1, (), 0.4)
    assert knobs.happened([stayed], 10) is None


# ---- any knob ------------------------------------------------------------------------------------------------------

PAIRS = {
    "batch": ("8", "64"), "weight_decay": ("0", "0.5"), "l1": ("0", "0.01"), "l2": ("0", "0.1"),
    "dropout": ("0", "0.5"), "momentum": ("0", "0.9"), "width": ("4", "16"),
    "depth": ("0", "2"), "activation": ("relu", "tanh"),
}  # fmt: skip


@pytest.fixture(scope="module")
def moons():
    """Few rows."""
    return load_dataset(DatasetConfig(dataset="moons", rows=100))


def last(config, data):
    """The trials at the end of a race."""
    return [event for event in compare(config, data) if isinstance(event, Round)][-1].trials


@pytest.mark.parametrize("knob", KNOBS)
def test_every_knob_races_against_the_rate(knob, moons):
    """Each rate runs with each value, from the same start, and the two values learn something different."""
    optimizer = {"momentum": "sgd", "weight_decay": "adamw"}.get(knob, "adam")
    config = CompareConfig(
        rates=(0.01, 0.1), knob=knob, values=PAIRS[knob], optimizer=optimizer, epochs=3, seeds=2, widths=(8,)
    )
    trials = last(config, moons)
    assert [(t.learning_rate, t.entry.value) for t in trials] == [(r, v) for v in PAIRS[knob] for r in (0.01, 0.1)]
    found = knobs.cells(trials, "value")
    assert found.filled == 1.0
    assert all(abs(a - b) > 1e-6 for a, b in zip(*found.losses, strict=True))


def test_optimizers_and_schedules_race_against_the_rate(moons):
    """All of them at once: a map for each, and nothing shares a curve."""
    config = CompareConfig(
        rates=(0.01, 0.1), optimizers=("sgd", "adam"), schedules=("constant", "one_cycle"), epochs=3, widths=(8,)
    )
    trials = last(config, moons)
    assert len({round(t.valid_loss, 7) for t in trials}) == len(trials) == 8
    assert knobs.cells(trials, "optimizer").values == ("adam", "sgd")
    assert knobs.cells(trials, "schedule").values == ("constant", "one_cycle")


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"knob": "batch", "values": ()}, "compare.no_values"),
        ({"knob": "batch", "values": ("32", "32")}, "compare.no_values"),
        ({"knob": "batch", "values": ("32", "many")}, "compare.value_whole"),
        ({"knob": "batch", "values": ("32", "0")}, "compare.value_whole"),
        ({"knob": "batch", "values": ("32", "1.5")}, "compare.value_whole"),
        ({"knob": "dropout", "values": ("0.1", "1e9")}, "compare.value_range"),
        ({"knob": "dropout", "values": ("0.1", "nan")}, "compare.value_range"),
        ({"knob": "activation", "values": ("relu", "swish")}, "compare.value_choice"),
    ],
)
def test_values_that_are_none_are_refused_in_words(wrong, key):
    """None, one, text, 0, halves, too much, no number, an unknown word: one sentence each, in both languages."""
    with pytest.raises(ConfigError) as raised:
        entries(CompareConfig(**wrong))
    assert [problem.key for problem in raised.value.problems] == [key]
    for language in LANGUAGES:
        assert "{" not in word(raised.value, language)


def test_a_grid_of_a_million_cells_is_one_sentence():
    """128 rates × 5 optimizers × 4 schedules × 400 values are counted, not built."""
    kinds = {f"{name}s": limits_of(CompareConfig, name).options for name in ("optimizer", "schedule")}
    values = tuple(map(str, range(1, 401)))
    config = CompareConfig(rates_as="range", lowest=1e-5, highest=1.0, count=128, knob="batch", values=values, **kinds)
    with pytest.raises(ConfigError) as raised:
        entries(config)
    (problem,) = raised.value.problems
    assert (problem.key, problem.values["count"]) == ("compare.cells", 128 * 5 * 4 * 400)
    assert "1024000" in word(problem, "en").replace(",", "")
