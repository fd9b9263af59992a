"""What a race says: paired differences, the set of equals, the cheapest, the edge, and the sealed test."""

import math

import numpy as np
import pytest

from bigmodel.compare import CompareConfig, Entry, Trial
from bigmodel.compare.answer import answer, interval
from bigmodel.compare.race import Race, run
from bigmodel.compare.verdict import judge
from bigmodel.datasets import DatasetConfig, load_dataset


def trial(rate, *losses, broken=False, left=False):
    mean = sum(losses) / len(losses)
    return Trial(Entry(rate, "adam", "constant"), 4, mean, mean, 0.5, 0.5, losses, 3 if broken else None, left=left)


def flat(trials):
    """Curves that stand where they end from the first epoch."""
    return [{k: t.valid_loss for k in range(5)} for t in trials]


def test_pairs_tell_apart_what_means_cannot():
    """Seeds differ by far more than the rates do, but each seed says the same: the ratios are sure."""
    seeds = np.array([0.1, 0.5, 0.9, 1.3])
    unsure = seeds * np.array((1.05, 0.97, 1.03, 1.0))
    trials = [trial(0.01, *(seeds * 1.04)), trial(0.03, *seeds), trial(0.1, *unsure)]
    found = answer(trials, flat(trials))
    assert found.best == 1
    assert found.equals == (1, 2)
    worse = found.standings[0]
    assert worse.low < trials[1].valid_loss < worse.high
    assert worse.ratio_low > 1
    assert worse.ratio == pytest.approx(1.04)


def test_a_rate_gone_wild_is_not_as_good_as_the_best():
    """Losses a thousand times as high differ so much between seeds that a plain difference would not be sure."""
    trials = [trial(0.01, 0.10, 0.11, 0.09), trial(1.0, 2000.0, 50.0, 600.0)]
    differences = [a - b for a, b in zip(trials[1].losses, trials[0].losses, strict=True)]
    _, low, _ = interval(differences)
    assert low < 0
    found = answer(trials, flat(trials))
    assert found.equals == (0,)
    assert found.standings[1].ratio_low > 30


def test_a_loss_of_nothing_is_no_error():
    """A network that fits all surely has a loss of 0, which has no logarithm."""
    trials = [trial(0.01, 0.0, 0.0), trial(0.1, 0.1, 0.2)]
    assert answer(trials, flat(trials)).equals == (0,)


def test_the_interval_is_students():
    """Mean and 95 % interval of four numbers, by the table: t = 3.182 for three degrees of freedom."""
    mean, low, high = interval([1.0, 2.0, 3.0, 4.0])
    assert mean == 2.5
    assert high - mean == pytest.approx(3.1824 * math.sqrt(5 / 3) / 2, rel=1e-4)
    assert mean - low == pytest.approx(high - mean)


def test_the_interval_holds_what_it_says():
    """Of races between two equal settings, about one in twenty finds a difference."""
    dice = np.random.default_rng(1)
    wrong = 0
    for _ in range(2000):
        _, low, high = interval(dice.normal(size=5).tolist())
        wrong += not low <= 0 <= high
    assert 60 < wrong < 140


def test_one_seed_says_nothing_about_luck():
    """Without a second seed there are no intervals: the best stands alone."""
    trials = [trial(0.01, 0.5), trial(0.1, 0.4)]
    found = answer(trials, flat(trials))
    assert (found.best, found.equals, found.seeds) == (1, (1,), 1)
    assert math.isnan(found.standings[0].low)


def test_the_cheapest_is_the_first_down():
    """Of the equals, the one that was first within the interval of the best is proposed, though another ends lower."""
    trials = [
        trial(0.001, 0.44, 0.46, 0.45, 0.44),
        trial(0.01, 0.44, 0.45, 0.45, 0.43),
        trial(0.1, 0.45, 0.45, 0.44, 0.45),
    ]
    curves = [
        {0: 1.0, 1: 0.9, 2: 0.8, 4: 0.4475},
        {0: 1.0, 1: 0.6, 2: 0.5, 3: 0.45, 4: 0.4425},
        {0: 1.0, 1: 0.455, 4: 0.45},
    ]
    found = answer(trials, curves)
    assert found.equals == (1, 0, 2)
    assert (found.cheapest, found.epochs) == (2, 1)
    assert found.target == pytest.approx(found.standings[1].high)
    assert 0.455 < found.target < 0.46


@pytest.mark.parametrize(("losses", "edge"), [((1, 2, 3), "low"), ((3, 2, 1), "high"), ((2, 1, 3), None)])
def test_a_winner_on_the_edge_is_told(losses, edge):
    """The best of the rates may be beyond the lowest or the highest one that raced."""
    trials = [trial(10.0**k, loss, loss) for k, loss in enumerate(losses)]
    assert answer(trials, flat(trials)).edge == edge


def test_a_rate_beyond_the_winner_that_broke_is_no_edge():
    """When the next higher rate diverged, the winner stands inside the range."""
    trials = [trial(0.1, 2.0, 2.0), trial(1.0, 1.0, 1.0), trial(10.0, math.nan, math.nan, broken=True)]
    assert answer(trials, flat(trials)).edge is None


def test_who_left_or_broke_cannot_be_the_answer():
    """Only who ran to the end counts; with nobody left there is no answer."""
    trials = [trial(0.01, 0.1, 0.1, left=True), trial(0.1, math.nan, math.nan, broken=True), trial(1.0, 0.9, 0.8)]
    found = answer(trials, flat(trials))
    assert (found.best, len(found.standings)) == (2, 1)
    assert answer(trials[:2], flat(trials[:2])) is None


@pytest.fixture(scope="module")
def race():
    data = load_dataset(DatasetConfig(dataset="moons", rows=300, noise=0.3))
    race = Race(CompareConfig(rates=(0.003, 0.03, 0.3), widths=(16,), epochs=5, seeds=3), data)
    for _ in run(race):
        pass
    return race


def test_the_winner_meets_the_sealed_test(race):
    """The verdict is the winner's own loss and accuracy on the test part, and how far validation flattered it."""
    from bigmodel.networks import predict
    from bigmodel.optimizers import torch

    (verdict,) = [event for event in judge(race) if event is not None]
    trials = race.trials()
    assert verdict.trial == min(range(3), key=lambda k: trials[k].valid_loss)
    heat = race.heats[0]
    members = [k for k, place in enumerate(heat.places) if place == verdict.trial]
    guess = predict(heat.course.stack, torch.from_numpy(race.data.test.x))[members].numpy()
    truth = race.data.test.y
    assert verdict.test_accuracy == pytest.approx((guess.argmax(2) == truth).mean())
    assert verdict.test_loss == pytest.approx(-np.log(guess[:, np.arange(len(truth)), truth]).mean(), rel=1e-4)
    assert verdict.gap == pytest.approx(verdict.test_loss - verdict.valid_loss)
    assert verdict.accuracy_low <= verdict.test_accuracy <= verdict.accuracy_high
    assert len(verdict.tests) == 3
    assert verdict.tests[verdict.trial] == verdict.test_loss
