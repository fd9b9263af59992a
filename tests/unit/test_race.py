"""A race under way: people interfere, budgets end it, and it can be taken up again."""

import itertools
import math
import zlib

import numpy as np
import pytest

from bigmodel.compare import CompareConfig, Plan, Round, Tiles, compare, lines
from bigmodel.compare.entries import MOST_ENTRIES, MOST_MEMBERS, entries, plan
from bigmodel.compare.orders import GoOn, Leave, MoreRates, MoreSeeds, Orders, between, beyond
from bigmodel.compare.race import Race, run
from bigmodel.compare.tiles import SHADES, SIDE
from bigmodel.datasets import DatasetConfig, load_dataset
from bigmodel.errors import ConfigError


@pytest.fixture(scope="module")
def moons():
    return load_dataset(DatasetConfig(dataset="moons", rows=200))


def config(**settings):
    return CompareConfig(**{"rates": (0.003, 0.03, 0.3), "widths": (8,), "epochs": 4, **settings})


def finish(race, *orders):
    """Drive a race to its end; its last round."""
    inbox = Orders()
    assert all(inbox.ask(order) for order in orders)
    for _ in run(race, inbox):
        pass
    return race.rounds[-1]


def losses(last):
    """What was reached, by rate."""
    return {trial.learning_rate: trial.losses for trial in last.trials}


def same(one, two):
    assert one.keys() == two.keys()
    for rate in one:
        assert one[rate] == pytest.approx(two[rate], abs=1e-5)


def test_rates_that_join_later_end_as_if_they_had_been_there(moons):
    """A range extended after the end: the new rates catch up on the same seeds, the others stand as they stood."""
    race = Race(config(seeds=2), moons)
    finish(race)
    same(
        losses(finish(race, MoreRates((1.0, 0.03)))),
        losses(finish(Race(config(rates=(0.003, 0.03, 0.3, 1.0), seeds=2), moons))),
    )
    assert [trial.number for trial in race.rounds[-1].trials] == [4] * 4
    assert all(sorted(line) == [0, 1, 2, 3, 4] for line in lines(race.rounds))


def test_rates_that_join_in_the_middle_catch_up(moons):
    """While the others wait, who joined runs from the start; from then on all go together."""
    race, inbox = Race(config(), moons), Orders()
    for event in run(race, inbox):
        if isinstance(event, Round) and event.number == 2 and len(event.trials) == 3:
            inbox.ask(MoreRates((1.0,)))
    behind = [[trial.number for trial in turn.trials] for turn in race.rounds if len(turn.trials) == 4]
    assert behind[0] == [2, 2, 2, 0]
    assert behind[-1] == [4, 4, 4, 4]
    same(losses(race.rounds[-1]), losses(finish(Race(config(rates=(0.003, 0.03, 0.3, 1.0)), moons))))


def test_more_seeds_are_those_that_would_have_been(moons):
    """Seeds added after the end give the race that had them from the start."""
    race = Race(config(), moons)
    finish(race)
    same(losses(finish(race, MoreSeeds(2))), losses(finish(Race(config(seeds=3), moons))))


def test_going_on_longer_is_the_longer_race(moons):
    """Epochs added after the end give the race that had them from the start."""
    race = Race(config(epochs=2), moons)
    finish(race)
    last = finish(race, GoOn(2))
    assert (last.number, last.of, last.step) == (4, 4, last.steps)
    same(losses(last), losses(finish(Race(config(), moons))))


def test_who_is_taken_out_stays_in_the_table(moons):
    """An entry that leaves keeps its last numbers and cannot win; the others go on as they would have."""
    race, inbox = Race(config(), moons), Orders()
    for event in run(race, inbox):
        if isinstance(event, Round) and event.number == 1:
            inbox.ask(Leave(1))
    last = race.rounds[-1]
    assert [trial.left for trial in last.trials] == [False, True, False]
    assert [trial.number for trial in last.trials] == [4, 1, 4]
    assert last.trials[1].valid_loss == race.rounds[1].trials[1].valid_loss
    assert losses(last)[0.3] == pytest.approx(losses(finish(Race(config(rates=(0.003, 0.3)), moons)))[0.3], abs=1e-5)


