"""Figures of the steps since the last line of the log."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from dinobench.runtime.processes import mean_over_processes
from dinobench.training.diagnostics import check_finite
from dinobench.training.step import Measured


@dataclass
class Means:
    """Running means over the steps since the last reading; figures stay on the device until read."""

    measured: list[Measured] = field(default_factory=list)

    def read(self, first_step: int) -> dict[str, float]:
        """Means over the steps and all processes; empty without steps.

        Raises:
            InputError: a loss is not finite; `first_step` is the number of the first one held.
        """
        if not self.measured:
            return {}
        rows = [torch.stack([step.loss, step.entropy, step.used]) for step in self.measured]
        losses, entropies, used = mean_over_processes(torch.stack(rows, 1)).cpu().double()  # which Apple's GPUs lack
        norms = torch.stack([torch.stack(torch._foreach_pow(list(step.norms), 2)).sum() for step in self.measured])
        self.measured.clear()
        for offset, loss in enumerate(losses.tolist()):
            check_finite(loss, first_step + offset)
        loss, entropy = losses.mean().item(), entropies.mean().item()
        return {
            "loss": loss,
            "entropy": entropy,
            "kl": loss - entropy,
            "used": used.mean().item(),
            "grad_norm": math.sqrt(norms.mean().item()),
        }
