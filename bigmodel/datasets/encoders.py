"""Columns of free text → what a pre-trained model makes of them.

Frozen, the model is a measuring device: a text becomes the mean of the model's last hidden states over its tokens. For
fine-tuning a text stays a row of token numbers, and the model itself is trained (`train/finetune.py`). Any model that
`checkpoints` opens as an encoder will do; one that was made to write (GPT-2) knows at each token only what stands
before it, so its mean says less than that of a BERT, but it ships.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bigmodel.datasets import Reading, drain
from bigmodel.datasets.texts import plain, spaced
from bigmodel.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from bigmodel.checkpoints import Encoder

AUTO = "auto"
"""The encoder that ships for the language of the texts."""

WORK = 3_000_000_000
"""Multiply-adds of one slice of reading: a fraction of a second on a slow core."""

LARGE = 20_000_000
"""Parameters above which a second thread helps."""

AT_ONCE = 500
"""Texts that are cut into tokens at once."""

SAMPLED = 256
"""Numbers of each tensor that tell an encoder from another."""

NOTHING = -1
"""What stands where a row of tokens has ended."""


def encoder_for(name: str, texts: Sequence[str]) -> str:
    """The name of the encoder that is meant."""
    shipped = "text-en" if spaced(texts) else "text-zh"
    return shipped if name.strip() in ("", AUTO) else name.strip()


def tokens(encoder: Encoder, texts: Sequence[str], most: int) -> Generator[Reading, None, list[list[int]]]:
    """The token numbers of each text, at most `most` and never none."""
    tokenizer, found = encoder.tokenizer, list[list[int]]()
    known = (tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, 0)
    empty = [next(number for number in known if number is not None)]
    for start in range(0, len(texts), AT_ONCE):
        part = list(texts[start : start + AT_ONCE])
        cut = tokenizer(part, truncation=True, max_length=min(most, encoder.context))["input_ids"]
        found += [ids or empty for ids in cut]
        yield Reading("tokens", len(found), len(texts))
    return found


def table_of(ids: Sequence[Sequence[int]], width: int) -> np.ndarray:
    """Rows of tokens as a table (rows, width), NOTHING behind their ends."""
    out = np.full((len(ids), width), NOTHING, np.int64)
    for row, numbers in enumerate(ids):
        out[row, : len(numbers)] = numbers[:width]
    return out


def pooled(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """The mean of the last hidden states over the tokens of each row: (rows, tokens) → (rows, width)."""
    there = ids >= 0
    longest = max(1, int(there.sum(1).max()))
    ids, there = ids[:, :longest], there[:, :longest]
    states = model(input_ids=ids.clamp(min=0), attention_mask=there.long()).last_hidden_state
    weights = there.unsqueeze(2).to(states.dtype)
    found: torch.Tensor = (states * weights).sum(1) / weights.sum(1).clamp(min=1)
    return found


def in_slices(lengths: Sequence[int], parameters: int, work: int = WORK) -> list[list[int]]:
    """Row numbers, the shortest rows first, in slices of at most so much work and at least a row."""
    room = work // max(1, parameters)
    slices: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if not slices or lengths[row] * (len(slices[-1]) + 1) > room:
            slices.append([])
        slices[-1].append(row)
    return slices


def threads_for(parameters: int) -> int:
    """One thread for a small model; torch's own number for a large one."""
    import torch

    return 1 if parameters < LARGE else torch.get_num_threads()


def embedding(encoder: Encoder, ids: Sequence[Sequence[int]]) -> Generator[Reading, None, np.ndarray]:
    """What the frozen encoder makes of texts: (rows, width) float32."""
    import torch

    from bigmodel.networks import threads

    model = encoder.model
    size = model.num_parameters(exclude_embeddings=True)
    found, done = np.zeros((len(ids), encoder.width), np.float32), 0
    for rows in in_slices([len(numbers) for numbers in ids], size):
        part = table_of([ids[row] for row in rows], max(len(ids[row]) for row in rows))
        with threads(threads_for(size)), torch.inference_mode():
            found[rows] = pooled(model, torch.from_numpy(part).to(encoder.device)).cpu().numpy()
        done += len(rows)
        yield Reading("texts", done, len(ids))
    return found


