"""The packed forward of the architectures whose gradients autograd finds: convolutions, LSTM, GRU and Transformer.

K members are one operation here too: the convolutions of all members are one with K groups, the gates of all LSTMs one
batched product a time step, the tokens of all Transformers one batch. Each function says what its twin in `plain.py`
says, with the members in front.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from bigmodel.networks.layers import Dropout
from bigmodel.networks.shape import Shape

EPSILON, MOMENTUM = 1e-5, 0.1
"""Those of torch.nn's normalisations."""

BENDS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu}


@dataclass(frozen=True)
class Pass:
    """One way through K members: their tensors by name, what normalisation has seen so far, and what is left out.

    `running` are pairs (K, 2, width), changed in place while training; `seen` collects what `hidden` gives.
    """

    shape: Shape
    tensors: dict[str, torch.Tensor]
    running: dict[str, torch.Tensor]
    dropout: Dropout | None
    training: bool
    seen: list[torch.Tensor] | None

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """x (K, rows, features) → (K, classes, rows)."""
        kinds = {"lstm": self._recurrent, "gru": self._recurrent, "transformer": self._transformer}
        last = kinds.get(self.shape.architecture, self._convolutional)(x)
        weight, bias = self.tensors["output.weight"], self.tensors["output.bias"]
        return torch.baddbmm(bias.unsqueeze(2), weight, last.transpose(1, 2))

    def _convolutional(self, x: torch.Tensor) -> torch.Tensor:
        members, rows, features = x.shape
        image, side = self.shape.architecture == "image_cnn", self.shape.sides[0]
        x = x.transpose(0, 1).reshape(rows, members, *((side, side) if image else (features,)))
        for k in range(1, len(self.shape.widths) + 1):
            weight, bias = self.tensors[f"conv{k}.weight"], self.tensors.get(f"conv{k}.bias")
            flat = None if bias is None else bias.flatten()
            x = (F.conv2d if image else F.conv1d)(x, weight.flatten(0, 1), flat, padding=1, groups=members)
            x = BENDS[self.shape.activation](self._normalised(f"norm{k}", x, members))
            self._show(_members_first(x, members))
            if image and x.shape[-1] > 1:
                x = F.max_pool2d(x, 2)
            if self._drops:
                kept = self._dropped(torch.unflatten(x, 1, (members, -1)).transpose(0, 1))
                x = kept.transpose(0, 1).flatten(1, 2)
        return _members_first(x, members)

    def _recurrent(self, x: torch.Tensor) -> torch.Tensor:
        members, rows, steps = x.shape
        read = self._lstm if self.shape.architecture == "lstm" else self._gru
        x = x.transpose(1, 2).unsqueeze(3)  # (K, steps, rows, 1)
        for k in range(len(self.shape.widths)):
            names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
            into, across, bias, other = (self.tensors[f"layers.{k}.{name}"] for name in names)
            gates = torch.baddbmm(bias.unsqueeze(1), x.flatten(1, 2), into.transpose(1, 2))
            read_out = read(gates.view(members, steps, rows, -1), across.transpose(1, 2), other.unsqueeze(1))
            last = k == len(self.shape.widths) - 1
            x = self._dropped(read_out[-1] if last else torch.stack(read_out, 1))
        if self.shape.normalisation != "none":
            x = self._normalised("norm", x.transpose(0, 1).flatten(1), members)
            x = torch.unflatten(x, 1, (members, -1)).transpose(0, 1)
        self._show(x)
        return x

    def _lstm(self, gates: torch.Tensor, across: torch.Tensor, bias: torch.Tensor) -> list[torch.Tensor]:
        """The states (K, rows, width) after each step, from what the input adds to the gates (K, steps, rows, 4 width).

        Hochreiter and Schmidhuber 1997: input, forget and output gates, and what is new.
        """
        width, states = gates.shape[3] // 4, list[torch.Tensor]()
        state = memory = gates.new_zeros(gates.shape[0], gates.shape[2], width)
        for new in (gates + bias.unsqueeze(1)).unbind(1):
            both, fresh, out = torch.split(torch.baddbmm(new, state, across), [2 * width, width, width], 2)
            enter, keep = both.sigmoid().chunk(2, 2)
            memory = keep * memory + enter * fresh.tanh()
            state = out.sigmoid() * memory.tanh()
            states.append(state)
        return states

    def _gru(self, gates: torch.Tensor, across: torch.Tensor, bias: torch.Tensor) -> list[torch.Tensor]:
        """The same for gates (K, steps, rows, 3 width): reset, update, and what is new (Cho et al. 2014)."""
        width, states = gates.shape[3] // 3, list[torch.Tensor]()
        state = gates.new_zeros(gates.shape[0], gates.shape[2], width)
        for new in gates.unbind(1):
            old = torch.baddbmm(bias, state, across)
            reset, update = (new[..., : 2 * width] + old[..., : 2 * width]).sigmoid().chunk(2, 2)
            fresh = (new[..., 2 * width :] + reset * old[..., 2 * width :]).tanh()
            state = torch.lerp(fresh, state, update)
            states.append(state)
        return states

    def _transformer(self, x: torch.Tensor) -> torch.Tensor:
        value, position = self.tensors["value"].unsqueeze(1), self.tensors["position"].unsqueeze(1)
        x = torch.addcmul(position, x.unsqueeze(3), value)  # (K, rows, tokens, width)
        for k in range(len(self.shape.widths)):
            x = x + self._dropped(self._attention(f"blocks.{k}", x))
            inner = self._linear(f"blocks.{k}.up", self._level(f"blocks.{k}.norm2", x))
            x = x + self._dropped(self._linear(f"blocks.{k}.down", BENDS[self.shape.activation](inner)))
        x = self._level("norm", x).mean(2)
        self._show(x)
        return x

    def _attention(self, name: str, x: torch.Tensor) -> torch.Tensor:
        members, rows, tokens, width = x.shape
        heads = self.shape.heads
        parts = self._linear(f"{name}.query_key_value", self._level(f"{name}.norm1", x))
        parts = parts.view(members * rows, tokens, 3, heads, width // heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        met = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(members, rows, tokens, width)
        return self._linear(f"{name}.mix", met)

    def _linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """(K, rows, tokens, inputs) → (K, rows, tokens, outputs)."""
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        flat = torch.baddbmm(bias.unsqueeze(1), x.flatten(1, 2), weight.transpose(1, 2))
        return torch.unflatten(flat, 1, x.shape[1:3])

    def _level(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Layer normalisation of each token (K, rows, tokens, width)."""
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        level = F.layer_norm(x, x.shape[-1:], eps=EPSILON)
        return torch.addcmul(bias[:, None, None], level, weight[:, None, None])

    def _normalised(self, name: str, x: torch.Tensor, members: int) -> torch.Tensor:
        """Batch or layer normalisation of the channels of all members (rows, K · width, …)."""
        if self.shape.normalisation == "none":
            return x
        weight, bias = self.tensors[f"{name}.weight"].flatten(), self.tensors[f"{name}.bias"].flatten()
        if self.shape.normalisation == "layer":
            return torch.group_norm(x, members, weight, bias, EPSILON)
        running = self.running[name]
        mean, variance = running[:, 0].flatten().clone(), running[:, 1].flatten().clone()
        x = F.batch_norm(x, mean, variance, weight, bias, self.training, MOMENTUM, EPSILON)
        if self.training:
            with torch.inference_mode():  # where a stack was thinned out, they are tensors that may change only here
                running[:, 0], running[:, 1] = mean.view_as(running[:, 0]), variance.view_as(running[:, 1])
        return x

    @property
    def _drops(self) -> bool:
        return self.training and self.dropout is not None

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.dropout is None else self.dropout.forward(x, self.training)

    def _show(self, values: torch.Tensor) -> None:
        if self.seen is not None:
            self.seen.append(values)


def _members_first(x: torch.Tensor, members: int) -> torch.Tensor:
    """(rows, K · width, …) → (K, rows, width · …)."""
    return torch.unflatten(x, 1, (members, -1)).flatten(2).transpose(0, 1)
