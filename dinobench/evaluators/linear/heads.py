"""Linear classifiers on frozen features, many trained side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dinobench.runtime.processes import copy_from

MOMENTUM = 0.9
_STD = 0.01
_ROWS = 1024  # images per block of scores
_TRAINED = ("weight", "bias", "weight_velocity", "bias_velocity")


@dataclass(frozen=True)
class LinearHead:
    """One classifier: weight (C, D), bias (C,)."""

    weight: Tensor
    bias: Tensor

    def scores(self, features: Tensor) -> Tensor:
        """(B, C) of features (B, D)."""
        return torch.addmm(self.bias, features, self.weight.T)


class LinearHeads:
    """H classifiers of the same feature that differ in their learning rate, trained by SGD with momentum, no decay.

    All stand in one matrix, so a step costs two products whatever H is. The gradient of the mean cross-entropy is
    written out: (softmax - one-hot)^T x / B.

    Args:
        dim: D of the feature.
        classes: C.
        rates: learning rate of each head, H.
        device: where they lie.
        seed: of the initial weights, N(0, 0.01), equal for all heads; biases start at zero.
    """

    def __init__(self, dim: int, classes: int, rates: Sequence[float], device: torch.device, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        first = torch.empty(classes, dim).normal_(std=_STD, generator=generator)
        self.classes = classes
        self.rates = torch.tensor(list(rates), device=device)
        self.weight = first.to(device).repeat(len(rates), 1)  # (H * C, D)
        self.bias = torch.zeros(len(rates) * classes, device=device)
        self.weight_velocity = torch.zeros_like(self.weight)
        self.bias_velocity = torch.zeros_like(self.bias)

    def __len__(self) -> int:
        return len(self.rates)

    def step(self, features: Tensor, labels: Tensor, factor: float) -> None:
        """One step on features (B, D) with labels (B,); `factor` scales every learning rate (the schedule)."""
        residual = torch.softmax(self._head_scores(features), 2)
        index = labels[:, None, None].expand(-1, len(self), 1)
        residual.scatter_add_(2, index, torch.full_like(index, -1, dtype=residual.dtype))
        flat = residual.flatten(1) / len(labels)
        self.weight_velocity.mul_(MOMENTUM).addmm_(flat.T, features)
        self.bias_velocity.mul_(MOMENTUM).add_(flat.sum(0))
        rates = (self.rates * factor).repeat_interleave(self.classes)
        self.weight.addcmul_(self.weight_velocity, rates[:, None], value=-1)
        self.bias.addcmul_(self.bias_velocity, rates, value=-1)

    def correct(self, features: Tensor, labels: Tensor) -> Tensor:
        """(H, M) bool on the CPU: whether each head is right on each of features (M, D), labels (M,)."""
        parts = [
            self._head_scores(rows).argmax(2) == truth[:, None]
            for rows, truth in zip(torch.split(features, _ROWS), torch.split(labels, _ROWS), strict=True)
        ]
        return torch.cat(parts).T.cpu() & self._finite_heads()[:, None]

    def head(self, number: int) -> LinearHead:
        """A copy of one of them."""
        rows = slice(number * self.classes, (number + 1) * self.classes)
        return LinearHead(self.weight[rows].clone(), self.bias[rows].clone())

    def state(self) -> dict[str, Tensor]:
        """Everything that training changes."""
        return {name: getattr(self, name).cpu() for name in _TRAINED}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        for name, values in state.items():
            getattr(self, name).copy_(values)

    def copy_from(self, source: int) -> None:
        """Take what process `source` trained."""
        for name in _TRAINED:
            copy_from(getattr(self, name), source)

    def _head_scores(self, features: Tensor) -> Tensor:
        scores = torch.addmm(self.bias, features, self.weight.T)
        return scores.view(len(features), len(self), self.classes)

    def _finite_heads(self) -> Tensor:
        """(H,) false for heads whose learning rate blew them up."""
        return torch.isfinite(self.weight.view(len(self), -1)).all(1).cpu()