def fingerprint(encoder: Encoder) -> str:
    """What tells an encoder from another of the same name: the first numbers of its large tensors. What its file may
    lack (see `checkpoints/load.py`) is drawn anew at each opening and tells nothing."""
    import hashlib

    told = hashlib.blake2b(str(len(encoder.tokenizer)).encode(), digest_size=8)
    tensors = {name: tensor for name, tensor in encoder.model.state_dict().items() if not name.startswith("pooler.")}
    least = sum(tensor.numel() for tensor in tensors.values()) / 100
    for name, tensor in sorted(tensors.items()):
        told.update(f"{name} {tuple(tensor.shape)}".encode())
        if tensor.numel() > least:
            told.update(tensor.flatten()[:SAMPLED].cpu().numpy().tobytes())
    return told.hexdigest()


def frozen(column: str, cells: pd.Series[Any], taught: np.ndarray, name: str, most: int) -> Learned:
    """The entry for a column and its features for all rows: scaled by the rows that are `taught`."""
    from sklearn.preprocessing import StandardScaler

    encoder = yield from opened(name)
    ids = yield from tokens(encoder, plain(cells), most)
    states = yield from embedding(encoder, ids)
    scaler = StandardScaler().fit(states[taught])
    entry = {
        "column": column,
        "kind": "encoder",
        "features": [f"{column} ~{k + 1}" for k in range(encoder.width)],
        "encoder": name,
        "print": fingerprint(encoder),
        "tokens": most,
        "mean": scaler.mean_.tolist(),
        "scale": scaler.scale_.tolist(),
    }
    return entry, (states - scaler.mean_) / scaler.scale_, sum(len(numbers) >= most for numbers in ids)


def numbered(column: str, cells: pd.Series[Any], taught: np.ndarray, name: str, most: int) -> Learned:
    """The same for fine-tuning: the features are token numbers."""
    encoder = yield from opened(name)
    ids = yield from tokens(encoder, plain(cells), most)
    width = max(len(ids[row]) for row in taught.tolist())
    entry = {
        "column": column,
        "kind": "tokens",
        "features": [f"{column} [{k + 1}]" for k in range(width)],
        "encoder": name,
        "tokens": width,
    }
    return entry, table_of(ids, width), sum(len(numbers) >= most for numbers in ids)


Learned = Generator[Any, None, tuple[dict[str, Any], np.ndarray, int]]
"""Events; at the end an entry, the features of all rows, and how many texts were as long as they may be."""


def opened(name: str) -> Generator[Any, None, Encoder]:
    """The encoder, fetched and opened with events."""
    from bigmodel.checkpoints import load_encoder, ready

    yield from ready(name, "encoder")
    return load_encoder(name)


def encoded(entry: Mapping[str, Any], cells: pd.Series[Any]) -> np.ndarray:
    """Texts → (rows, features) by an entry of kind "encoder". ModelError where its name means another one today."""
    encoder = drain(opened(entry["encoder"]))
    if entry.get("print") not in (None, fingerprint(encoder)):
        raise ModelError("model.another", name=entry["encoder"])
    ids = drain(tokens(encoder, plain(cells), entry["tokens"]))
    found: np.ndarray = (drain(embedding(encoder, ids)) - np.asarray(entry["mean"])) / np.asarray(entry["scale"])
    return found


def spelled(entry: Mapping[str, Any], cells: pd.Series[Any], speller: Encoder | None = None) -> np.ndarray:
    """Texts → (rows, tokens) by an entry of kind "tokens", with its encoder's tokenizer or another's."""
    encoder = speller or drain(opened(entry["encoder"]))
    return table_of(drain(tokens(encoder, plain(cells), entry["tokens"])), entry["tokens"])
