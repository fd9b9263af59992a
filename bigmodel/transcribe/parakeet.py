"""Parakeet from the inside: pieces of any length in one forward, and none hears the others.

A Conformer (Gulati et al. 2020, arXiv 2005.08100) on the model's own weights, as transformers' `ParakeetForCTC`
computes it for a piece alone, but without padding: the frames of all pieces lie end to end in one table (frames,
width), and only attention and convolution look at where a piece ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from bigmodel.audio import Wave
    from bigmodel.checkpoints import SpeechModel

_FAINT = 2.0**-24  # added before the logarithm, as NeMo does
_STILL = 1e-5  # added to the standard deviation


class Parakeet:
    """The forward of one model. To be used in inference mode."""

    def __init__(self, model: SpeechModel) -> None:
        self._extractor, self._device = model.processor.feature_extractor, model.device
        self._encoder, self._head = model.model.encoder, model.model.ctc_head
        self._blocks = [(block, *_folded(block.conv)) for block in self._encoder.layers]

    def __call__(self, waves: Sequence[Wave]) -> list[Tensor]:
        """Samples (n,) → logits (frames, tokens), for each of the waves."""
        mel, lengths = features(waves, self._extractor)
        mask = torch.arange(mel.shape[1]) < lengths[:, None]
        x = self._encoder.subsampling(mel.to(self._device), mask.to(self._device)) * self._encoder.input_scale
        positions = self._encoder.encode_positions(x[:1])[0]
        counts = (-(-lengths // self._encoder.config.subsampling_factor)).tolist()
        x = torch.cat([rows[:count] for rows, count in zip(x, counts, strict=True)])
        for block, kernel, bias in self._blocks:
            x = x + 0.5 * block.feed_forward1(block.norm_feed_forward1(x))
            x = x + _attended(block.norm_self_att(x), block.self_attn, positions, counts)
            x = x + _convolved(block.norm_conv(x), block.conv, kernel, bias, counts)
            x = x + 0.5 * block.feed_forward2(block.norm_feed_forward2(x))
            x = block.norm_out(x)
        return list(torch.split(_pointwise(x, self._head), counts))


def is_plain_parakeet(model: Any) -> bool:
    """Whether `Parakeet` computes what this model computes: its architecture with no option turned."""
    if type(model).__name__ != "ParakeetForCTC":
        return False
    config = model.config.encoder_config
    usual = config.subsampling_conv_kernel_size == 3 and config.subsampling_conv_stride == 2
    return bool(usual and config.num_key_value_heads == config.num_attention_heads)


def features(waves: Sequence[Wave], extractor: Any) -> tuple[Tensor, Tensor]:
    """Mel features (waves, frames, bins), each wave's own normalised, zero after its end; how many frames each has.

    What `ParakeetFeatureExtractor` computes; its sum over real and imaginary parts alone takes longer than all of this.
    """
    raise_by = extractor.preemphasis or 0.0
    raised = [torch.from_numpy(wave) for wave in waves]
    raised = [torch.cat((wave[:1], wave[1:] - raise_by * wave[:-1])) for wave in raised]
    spectrum = torch.stft(
        torch.nn.utils.rnn.pad_sequence(raised, batch_first=True),
        extractor.n_fft,
        hop_length=extractor.hop_length,
        win_length=extractor.win_length,
        window=torch.hann_window(extractor.win_length, periodic=False),
        return_complex=True,
        pad_mode="constant",
    )
    power = spectrum.real.square() + spectrum.imag.square()
    mel = torch.log(extractor.mel_filters @ power + _FAINT).transpose(1, 2)
    lengths = torch.tensor([len(wave) // extractor.hop_length for wave in waves])
    out = torch.zeros(mel.shape)
    for rows, own, count in zip(out, mel, lengths.tolist(), strict=True):
        std, mean = torch.std_mean(own[:count], dim=0)
        rows[:count] = (own[:count] - mean) / (std + _STILL)
    return out, lengths


def _attended(x: Tensor, attention: Any, positions: Tensor, counts: list[int]) -> Tensor:
    """Every piece's frames mixed, by what they say and how far apart they are (Dai et al. 2019, arXiv 1901.02860)."""
    heads, width = attention.bias_u.shape
    q, k, v = (layer(x).view(-1, heads, width) for layer in (attention.q_proj, attention.k_proj, attention.v_proj))
    alike, apart = q + attention.bias_u, q * attention.scaling + attention.bias_v * attention.scaling
    distances = attention.relative_k_proj(positions).view(-1, heads, width).permute(1, 2, 0)
    middle, mixed = distances.shape[2] // 2, []
    for own, placed, key, value in zip(*(torch.split(part, counts) for part in (alike, apart, k, v)), strict=True):
        n = len(own)
        # Columns from n - 1 frames before to n - 1 after; frame i's own distances begin i columns to the left.
        scores = (placed.transpose(0, 1) @ distances[:, :, middle - n + 1 : middle + n]).contiguous()
        shifted = scores.as_strided((1, heads, n, n), (0, n * (2 * n - 1), 2 * n - 2, 1), n - 1)
        query, key, value = (part.transpose(0, 1)[None] for part in (own, key, value))
        out = functional.scaled_dot_product_attention(query, key, value, shifted, scale=attention.scaling)
        mixed.append(out[0].transpose(0, 1).reshape(n, heads * width))
    projected: Tensor = attention.o_proj(torch.cat(mixed))
    return projected


def _convolved(x: Tensor, conv: Any, kernel: Tensor, bias: Tensor, counts: list[int]) -> Tensor:
    """Every piece's frames with their neighbours: all in one row, with silence between as wide as the kernel."""
    gated = functional.glu(_pointwise(x, conv.pointwise_conv1), dim=-1)
    gap = gated.new_zeros(conv.padding, gated.shape[1])
    row = torch.cat([part for piece in torch.split(gated, counts) for part in (gap, piece)] + [gap])
    out = functional.conv1d(row.T[None], kernel, bias, groups=len(kernel))[0].T
    starts = [sum(counts[:n]) + n * conv.padding for n in range(len(counts))]
    kept = torch.cat([out[start : start + count] for start, count in zip(starts, counts, strict=True)])
    return _pointwise(conv.activation(kept), conv.pointwise_conv2)


def _pointwise(x: Tensor, layer: Any) -> Tensor:
    """A convolution of width 1 is a linear layer."""
    return functional.linear(x, layer.weight[:, :, 0], layer.bias)


def _folded(conv: Any) -> tuple[Tensor, Tensor]:
    """The depthwise convolution and the batch norm after it as one convolution."""
    norm, inner = conv.norm, conv.depthwise_conv
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    before = norm.running_mean if inner.bias is None else norm.running_mean - inner.bias
    return inner.weight * gain[:, None, None], norm.bias - before * gain
