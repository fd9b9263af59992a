"""Two knobs: the cells of the map, how much each knob weighs, and what halving would have thrown away."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from bigmodel.compare import Entry, Trial, knobs


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
