"""Text → ids and back: the prompt's tokens, the words for one token, text that grows without half a character."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from bigmodel.checkpoints import TextModel
from bigmodel.errors import BigModelError, ConfigError, ModelError

_PRIMED = (
    8  # tokens of the prompt that the decoder sees first: whether a space begins a word depends on what was before
)
_LONG = 400_000  # characters; of a longer prompt only so many are counted, or counting would take seconds
_HELD = 8  # a character has at most four bytes: what is still none after so many tokens will never be one


def encode(prompt: str, model: TextModel) -> list[int]:
    """The ids of a prompt, with what the tokenizer puts before it (<s>) but not what it puts after (</s>).

    An empty prompt starts from the token that starts a text. Raises ConfigError: too long; empty with no such token.
    """
    tokenizer = model.tokenizer
    text = prompt.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is not text
    bare = tokenizer(text[:_LONG], add_special_tokens=False)["input_ids"]
    ids: list[int] = tokenizer(text[:_LONG])["input_ids"]
    while len(ids) > len(bare) and ids[-1] in tokenizer.all_special_ids and ids[-1:] != bare[-1:]:
        ids = ids[:-1]
    if not ids:
        starts = (tokenizer.bos_token_id, getattr(model.model.config, "bos_token_id", None), tokenizer.eos_token_id)
        ids = [token for token in starts if token is not None][:1]
    if not ids:
        raise ConfigError((BigModelError("generate.empty", name=model.name),))
    count = len(ids) * max(len(text), 1) // max(len(text[:_LONG]), 1)
    if count > model.context:
        values = {"tokens": count, "context": model.context, "excess": count - model.context}
        raise ConfigError((BigModelError("generate.long", **values),))
    return ids


def shown(token: int, tokenizer: Any) -> str:
    """A token for the eye: its text; bytes such as `<E4><BD>` where it is part of a character; a name if special."""
    text: str = tokenizer.decode([token])
    if "\ufffd" not in text:
        return text or str(tokenizer.convert_ids_to_tokens(token) or "")
    piece = str(tokenizer.convert_ids_to_tokens(token) or "")
    table = _bytes()
    if all(sign in table for sign in piece):
        return "".join(chr(table[s]) if table[s] < 128 else f"<{table[s]:02X}>" for s in piece)
    return piece


@lru_cache(maxsize=1)
def _bytes() -> dict[str, int]:
    """The sign of each byte in byte-level vocabularies: printable ones are themselves, the rest from U+0100 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {**{chr(byte): byte for byte in plain}, **{chr(256 + i): byte for i, byte in enumerate(rest)}}


class Writer:
    """Ids one by one → the text that each adds; a character in several tokens comes whole, with the last of them."""

    def __init__(self, tokenizer: Any, before: list[int]) -> None:
        if getattr(tokenizer, "backend_tokenizer", None) is None:
            raise ModelError("generate.tokenizer")
        self._tokenizer = tokenizer.backend_tokenizer
        self._start(before[-_PRIMED:])

    def _start(self, before: list[int]) -> None:
        from tokenizers.decoders import DecodeStream

        self._stream = DecodeStream(ids=before, skip_special_tokens=True)
        self._recent: list[int] = []

    def add(self, token: int) -> str:
        """The text that `token` completes, often all its own, sometimes none."""
        self._recent.append(token)
        try:
            text: str | None = self._stream.step(self._tokenizer, token)
        except Exception:  # bytes that are no text can lead the stream astray; it starts anew after them
            text = None
        if text is None and len(self._recent) > _HELD:
            text = self._tokenizer.decode(self._recent, skip_special_tokens=True)
            self._start([])
        if text is not None:
            self._recent = []
        return text or ""