def test_a_race_that_everyone_left_is_over(moons):
    """Taking out the last one ends the race; an order to go on finds nobody and does not hang."""
    race, inbox = Race(config(), moons), Orders()
    for event in run(race, inbox):
        if isinstance(event, Round) and event.number == 1:
            assert all(inbox.ask(Leave(k)) for k in range(3))
    assert race.ended == "finished"
    assert len(race.rounds) == 2
    finish(race, GoOn(3), MoreSeeds(1))
    assert race.ended == "finished"


def test_a_stopped_race_goes_on_where_it_stood(moons):
    """A generator closed in the middle loses nothing: the race driven on ends as one that was never stopped."""
    race = Race(config(epochs=6), moons)
    events = run(race)
    for event in events:
        if isinstance(event, Round) and event.number == 3:
            break
    events.close()
    same(losses(finish(race)), losses(finish(Race(config(epochs=6), moons))))


def test_the_budget_ends_the_race_and_more_time_goes_on(moons):
    """A race ends where its seconds are used up and says so; an order brings a new budget."""
    race = Race(config(epochs=10_000, seconds=1.0), moons)
    last = finish(race)
    assert last.ended == "time"
    assert 1.0 < last.seconds < 3.0
    assert 0 < last.number < 10_000
    again = finish(race, GoOn(0))
    assert again.number > last.number
    assert again.seconds > last.seconds + 0.9
    assert again.budget == pytest.approx(last.seconds + 1.0)


def test_a_late_order_is_told_that_nobody_takes_it(moons):
    """Once the race has ended its inbox is closed: who asks then starts it again."""
    race, inbox = Race(config(epochs=1), moons), Orders()
    list(run(race, inbox))
    assert not inbox.ask(GoOn(1))


def test_orders_that_are_too_much_are_refused(moons):
    """More seeds, epochs or entries than a race takes: an error before, and nothing happens if asked all the same."""
    race = Race(config(seeds=16), moons)
    for order, key in (
        (MoreSeeds(1), "compare.no_seeds"),
        (GoOn(10_000), "compare.no_epochs"),
        (MoreRates(tuple(1e-6 * k for k in range(1, 1100))), "compare.members"),
    ):
        with pytest.raises(ConfigError) as raised:
            race.check(order)
        assert [problem.key for problem in raised.value.problems] == [key]
    race.obey((MoreSeeds(1), GoOn(10_000)))
    assert (len(race.seeds), race.epochs) == (16, 4)


def test_long_races_of_many_are_told_in_few_rounds(moons):
    """However many epochs there are, rounds times entries stay bounded, and the last epoch is among them."""
    rates = tuple(float(f"{10 ** (-4 + k / 32):.4g}") for k in range(128))
    last = finish(race := Race(config(rates=rates, epochs=700, batch=1024, widths=()), moons))
    assert last.number == 700
    assert len(race.rounds) * len(rates) < 45_000


