"""An encoder as a few plain files, and back: what a saved fine-tuning carries along.

    config.json          the settings of its kind
    model.safetensors    its weights
    tokenizer.json       how text becomes tokens
    tokenizer_config.json

What is read back is a stranger's. Only the settings that a kind knows are taken over, so nothing in these files can
name code, a kernel or a place on the hub; the sizes are compared with the weights before a number of the model is made.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bigmodel.checkpoints.load import Encoder, exclusively, open_encoder
from bigmodel.checkpoints.places import suits
from bigmodel.errors import ModelError

CONFIG, WEIGHTS, TOKENIZER, TOKENIZING = "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"
FILES = (CONFIG, WEIGHTS, TOKENIZER, TOKENIZING)

MOST_LAYERS = 200
MOST_OF_ANYTHING = 2_000_000
"""No whole number of a config is larger: neither a vocabulary nor a width."""

_SPECIAL = tuple(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))
_LEFT_OUT = ("_name_or_path", "architectures", "dtype", "model_type", "return_dict", "transformers_version")
"""Settings that are not those of the kind, or that are given otherwise."""


def pack(encoder: Encoder) -> dict[str, bytes]:
    """The files of an encoder. ModelError where its tokenizer has no JSON, or where they would not make it again."""
    from safetensors.torch import save

    tokenizer = encoder.tokenizer
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise ModelError("saved.tokenizer", name=encoder.name)
    config = encoder.model.config
    told = json.loads(config.to_json_string(use_diff=False))
    architectures = [str(name) for name in config.architectures or ()]
    known = {**_settings(told), "model_type": told["model_type"], "architectures": architectures}
    files = {
        CONFIG: _json(known),
        TOKENIZER: tokenizer.backend_tokenizer.to_str().encode(),
        TOKENIZING: _json(_tokenizing(tokenizer.special_tokens_map | {"model_max_length": encoder.context})),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.model.state_dict().items()}
    sizes = {name: tensor.shape for name, tensor in wanted(files[CONFIG]).items()}
    if sizes != {name: tensor.shape for name, tensor in tensors.items()}:
        raise ModelError("saved.kind", kind=str(told["model_type"])[:60])
    return {**files, WEIGHTS: save(tensors)}


def wanted(config: bytes) -> dict[str, Any]:
    """The tensors that the model of a config has, as sizes without numbers. ModelError for a config of no reader."""
    import torch

    told = _object(CONFIG, config)
    settings = _settings(told)
    with exclusively():
        from transformers import AutoConfig, AutoModel

        try:
            made = AutoConfig.for_model(told["model_type"], **settings)
            if not 0 <= int(getattr(made, "num_hidden_layers", 0)) <= MOST_LAYERS:
                raise ValueError("layers")
            with torch.device("meta"):
                return dict(AutoModel.from_config(made, dtype=torch.float32).state_dict())
        except Exception:  # whatever a kind raises at settings that do not go together
            raise ModelError("saved.kind", kind=str(told["model_type"])[:60]) from None


def unpack(name: str, files: Mapping[str, bytes]) -> Encoder:
    """The encoder of files whose weights have been compared with `wanted`. ModelError where it cannot be opened."""
    told = _object(CONFIG, files[CONFIG])
    named = told.get("architectures")
    architectures = [str(one) for one in named][:1] if isinstance(named, list) else []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        config = {**_settings(told), "model_type": told["model_type"], "architectures": architectures}
        (folder / CONFIG).write_bytes(_json(config))
        (folder / WEIGHTS).write_bytes(files[WEIGHTS])
        (folder / TOKENIZER).write_bytes(files[TOKENIZER])
        (folder / TOKENIZING).write_bytes(_json(_tokenizing(_object(TOKENIZING, files[TOKENIZING]))))
        return open_encoder(name, folder)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _object(file: str, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ModelError("saved.no_json", file=file)
    return found


def _tokenizing(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a tokenizer beside its JSON: the tokens of special meaning, and how long a text may be."""
    found: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    found |= {name: str(told[name]) for name in _SPECIAL if isinstance(told.get(name), str)}
    length = told.get("model_max_length")
    return {**found, "model_max_length": length if _whole(length) and length > 0 else 512}  # type: ignore[operator]


def _settings(told: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a config that its kind knows. ModelError for a kind that does not read text."""
    kind = told.get("model_type")
    with exclusively():
        from transformers import AutoConfig
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_MAPPING_NAMES

        menus = (MODEL_MAPPING_NAMES, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
        names = [str(menu.get(kind)) for menu in menus] if isinstance(kind, str) else []
        known: dict[str, Any] = {}
        if any(suits({"architectures": [name]}, "encoder") for name in names):
            known = AutoConfig.for_model(kind).to_dict()
    # Experts are made one by one: a few bytes could ask for millions of them.
    if not known or any("expert" in name for name in known):
        raise ModelError("saved.kind", kind=str(kind)[:60])
    return {name: told[name] for name in known if name in told and name not in _LEFT_OUT and _plain(told[name])}


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST_OF_ANYTHING


def _plain(value: object, within: bool = False) -> bool:
    """Whether a setting is a word, a number of a sensible size, or a list or table of such."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _whole(value)
    if isinstance(value, (list, dict)) and not within and len(value) <= 1000:
        inside = value.values() if isinstance(value, dict) else value
        return all(_plain(one, within=True) for one in inside)
    return value is None or isinstance(value, (bool, float, str))
