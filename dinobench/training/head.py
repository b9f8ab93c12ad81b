"""The projection head, with the parameter names of released checkpoints."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _ScaledProduct(torch.autograd.Function):
    """x -> s (v x) with s = g / |v|, row by row of v.

    The K outputs are scaled instead of the K rows, so that no normalized copy of v is made, neither for the product
    nor for its gradients: with G = dL/d(s v), dL/dg = v.G / |v| and dL/dv = s (G - (v.G / |v|^2) v).
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, direction: Tensor, gain: Tensor, rows: Tensor, lengths: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, direction, gain, rows, lengths)
        return F.linear(inputs.to(rows.dtype), rows).mul_((gain / lengths).flatten())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, direction, gain, rows, lengths = ctx.saved_tensors
        scale = gain / lengths
        of_inputs = ((gradient * scale.flatten().to(gradient.dtype)) @ rows).to(inputs.dtype)
        if not any(ctx.needs_input_grad[1:]):
            return of_inputs, None, None, None, None
        of_rows = (gradient.flatten(0, -2).T @ inputs.flatten(0, -2).to(gradient.dtype)).to(direction.dtype)
        along = torch.linalg.vecdot(direction, of_rows).unsqueeze(1)
        of_direction = of_rows.mul_(scale).addcmul_(direction, along * scale / lengths.square(), value=-1)
        return of_inputs, of_direction, along / lengths, None, None


class WeightNormLinear(nn.Module):
    """x -> g * (v / |v|) x, row by row and without bias: (..., in_dim) -> (..., out_dim).

    Direction `weight_v` and gain `weight_g` are plain parameters, so that the module can be copied and its keys are
    those of released checkpoints whatever torch calls its own weight norm.
    """

    def __init__(self, in_dim: int, out_dim: int, *, learn_gain: bool = False) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(out_dim, 1), requires_grad=learn_gain)
        self.weight_v = nn.Parameter(torch.empty(out_dim, in_dim))
        bound = 1 / math.sqrt(in_dim)
        nn.init.uniform_(self.weight_v, -bound, bound)
        self._kept: tuple[Tensor, Tensor] | None = None
        self._holding = False

    def forward(self, inputs: Tensor) -> Tensor:
        """Cosines with the rows of `weight_v`, scaled by the gains, where the inputs are unit vectors."""
        rows, lengths = self._prepared_weight(_product_type(inputs))
        outputs: Tensor = _ScaledProduct.apply(inputs, self.weight_v, self.weight_g, rows, lengths)
        return outputs

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within, `weight_v` must not change: what every pass derives from it is derived once."""
        self._holding = True
        try:
            yield
        finally:
            self._holding, self._kept = False, None

    @torch.no_grad()
    def _prepared_weight(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """`weight_v` in the type of the product, and the lengths of its rows."""
        kept = self._kept or (self.weight_v.detach().to(dtype), self.weight_v.norm(dim=1, keepdim=True))
        self._kept = kept if self._holding else None
        return kept


def _product_type(inputs: Tensor) -> torch.dtype:
    """What F.linear would compute in here."""
    kind = inputs.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else inputs.dtype


class DinoHead(nn.Module):
    """MLP, l2 normalization, weight-normalized linear layer: (B, in_dim) -> (B, out_dim).

    Caron et al. 2021, section 3.2 and appendix C.

    Args:
        in_dim: width of the backbone's class token.
        out_dim: K, the number of outputs; 0 for a head that ends in the projection, (B, in_dim) -> (B, bottleneck_dim).
        hidden_dim, bottleneck_dim: widths inside the MLP and at its end.
        layers: linear layers of the MLP.
        learn_gain: train the gain of the last layer, which is 1 otherwise.
        batch_norm: batch normalization after each hidden layer.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        hidden_dim: int = 2048,
        bottleneck_dim: int = 256,
        layers: int = 3,
        learn_gain: bool = False,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.mlp = mlp([in_dim, *[hidden_dim] * (layers - 1), bottleneck_dim], batch_norm=batch_norm)
        self.last_layer = WeightNormLinear(bottleneck_dim, out_dim, learn_gain=learn_gain) if out_dim else None
        self._learn_gain = learn_gain

    def forward(self, tokens: Tensor, predictor: nn.Module | None = None) -> Tensor:
        """Logits of the K outputs before any temperature, or the projection; a predictor acts on the projection."""
        projection: Tensor = self.mlp(tokens)
        if predictor is not None:
            projection = predictor(projection)
        if self.last_layer is None:
            return projection
        logits: Tensor = self.last_layer(F.normalize(projection, dim=-1))
        return logits

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Within, the last layer must not change; see `WeightNormLinear.held`."""
        return contextlib.nullcontext() if self.last_layer is None else self.last_layer.held()

    def freeze_last_layer(self, frozen: bool) -> None:
        """Stop or restart the last layer's gradients; without them the optimizer skips it wholly."""
        if self.last_layer is None:
            return
        self.last_layer.weight_v.requires_grad_(not frozen)
        self.last_layer.weight_g.requires_grad_(self._learn_gain and not frozen)
        if frozen:
            self.last_layer.weight_v.grad = self.last_layer.weight_g.grad = None


def mlp(widths: list[int], *, batch_norm: bool = False) -> nn.Module:
    """Linear layers from width to width with GELU between them; a bare layer for two widths."""
    modules: list[nn.Module] = []
    for position, (narrow, wide) in enumerate(itertools.pairwise(widths)):
        if position:
            modules += [nn.BatchNorm1d(narrow), nn.GELU()] if batch_norm else [nn.GELU()]
        modules.append(_linear_layer(narrow, wide))
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def _linear_layer(in_dim: int, out_dim: int) -> nn.Linear:
    layer = nn.Linear(in_dim, out_dim)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer
