"""The model card, from measured values only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigmodel.recipes.text_en import Checked, Sample

PROMPTS = (
    "Once upon a time",
    "I love",
    "The little dog",
    "One day, a girl named Lily",
    "The king said",
    "It was raining, so",
    "My best friend",
    "In the middle of the forest",
    "The old man looked at the sea",
    "Tom wanted to",
)


def write(model: Any, checked: Checked, samples: tuple[Sample, ...], notes: dict[str, Any]) -> str:
    """The model card, from measured values only."""
    settings = model.config
    parameters = sum(p.numel() for p in model.parameters())
    quality = "\n".join(f"| {name} | {bits:.3f} |" for name, bits in checked.bits_per_byte)
    texts = "\n\n".join(f"> **{s.prompt}**{_quoted(s.text.removeprefix(s.prompt))}" for s in samples)
    return CARD.format(
        parameters=f"{parameters / 1e6:.2f}",
        layers=settings.n_layer,
        width=settings.n_embd,
        heads=settings.n_head,
        vocabulary=settings.vocab_size,
        context=settings.n_positions,
        steps=notes.get("step", "?"),
        hours=f"{notes.get('seconds', 0) / 3600:.1f}",
        tokens=f"{notes.get('tokens', 0) / 1e6:.1f}",
        seed=notes.get("seed", "?"),
        threads=notes.get("threads", "?"),
        quality=quality,
        samples=texts,
    )


def _quoted(text: str) -> str:
    return text.strip("\n").replace("\n", "\n> ")


CARD = """---
license: apache-2.0
language: en
pipeline_tag: text-generation
---

# text-en: a small English GPT-2

Ships with BigModel Lab so that the Generate tab works without a network. A GPT-2 with {parameters} million parameters
({layers} layers, width {width}, {heads} heads, context {context}), a byte-level BPE of {vocabulary} tokens, float16.

**Good at** simple English sentences in the manner of children's stories. **Bad at** facts, arithmetic, instructions,
other languages and holding a thread for long: all it knows are stories, and books for children before 1929. For
anything else choose a model of the hub.

## Data

| source | what | licence |
|---|---|---|
| TinyStories, its start (Eldan & Li 2023, arXiv 2305.07759) | very simple stories | CDLA-Sharing-1.0 (data only) |
| Pratham Books and African Storybook | simple stories; titles and authors in CREDITS.tsv | CC BY |
| FairytaleQA (Xu et al. 2022) | fairy tales of many lands | Apache-2.0, tales in the public domain |
| children's books before 1929, the plainer half | Burgess, Baum, Lang, Alcott and others | public domain in the USA |

Every 50th document of each source was held out and never trained on.

## Training

`python -m bigmodel recipe text-en --data DIR`: {steps} steps, {tokens} million tokens (with repetition), {hours} hours
on {threads} CPU thread(s) of a busy machine, seed {seed}; Muon for the matrices inside the layers, AdamW for the rest,
bfloat16 arithmetic.

## Held-out quality

Bits per byte on documents never trained on (lower is better); `--evaluate DIR` measures them again.

| source | bits per byte |
|---|---|
{quality}

## Ten samples, unselected

Temperature 0.8, top-p 0.95, sixty tokens, one seed for all.

{samples}
"""
