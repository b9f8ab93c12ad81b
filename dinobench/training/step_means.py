"""Figures of the training steps: read from the device, averaged for a line of the log and for an epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from dinobench.runtime.processes import mean_over_processes
from dinobench.training.diagnostics import check_finite
from dinobench.training.step import StepMeasures

StepRow = list[float]
"""Loss, entropy, outputs in use and squared gradient norm of one step."""


@dataclass(frozen=True)
class StepMeans:
    """Means over some steps and all processes.

    Attributes:
        steps: how many steps.
        loss: of the student.
        entropy: of the teacher's targets in nats.
        kl: KL(teacher || student) in nats, where the loss is a cross-entropy.
        used: outputs over which the targets of a micro-batch spread.
        grad_norm: of the student's gradient before clipping.
    """

    steps: int
    loss: float
    entropy: float
    kl: float
    used: float
    grad_norm: float = 0.0

    def named(self, names: Sequence[str]) -> dict[str, float]:
        """Some of the means by name."""
        return {name: getattr(self, name) for name in names}


@dataclass
class PendingSteps:
    """The steps since the last line of the log; their figures stay on the device until they are read.

    Attributes:
        rows: figures that have been read, step by step; a checkpoint keeps them.
    """

    rows: list[StepRow] = field(default_factory=list)
    _unread: list[StepMeasures] = field(default_factory=list)

    def add(self, measured: StepMeasures) -> None:
        """One more step."""
        self._unread.append(measured)

    def read(self, done: int) -> int:
        """Bring the figures over from the device; returns how many steps were read.

        Args:
            done: number of finished steps.

        Raises:
            RunFailedError: a loss is not finite.
        """
        if not self._unread:
            return 0
        figures = torch.stack([torch.stack([step.loss, step.entropy, step.used]) for step in self._unread])
        read = mean_over_processes(figures).cpu().double()  # Apple's GPUs have no float64
        norms = torch.stack([torch.stack(torch._foreach_pow(list(step.norms), 2)).sum() for step in self._unread])
        count = len(self._unread)
        self._unread.clear()
        for number, loss in enumerate(read[:, 0].tolist(), start=done - count):
            check_finite(loss, number)
        self.rows += [[*row, norm] for row, norm in zip(read.tolist(), norms.tolist(), strict=True)]
        return count

    def take_means(self) -> StepMeans:
        """The means over all steps that were read, which are let go."""
        figures = torch.tensor(self.rows, dtype=torch.float64)
        loss, entropy, used = (column.mean().item() for column in figures[:, :3].T.contiguous())
        norm = math.sqrt(figures[:, 3].float().mean().item())
        self.rows = []
        return StepMeans(len(figures), loss, entropy, loss - entropy, used, norm)


def epoch_means(lines: Sequence[StepMeans]) -> StepMeans:
    """The means over the steps of several lines of the log."""
    steps = sum(line.steps for line in lines)

    def mean(values: list[float]) -> float:
        return sum(value * line.steps for value, line in zip(values, lines, strict=True)) / steps

    return StepMeans(
        steps,
        mean([line.loss for line in lines]),
        mean([line.entropy for line in lines]),
        mean([line.kl for line in lines]),
        mean([line.used for line in lines]),
    )
