"""The finders' table: a case per data set and optimizer, and a page that says what was measured."""

from __future__ import annotations

import pytest

from bigmodel.compare.court import Case, FindersConfig, among, hear, page
from bigmodel.compare.finders import RULES, STABILITY, Vote, around, stretch
from bigmodel.errors import ConfigError


@pytest.fixture(scope="module")
def cases():
    """A small trial."""
    config = FindersConfig(datasets=("moons",), count=9, seeds=2, epochs=2, width=8)
    return config, list(hear(config))


def test_a_case_per_data_set_and_optimizer_with_every_vote(cases):
    """SGD has all rules and the bound of the curvature, Adam all rules; no vote is better than the race's answer."""
    _, found = cases
    assert [(case.dataset, case.optimizer) for case in found] == [("moons", "sgd"), ("moons", "adam")]
    assert [vote.rule for vote in found[0].votes] == [*RULES, STABILITY]
    assert [vote.rule for vote in found[1].votes] == list(RULES)
    assert all(vote.regret >= 0 for case in found for vote in case.votes)
    assert all(case.best_rate in case.equals for case in found)


def test_page_has_a_column_per_case_and_a_line_per_rule(cases):
    """Each table is a table: as many cells in each of its lines as in its head."""
    config, found = cases
    text = page(found, config)
    assert "9 learning rates from 1e-07 to 10 × 2 seeds × 2 epochs" in text
    assert text.count("| fastai valley |") == 3
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    assert all(len({line.count("|") for line in block}) == 1 for block in blocks)
    assert text.count("| 2/λmax |") == 3


def test_the_stretch_of_equals_does_not_jump():
    """A rate far off that is no different by the numbers does not make the stretch wide."""
    rates = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
    assert around(1e-2, rates, (1e-2, 1e-1, 10.0)) == (1e-2, 1e-1)
    assert around(1e-3, rates, (1e-3,)) == (1e-3,)
    assert around(10.0, rates, (1.0, 10.0, 1e-3)) == (1.0, 10.0)


def test_a_vote_is_among_the_best_between_their_ends():
    """Also where it hits none of the raced rates: half of the way to the next one."""
    assert stretch((0.01, 0.1), (0.001, 0.01, 0.1, 1.0)) == pytest.approx((10**-2.5, 10**-0.5))
    assert stretch((0.01,), (0.01,)) == (0.01, 0.01)
    case = Case("moons", "sgd", 0.1, 0.2, 0.9, (0.01, 0.1), (0.005, 0.15), (), 1.0)
    assert among(case, Vote("valley", 0.006, 0.05, 0.05, 0.2, 0.0, True))
    assert not among(case, Vote("valley", 0.2, 0.05, 0.5, 0.2, 0.0, True))


@pytest.mark.parametrize("wrong", [{"datasets": ("nowhere",)}, {"optimizers": ("prayer",)}, {"seeds": 1}, {"count": 2}])
def test_a_trial_that_cannot_be_held_is_refused(wrong):
    """Unknown data or optimizers, one seed, two rates."""
    with pytest.raises(ConfigError):
        FindersConfig(**wrong)