def test_tiles_show_what_each_entry_makes_of_the_plane(moons):
    """A tile per entry in the order of rates, one byte a pixel; who learned has both classes, surest far apart."""
    race = Race(config(rates=(0.3, 0.003, 0.03), epochs=30), moons)
    tiles = [event for event in run(race, paint=True) if isinstance(event, Tiles)]
    assert tiles[0].number == 0
    assert tiles[-1].number == 30
    assert tiles[-1].places == (1, 2, 0)
    pixels = np.frombuffer(zlib.decompress(tiles[-1].pixels), np.uint8).reshape(3, SIDE, SIDE)
    assert set(np.unique(pixels[2] // SHADES)) == {0, 1}
    assert (pixels[2] % SHADES).max() == SHADES - 1
    # The upper moon is class 0.
    assert pixels[2][1, SIDE // 4] // SHADES == 0
    assert pixels[2][-2, 3 * SIDE // 4] // SHADES == 1


def test_any_data_has_tiles():
    """More than two features are shown on the plane of their principal components; a broken entry keeps its tile."""
    wine = load_dataset(DatasetConfig(dataset="wine"))
    race = Race(config(rates=(0.01, 10.0), optimizer="sgd", loss="mse", epochs=3), wine)
    tiles = [event for event in run(race, paint=True) if isinstance(event, Tiles)]
    assert race.rounds[-1].trials[1].diverged_at is not None
    assert len(zlib.decompress(tiles[-1].pixels)) == 2 * SIDE * SIDE


def test_the_plan_is_known_before_the_first_step(moons):
    """The first event tells members, parameters and memory; what is too much is refused before anything is built."""
    first = next(compare(config(seeds=4), moons))
    assert isinstance(first, Plan)
    assert (first.entries, first.seeds, first.members, first.parameters) == (3, 4, 12, 12 * (2 * 8 + 8 + 8 * 2 + 2))
    assert 0 < first.megabytes < 1
    with pytest.raises(ConfigError) as raised:
        next(compare(config(widths=(1024,) * 4, seeds=16), moons))
    assert [problem.key for problem in raised.value.problems] == ["compare.memory"]


def test_the_plan_covers_what_a_race_takes(moons):
    """The stacks and their optimizers are no larger than was said."""
    settings = config(seeds=8, widths=(64, 64))
    said = plan(settings, moons, entries(settings), range(42, 50))
    race = Race(settings, moons)
    taken = sum(
        heat.course.stack.numbers.nbytes * 2 + sum(flat.nbytes for flat in heat.course.optimizer.memory)
        for heat in race.heats
    )
    assert taken <= said.megabytes * 2**20


def test_too_many_entries_or_members_are_refused(moons):
    """The limits are on settings and on networks; both say what is allowed."""
    rates = tuple(float(f"{10 ** (-4 + k / 32):.4g}") for k in range(128))
    with pytest.raises(ConfigError) as raised:
        entries(config(rates=rates, knob="batch", values=tuple(map(str, range(1, 11)))))
    assert raised.value.problems[0].values == {"count": 1280, "most": MOST_ENTRIES}
    many = config(rates=rates, knob="batch", values=("8", "16", "32"), seeds=16)
    with pytest.raises(ConfigError) as raised:
        plan(many, moons, entries(many), range(16))
    assert raised.value.problems[0].values["most"] == MOST_MEMBERS


def test_a_range_is_spread_over_the_decades():
    """A range gives its ends and equal factors between, whichever end is written first."""
    rates = CompareConfig(rates_as="range", lowest=1e-3, highest=10.0, count=5).raced
    assert rates == (0.001, 0.01, 0.1, 1.0, 10.0)
    assert CompareConfig(rates_as="range", lowest=10.0, highest=1e-3, count=5).raced == rates


def test_a_range_without_room_is_refused():
    """Both ends the same, or so near that rates would be the same: one sentence."""
    for low, high in ((0.1, 0.1), (0.1, 0.10001)):
        with pytest.raises(ConfigError) as raised:
            CompareConfig(rates_as="range", lowest=low, highest=high)
        assert [problem.key for problem in raised.value.problems] == ["compare.narrow"]


def test_the_range_goes_on_at_its_spacing():
    """Beyond an edge the factor stays; at the limits of rates there is nothing to add."""
    assert beyond((0.001, 0.01, 0.1), "high") == (1.0, 10.0)
    assert beyond((0.001, 0.01, 0.1), "low") == (1e-4, 1e-5)
    assert between((0.001, 0.1, 10.0), 0.1) == pytest.approx((0.004642, 0.02154, 0.4642, 2.154))
    for wrong in (lambda: beyond((0.1, 10.0), "high"), lambda: between((0.1, 0.1001), 0.1)):
        with pytest.raises(ConfigError):
            wrong()


def test_schedules_go_on_stretched(moons):
    """With a schedule a race that goes on ends with a rate of 0 again: the curve moves, and nothing breaks."""
    race = Race(config(schedules=("constant", "cosine")), moons)
    assert len(race.heats) == 2
    last = finish(race, GoOn(2))
    assert last.number == 6
    assert all(math.isfinite(trial.valid_loss) for trial in last.trials)
    assert [heat.course.optimizer.factor < 0.05 for heat in race.heats] == [False, True]
    assert all(a.number <= b.number for a, b in itertools.pairwise(race.rounds))
