"""From teacher logits to target probabilities: the centerings of Table 7."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dinobench.runtime.processes import max_over_processes, mean_over_processes, sum_over_processes, world_size
from dinobench.training.loss import GLOBAL_VIEWS


class Targets(nn.Module):
    """(N, K) teacher logits -> (N, K) probabilities in at least float32. This one only sharpens: no centering."""

    def forward(self, logits: Tensor, temperature: float) -> Tensor:
        """Softmax at the teacher's temperature."""
        return (logits / temperature).softmax(dim=-1)

    def after_step(self) -> None:
        """Called once per optimizer step, however many micro-batches it took."""


class Centered(Targets):
    """Takes a running mean of the teacher's logits off before the softmax: `center` (1, K).

    The mean is over both global views, all micro-batches and all processes, which hold batches of equal size; a step
    uses the center of the steps before it (Caron et al. 2021, section 3.1).

    Args:
        out_dim: K.
        momentum: of the running mean.
    """

    center: Tensor

    def __init__(self, out_dim: int, momentum: float = 0.9) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(1, out_dim))
        self.momentum = momentum
        self._seen: list[Tensor] = []

    def forward(self, logits: Tensor, temperature: float) -> Tensor:
        """Softmax of the centered logits."""
        return (self.centered(logits) / temperature).softmax(dim=-1)

    def centered(self, logits: Tensor) -> Tensor:
        """The logits less the center; remembers their mean until `after_step`."""
        self._seen.append(logits.mean(0, keepdim=True))
        return logits - self.center

    def after_step(self) -> None:
        """Move the center towards the mean of this step."""
        mean = mean_over_processes(torch.stack(self._seen).mean(0))
        self._seen.clear()
        self.center.lerp_(mean.to(self.center.dtype), 1 - self.momentum)


class Sinkhorn(Targets):
    """Shares the samples evenly among the outputs by Sinkhorn-Knopp, over all processes.

    With one iteration it is the softmax over the batch (Caron et al. 2021, appendix D). A micro-batch is balanced by
    itself.

    Args:
        iterations: alternations between outputs and samples; SwAV and the paper's row 3 use 3.
        per_view: balance each of the two global views by itself, as SwAV does, instead of both together.
    """

    def __init__(self, iterations: int = 3, *, per_view: bool = False) -> None:
        super().__init__()
        self.iterations, self.per_view = iterations, per_view

    def forward(self, logits: Tensor, temperature: float) -> Tensor:
        """Softmax of the logits, balanced."""
        parts = logits.chunk(GLOBAL_VIEWS) if self.per_view else (logits,)
        return torch.cat([self._balance_targets(part / temperature) for part in parts])

    def _balance_targets(self, scaled: Tensor) -> Tensor:
        shares = (scaled - _largest_anywhere(scaled)).exp()
        samples, outputs = len(shares) * world_size(), shares.shape[1]
        for _ in range(self.iterations):
            shares = shares / (outputs * sum_over_processes(shares.sum(0, keepdim=True)).clamp_min(_TINY))
            shares = shares / (samples * shares.sum(1, keepdim=True).clamp_min(_TINY))
        return shares * samples


_TINY = 1e-30


def _largest_anywhere(values: Tensor) -> Tensor:
    """The largest entry over all processes, a common factor that cancels."""
    return max_over_processes(values.max())
