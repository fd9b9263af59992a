"""Logits → the next token, in small steps: penalize, cool, cut, draw.

All that cuts (top-k, top-p, min-p) keeps the front of the tokens sorted by probability, so a cut is a number: how many
to keep. Only that front is ever sorted. One uniform number per token decides, so that the same seed means the same text
on every device, whatever else runs. Arithmetic after the softmax is in float64. V is the size of the vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bigmodel.errors import ModelError

FRONT = 1024  # as many tokens are sorted at first; the rest of the vocabulary only where they do not suffice


@dataclass(frozen=True)
class Candidate:
    """A token that could have come: `probability` is the model's own, `after` what the samplers left of it."""

    token_id: int
    probability: float
    after: float


@dataclass(frozen=True)
class Choice:
    """The token drawn: its two probabilities, its rank in the model's own order (1: likeliest), the likeliest ones."""

    token_id: int
    probability: float
    after: float
    rank: int
    candidates: tuple[Candidate, ...]


def penalize(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make tokens less likely that have been there: positive logits are divided by `penalty`, negative ones multiplied.

    logits (V,), seen (n,) ids, repeats allowed → (V,). From CTRL (Keskar et al. 2019, arXiv:1909.05858).
    """
    if penalty == 1.0 or not len(seen):
        return logits
    there = logits[seen]
    return logits.scatter(0, seen, torch.where(there < 0, there * penalty, there / penalty))


def cool(logits: Tensor, temperature: float) -> Tensor:
    """Logits (V,) divided by a temperature above 0, the highest moved to 0 so that even a tiny one overflows nothing.

    Below 1 the likely gets likelier, above 1 all get more alike (Ackley, Hinton, Sejnowski 1985).
    """
    return (logits - logits.max()) / temperature


def within_top_p(probabilities: Tensor, p: float) -> int:
    """How many of (n,) sorted probabilities it takes to reach the mass `p`, at least one.

    The nucleus of Holtzman et al. 2019, arXiv:1904.09751.
    """
    if p >= 1.0:
        return len(probabilities)
    before = probabilities.cumsum(0) - probabilities
    return max(1, int((before < p).sum()))


def within_min_p(probabilities: Tensor, share: float) -> int:
    """How many of (n,) sorted probabilities reach `share` of the first (Nguyen et al. 2024, arXiv:2407.01082)."""
    if share <= 0.0:
        return len(probabilities)
    return max(1, int((probabilities >= probabilities[0] * share).sum()))


def pick(probabilities: Tensor, uniform: float) -> int:
    """The place where the running sum of (n,) probabilities passes `uniform`, a number from 0 to 1."""
    place = int(torch.searchsorted(probabilities.cumsum(0), uniform, right=True))
    return min(place, len(probabilities) - 1)


def sample(
    logits: Tensor,
    seen: Tensor,
    generator: torch.Generator,
    *,
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
    repetition_penalty: float,
    candidates: int,
) -> Choice:
    """Draw the next token. logits (V,) and seen (n,) on the CPU; temperature 0 takes the likeliest and draws nothing.

    Raises ModelError where the logits are not numbers.
    """
    whole = float(logits.logsumexp(0))
    if not math.isfinite(whole):
        raise ModelError("generate.nan")
    bent = penalize(logits, seen, repetition_penalty)
    after = torch.zeros(len(logits), dtype=torch.float64)
    if temperature == 0.0:
        token = int(bent.argmax())
        after[token] = 1.0
    else:
        uniform = float(torch.rand((), generator=generator, dtype=torch.float64))
        kept, ids = _kept(cool(bent, temperature), uniform, top_k, top_p, min_p)
        after[ids] = kept
        token = int(ids[pick(kept, uniform)])
    likeliest = logits.topk(min(candidates, len(logits)))
    own = (likeliest.values.double() - whole).exp().tolist()
    there = zip(likeliest.indices.tolist(), own, after[likeliest.indices].tolist(), strict=True)
    mine = logits[token]
    return Choice(
        token_id=token,
        probability=math.exp(float(mine) - whole),
        after=float(after[token]),
        rank=1 + int((logits > mine).sum()),
        candidates=tuple(Candidate(*one) for one in there),
    )


def _kept(logits: Tensor, uniform: float, top_k: int, top_p: float, min_p: float) -> tuple[Tensor, Tensor]:
    """What the cuts leave of cooled logits (V,): probabilities (n,), likeliest first, and their ids (n,).

    Top-k (Fan et al. 2018, arXiv:1805.04833) comes first, and the others see what it leaves as the whole.
    """
    size = len(logits)
    for front in (min(top_k or FRONT, size), size):
        values, ids = logits.topk(front) if front < size else logits.sort(descending=True)
        whole = (values if top_k else logits).logsumexp(0)
        probabilities = (values.double() - whole).exp()
        keep = min(within_top_p(probabilities, top_p), within_min_p(probabilities, min_p))
        if top_k or front == size or keep < front:
            break
        if top_p >= 1.0 and min_p <= 0.0 and uniform < float(probabilities.sum()):
            return probabilities, ids  # nothing is cut, and the draw falls into the front: the rest need not be sorted
    return probabilities[:keep] / probabilities[:keep].sum(), ids[:keep]
