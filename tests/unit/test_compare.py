"""Comparing: every rate gets the course it would have alone, a diverged one leaves, the rest is ranked."""

import itertools
import math

import pytest

from bigmodel.compare import CompareConfig, Plan, Ranking, Round, as_training, compare, rank, winner
from bigmodel.compare.race import Race
from bigmodel.compare.race import run as drive
from bigmodel.datasets import DatasetConfig, load_dataset
from bigmodel.errors import ConfigError
from bigmodel.networks import build
from bigmodel.train import Progress, TrainConfig, train
from bigmodel.ui.words import LANGUAGES, word


@pytest.fixture(scope="module")
def article():
    return load_dataset(DatasetConfig())


def run(config, data):
    """The race after comparing, and all its rounds and its ranking."""
    race = Race(config, data)
    return race, [event for event in drive(race) if isinstance(event, (Round, Ranking))]


def test_every_rate_has_the_course_it_would_have_alone(article):
    """Each rate and seed of a comparison ends where a training of that rate and seed ends, dropout included."""
    config = CompareConfig(epochs=2, seeds=2, dropout=0.2)
    last = run(config, article)[1][-2]
    for trial in last.trials:
        alone = TrainConfig(epochs=2, seeds=2, dropout=0.2, learning_rate=trial.learning_rate)
        epoch = list(train(alone, build(alone, article), article))[-1]
        assert trial.valid_loss == pytest.approx(epoch.valid_loss, abs=1e-4)
        assert trial.losses == pytest.approx([member.valid_loss for member in epoch.members], abs=1e-4)


def test_optimizers_schedules_and_a_knob_race_beside_each_other(article):
    """Every combination is an entry, and each has the course that it would have alone."""
    config = CompareConfig(
        rates=(0.003, 0.03), optimizers=("sgd", "adam"), schedules=("constant", "cosine"), epochs=2,
        knob="batch", values=("32", "64"), widths=(8,),
    )  # fmt: skip
    race, events = run(config, article)
    assert len(events[-1].ranking) == 16
    assert len(race.heats) == 8
    for trial in events[-2].trials[::5]:
        alone = as_training(config, trial.entry)
        assert (alone.optimizer, alone.schedule, str(alone.batch)) == (
            trial.entry.optimizer,
            trial.entry.schedule,
            trial.entry.value,
        )
        epoch = list(train(alone, build(alone, article), article))[-1]
        assert trial.valid_loss == pytest.approx(epoch.valid_loss, abs=1e-4)


def test_a_round_per_epoch_and_a_ranking_at_the_end(article):
    """Events are the plan, a start, one Round per epoch and one Ranking; all rates start from the same loss."""
    events = [event for event in compare(CompareConfig(epochs=3), article) if not isinstance(event, Progress)]
    assert [type(event) for event in events] == [Plan] + [Round] * 4 + [Ranking]
    assert [event.number for event in events[1:-1]] == [0, 1, 2, 3]
    assert events[-2].ended == "finished"
    assert len({round(trial.valid_loss, 5) for trial in events[1].trials}) == 1


def test_the_ranking_puts_the_lowest_validation_loss_first(article):
    """Rows are sorted by validation loss, numbered from 1, and the first is the best."""
    ranking = run(CompareConfig(epochs=3), article)[1][-1].ranking
    losses = [row.valid_loss for row in ranking]
    assert losses == sorted(losses)
    assert [row.place for row in ranking] == [1, 2, 3]
    assert [row.best for row in ranking] == [True, False, False]


def test_a_diverged_rate_is_marked_at_its_step_and_leaves_the_stack(article):
    """SGD at 10 breaks early: its step is kept, its members leave, the others end as they would without it."""
    config = CompareConfig(rates=(0.01, 10.0, 0.1), optimizer="sgd", loss="mse", epochs=3, seeds=2)
    race, events = run(config, article)
    last, ranking = events[-2:]
    assert race.heats[0].course.stack.alive == (0, 1, 4, 5)
    assert 1 <= last.trials[1].diverged_at <= 20
    assert 0 < last.trials[1].broke <= 1
    assert math.isnan(last.trials[1].valid_loss)
    assert ranking.ranking[-1].learning_rate == 10.0
    assert not ranking.ranking[-1].best
    without = run(CompareConfig(rates=(0.01, 0.1), optimizer="sgd", loss="mse", epochs=3, seeds=2), article)[1][-2]
    for mine, theirs in zip((last.trials[0], last.trials[2]), without.trials, strict=True):
        assert mine.valid_loss == pytest.approx(theirs.valid_loss, abs=1e-4)


def test_when_all_rates_diverge_the_comparison_ends_without_a_winner(article):
    """With nothing left to train there is a last Round that says so, a Ranking without a best row and no winner."""
    config = CompareConfig(rates=(9.0, 10.0), optimizer="sgd", loss="mse", epochs=50)
    _, events = run(config, article)
    assert events[-2].ended == "diverged"
    assert events[-2].number < 50
    assert winner(config, events[-1]) is None


def test_the_winner_is_ready_for_training(article):
    """The winner's settings are the comparison's with the best rate."""
    config = CompareConfig(epochs=2, widths=(8,), optimizer="sgd", seeds=2, seed=7)
    ranking = run(config, article)[1][-1]
    best = winner(config, ranking)
    assert best == TrainConfig(
        epochs=2, widths=(8,), optimizer="sgd", seeds=2, seed=7, learning_rate=ranking.ranking[0].learning_rate
    )


def test_a_comparison_stopped_early_can_still_be_ranked(article):
    """The last Round before a stop is enough for a ranking."""
    config = CompareConfig(epochs=100)
    events = compare(config, article)
    seen = [event for event in itertools.islice(events, 12) if isinstance(event, Round)]
    events.close()
    assert rank(seen[-1]).ranking[0].best


@pytest.mark.parametrize(
    ("rates", "key"),
    [
        ((), "config.count"),
        ((0.1,), "config.count"),
        (tuple(1e-4 * (k + 1) for k in range(129)), "config.count"),
        ((0.1, 0.0), "config.range"),
        ((0.1, -0.1), "config.range"),
        ((0.1, 1e9), "config.range"),
        ((0.1, math.nan), "config.range"),
        ((0.1, "fast"), "config.range"),
        ((0.1, 0.01, 0.1), "compare.twice"),
    ],
)
def test_rates_that_cannot_be_raced_are_refused_in_words(rates, key):
    """None, one, too many, zero, negative, huge, no number, text, twice the same: one sentence each."""
    with pytest.raises(ConfigError) as raised:
        CompareConfig(rates=rates)
    assert key in {problem.key for problem in raised.value.problems}
    for language in LANGUAGES:
        assert "{" not in word(raised.value, language)
