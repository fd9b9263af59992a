"""The model card, from measured values only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bigmodel.recipes.common import edition_table
from bigmodel.recipes.text import network, tales

if TYPE_CHECKING:
    from bigmodel.recipes.text import Checked, Plan, Sample, Trait


def write(
    plan: Plan, model: Any, checked: Checked, traits: Sequence[Trait], samples: Sequence[Sample], notes: dict[str, Any]
) -> str:
    """The plan's card filled with what was measured, and with what the training said of itself."""
    settings = model.config
    return plan.card.format(
        parameters=f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}",
        layers=settings.n_layer,
        width=settings.n_embd,
        heads=settings.n_head,
        vocabulary=settings.vocab_size,
        context=settings.n_positions,
        tales=sum(len(tales.read(source.file)) for source in plan.sources if source.told),
        training=edition_table(notes, "read", lambda one: f"{one['tokens'] / 1e6:.1f} million tokens"),
        quality="\n".join(f"| {name} | {bits:.3f} |" for name, bits in checked.bits_per_byte),
        traits="\n".join(f"| {t.name} | {t.value:.3g} | {t.count} |" for t in traits),
        sampling=", ".join(f"{name.replace('_', '-')} {value}" for name, value in network.sampling().items()),
        samples="\n\n".join(f"> **{s.prompt}**{_quoted(s.text.removeprefix(s.prompt))}" for s in samples),
    )


def _quoted(text: str) -> str:
    return text.strip("\n").replace("\n", "\n> ")
