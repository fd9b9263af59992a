"""parakeet.py hears several pieces in one forward, each as transformers' own forward hears it alone."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import (
    ParakeetCTCConfig,
    ParakeetEncoderConfig,
    ParakeetFeatureExtractor,
    ParakeetForCTC,
)

from bigmodel.checkpoints import load_speech
from bigmodel.transcribe import TranscribeConfig, parakeet, transcribe
from bigmodel.transcribe.parakeet import Parakeet, features, is_plain_parakeet
from bigmodel.ui.transcribe import EXAMPLE

LENGTHS = (8_000, 24_123, 16_000, 64_000, 8_160)  # with and without a last frame that is half padding


def speech_model(**settings: object) -> SimpleNamespace:
    """A small Parakeet of random weights, its norms and biases not at their start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = ParakeetEncoderConfig(
            hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32, conv_kernel_size=5,
            subsampling_conv_channels=8, num_mel_bins=16, initializer_range=0.3, **settings,
        )  # fmt: skip
        model = ParakeetForCTC(ParakeetCTCConfig(vocab_size=7, encoder_config=encoder.to_dict())).eval()
        for name, values in model.state_dict().items():
            if "num_batches" not in name and values.ndim == 1:
                values.copy_(torch.rand_like(values) + 0.5)
    processor = SimpleNamespace(feature_extractor=ParakeetFeatureExtractor(feature_size=16))
    return SimpleNamespace(model=model, processor=processor, device="cpu")


def noises() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in LENGTHS]


@pytest.mark.parametrize(
    "settings",
    [
        {"subsampling_factor": 4},
        {"subsampling_factor": 8, "attention_bias": False, "convolution_bias": False, "scale_input": False},
    ],
)
def test_every_piece_is_heard_as_if_alone(settings: dict[str, object]) -> None:
    """Logits of five pieces of different length in one forward are those of each alone, through the library."""
    model = speech_model(**settings)
    assert is_plain_parakeet(model.model)
    with torch.inference_mode():
        together = Parakeet(model)(noises())
        for wave, logits in zip(noises(), together, strict=True):
            inputs = model.processor.feature_extractor(wave, sampling_rate=16_000, return_tensors="pt")
            alone = model.model(**inputs).logits[0]
            assert len(alone) - 1 <= len(logits) <= len(alone)  # the library's last may be all padding
            assert logits.std() > 0.1
            assert torch.allclose(logits, alone[: len(logits)], atol=1e-4)


def test_features_are_the_librarys() -> None:
    """Each wave's mel features are those of the library, and zero after its end."""
    model = speech_model()
    mel, lengths = features(noises(), model.processor.feature_extractor)
    for rows, count, wave in zip(mel, lengths.tolist(), noises(), strict=True):
        inputs = model.processor.feature_extractor(wave, sampling_rate=16_000, return_tensors="pt")
        assert int(inputs["attention_mask"].sum()) == count
        assert torch.allclose(rows[:count], inputs["input_features"][0, :count], atol=1e-4)
        assert not rows[count:].any()


def test_only_what_is_known_is_taken_over() -> None:
    """A Parakeet with fewer heads for keys than for queries, or with another kernel, goes through the library."""
    assert not is_plain_parakeet(speech_model(num_key_value_heads=2).model)
    assert not is_plain_parakeet(torch.nn.Linear(1, 1))


def test_phrases_together_say_what_they_say_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes with pauses, silence and a stretch without any pause: same segments, words and times as one by one
    through the library; confidence to rounding; fewer forwards, and none of more than a chunk and a half."""
    import soundfile

    example, rate = soundfile.read(EXAMPLE, dtype="float32")
    noise = np.random.default_rng(1).normal(0, 0.02, len(example)).astype(np.float32)
    quiet = np.zeros(rate * 9, np.float32)
    sound = np.concatenate([example, example, quiet, example + noise, np.tile(example[: rate * 2], 9), example])
    model, config, calls = load_speech("speech-en"), TranscribeConfig(word_list=0.0), []
    forward = Parakeet.__call__

    def counted(self: Parakeet, waves: list[np.ndarray]) -> list[torch.Tensor]:
        calls.append([len(wave) for wave in waves])
        return forward(self, waves)

    monkeypatch.setattr(Parakeet, "__call__", counted)
    together = list(transcribe(config, (rate, sound), model))
    monkeypatch.setattr(parakeet, "is_plain_parakeet", lambda _: False)
    alone = list(transcribe(config, (rate, sound), model))
    assert [(s.text, s.start, s.end, s.heard) for s in together] == [(s.text, s.start, s.end, s.heard) for s in alone]
    for ours, theirs in zip(together, alone, strict=True):
        for one, other in zip(ours.words, theirs.words, strict=True):
            assert (one.text, one.start, one.end) == (other.text, other.start, other.end)
            assert one.confidence == pytest.approx(other.confidence, abs=1e-3)
    assert any(not segment.words for segment in together)
    assert all(a.heard < b.heard for a, b in pairwise(together))
    assert len(calls) < sum(bool(segment.words) for segment in together)
    assert max(map(len, calls)) > 1
    assert max(map(sum, calls)) <= 1.5 * config.chunk_seconds * rate
