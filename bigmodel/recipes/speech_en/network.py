"""The recogniser: a small FastConformer with a CTC head, in the classes of transformers, and its letters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bigmodel.recipes.speech_en import phonemes

if TYPE_CHECKING:
    from torch import Tensor

BLANK = "<pad>"
LETTERS = " 'abcdefghijklmnopqrstuvwxyz"
MELS = 80


def build(width: int, layers: int, heads: int, dropout: float, seed: int) -> Any:
    """A fresh ParakeetForCTC with 40 ms frames (Rekesh et al. 2023, arXiv 2305.05084), the same for the same seed.

    transformers draws all weights with a standard deviation of 0.02; a small network then says nothing but blanks for
    many epochs, so every convolution and linear layer gets PyTorch's own start, and the front end, a chain with
    rectifiers and no norm, the start of He et al. 2015, that keeps the size of a signal on its way.
    """
    import torch
    from transformers import ParakeetCTCConfig, ParakeetEncoderConfig, ParakeetForCTC

    encoder = ParakeetEncoderConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        conv_kernel_size=15,
        subsampling_factor=4,
        subsampling_conv_channels=32,
        num_mel_bins=MELS,
        dropout=dropout,
        attention_dropout=0.0,
        activation_dropout=dropout,
        layerdrop=0.0,
        scale_input=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = ParakeetCTCConfig(vocab_size=1 + len(LETTERS), pad_token_id=0, encoder_config=encoder.to_dict())
        model = ParakeetForCTC(config)
        for module in model.modules():
            if isinstance(module, (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)):
                module.reset_parameters()
        for module in model.encoder.subsampling.modules():
            if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                torch.nn.init.constant_(cast(torch.Tensor, module.bias), 0.0)
    return model


def parameters(model: Any) -> int:
    """How many numbers the model that is saved has."""
    return sum(p.numel() for name, p in model.named_parameters() if not name.startswith(phonemes.HEAD))


def set_dropout(model: Any, share: float) -> None:
    """Drop this share of the activations from now on; none of the attention, whose masks take a tenth of a step."""
    for module in model.modules():
        for name in ("dropout", "activation_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, share)


def processor() -> Any:
    """Feature extractor (80 log-mel bins every 10 ms) and tokenizer (one token a letter) as one ParakeetProcessor."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import ParakeetFeatureExtractor, ParakeetProcessor, ParakeetTokenizer

    vocabulary = {BLANK: 0, **{letter: 1 + i for i, letter in enumerate(LETTERS)}}
    letters = Tokenizer(models.BPE(vocabulary, merges=[]))
    letters.normalizer = normalizers.Lowercase()
    letters.decoder = decoders.Fuse()
    tokenizer = ParakeetTokenizer(tokenizer_object=letters, pad_token=BLANK, clean_up_tokenization_spaces=False)
    extractor = ParakeetFeatureExtractor(feature_size=MELS)
    return ParakeetProcessor(extractor, tokenizer, blank_token=BLANK, decoder_type="ctc")


def encode(text: str) -> list[int]:
    """Token ids of a text; what is no letter, space or apostrophe is left out."""
    return [1 + LETTERS.index(letter) for letter in text.lower() if letter in LETTERS]


def greedy(ids: list[int]) -> str:
    """Best token per frame -> text: repeats fall together, blanks vanish."""
    kept = [b for a, b in zip([0, *ids], ids, strict=False) if b != a and b != 0]
    return " ".join("".join(LETTERS[i - 1] for i in kept).split())


def export(model: Any, folder: str, weights: str = "model.safetensors") -> int:
    """Write model, configuration and processor as `from_pretrained` reads them; returns the bytes of the weights.

    The file holds float16, the configuration asks for float32: half the download, and a CPU computes as it likes best.
    """
    import torch
    from safetensors.torch import save_file

    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    state: dict[str, Tensor] = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in model.state_dict().items()
        if not name.startswith(phonemes.HEAD)  # the second task is for training only
    }
    model.config.architectures = [type(model).__name__]
    model.config.dtype = torch.float32
    model.config.save_pretrained(out)
    processor().save_pretrained(out)
    partial = out / (weights + ".partial")
    save_file(state, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors lets only its owner read
    partial.replace(out / weights)
    return (out / weights).stat().st_size
