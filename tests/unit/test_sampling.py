"""Each sampler against the one of transformers, and the draw against the distribution it claims."""

from __future__ import annotations

import pytest
import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from bigmodel.errors import ModelError
from bigmodel.sampling import FRONT, penalize, pick, sample

PLAIN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "candidates": 5}
NONE_SEEN = torch.empty(0, dtype=torch.int64)


def logits_of(size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)) * 3


def after(logits: torch.Tensor, seen: torch.Tensor, **settings) -> torch.Tensor:
    """The whole distribution after the samplers, read from the candidates."""
    options = {**PLAIN, **settings, "candidates": len(logits)}
    choice = sample(logits, seen, torch.Generator().manual_seed(0), **options)
    found = torch.zeros(len(logits), dtype=torch.float64)
    for one in choice.candidates:
        found[one.token_id] = one.after
    return found


SETTINGS = [
    {"temperature": 0.7},
    {"temperature": 1.6},
    {"top_k": 7},
    {"top_p": 0.8},
    {"top_p": 0.0},
    {"min_p": 0.1},
    {"repetition_penalty": 1.3},
    {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 1.2},
    {"temperature": 1.9, "top_p": 0.999, "min_p": 1e-6},
]


@pytest.mark.parametrize("size", [50, 300, 4 * FRONT])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_samplers_agree_with_transformers(settings, size):
    """Any mixture leaves the probabilities that the library's own leave, also where the front is not enough."""
    logits, seen = logits_of(size), torch.tensor([3, 5, 5, 11])
    s = {**PLAIN, **settings}
    theirs = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(s["repetition_penalty"])])
    theirs.append(TemperatureLogitsWarper(s["temperature"]))
    if s["top_k"]:
        theirs.append(TopKLogitsWarper(s["top_k"]))
    if s["top_p"] < 1:
        theirs.append(TopPLogitsWarper(s["top_p"]))
    if s["min_p"]:
        theirs.append(MinPLogitsWarper(s["min_p"]))
    expected = theirs(seen[None], logits[None].clone())[0].double().softmax(0)
    found = after(logits, seen, **settings)
    if s["top_p"] >= 1 and not s["min_p"] and not s["top_k"]:
        expected[found == 0] = 0  # behind the front, when the draw fell into it
        assert float(expected.sum()) > 0.97
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_nothing_but_the_penalty_changes_what_was_seen():
    """Positive logits shrink, negative ones fall, others stay."""
    bent = penalize(torch.tensor([2.0, -2.0, 1.0]), torch.tensor([0, 1, 0]), 2.0)
    assert bent.tolist() == [1.0, -4.0, 1.0]


def test_temperature_zero_takes_the_likeliest_whatever_the_seed():
    """Greedy draws nothing."""
    logits = logits_of(300)
    choices = {
        sample(logits, NONE_SEEN, torch.Generator().manual_seed(s), **{**PLAIN, "temperature": 0.0}) for s in range(5)
    }
    (choice,) = choices
    assert choice.token_id == int(logits.argmax())
    assert (choice.rank, choice.after) == (1, 1.0)


def test_draws_follow_the_distribution_they_claim():
    """4,000 draws from seven tokens pass a chi-square test against the softmax."""
    from scipy.stats import chisquare

    logits = logits_of(7) / 3
    generator = torch.Generator().manual_seed(3)
    drawn = [sample(logits, NONE_SEEN, generator, **PLAIN).token_id for _ in range(4000)]
    counts = torch.bincount(torch.tensor(drawn), minlength=7)
    expected = logits.double().softmax(0) * len(drawn)
    assert chisquare(counts.numpy(), (expected * counts.sum() / expected.sum()).numpy()).pvalue > 1e-3


def test_a_draw_behind_the_front_is_found():
    """With an even distribution over more than the front, every part of the vocabulary comes up."""
    logits = logits_of(4 * FRONT) * 1e-6
    generator = torch.Generator().manual_seed(0)
    drawn = [sample(logits, NONE_SEEN, generator, **PLAIN) for _ in range(100)]
    assert len({choice.token_id for choice in drawn}) > 90
    assert all(choice.after == pytest.approx(1 / (4 * FRONT), rel=1e-4) for choice in drawn)


def test_pick_never_leaves_the_list():
    """Not even for a number that rounding put at the very end."""
    thirds = torch.full((3,), 1 / 3, dtype=torch.float64)
    assert [pick(thirds, u) for u in (0.0, 0.34, 0.99, 1.0)] == [0, 1, 2, 2]


def test_a_choice_says_what_the_model_thought():
    """Probability and rank are before the samplers, `after` is behind them, candidates are in the model's order."""
    logits = torch.tensor([0.0, 3.0, 2.0, 1.0])
    choice = sample(
        logits, torch.tensor([1]), torch.Generator().manual_seed(0), **{**PLAIN, "top_k": 1, "repetition_penalty": 2.0}
    )
    own = logits.double().softmax(0)
    assert (choice.token_id, choice.rank, choice.after) == (2, 2, 1.0)
    assert choice.probability == pytest.approx(float(own[2]), rel=1e-5)
    assert [one.token_id for one in choice.candidates] == [1, 2, 3, 0]
    assert [one.after for one in choice.candidates] == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_not_numbers_are_an_error(bad):
    """One broken logit is enough: nothing is drawn from nonsense."""
    logits = logits_of(20)
    logits[4] = bad
    with pytest.raises(ModelError, match="not a number"):
        sample(logits, NONE_SEEN, torch.Generator(), **PLAIN)


def test_the_smallest_temperature_overflows_nothing():
    """Next to 0 the likeliest takes all, and nothing becomes infinite."""
    logits = logits_of(100) * 1e3
    found = after(logits, NONE_SEEN, temperature=1e-30)
    assert float(found[logits.argmax()]) == pytest.approx(1.0)
