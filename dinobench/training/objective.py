"""What a training step minimises, and the state that it keeps between steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dinobench.training.loss import cross_entropy, entropy


@dataclass(frozen=True)
class Terms:
    """What one micro-batch gave.

    Attributes:
        loss: scalar to minimise.
        entropy: mean entropy of the teacher's targets in nats, a scalar without gradient.
    """

    loss: Tensor
    entropy: Tensor


class Objective(nn.Module):
    """Compares student and teacher logits; its buffers are part of a checkpoint."""

    def forward(self, student: Tensor, teacher: Tensor, temperature: float) -> Terms:
        """Loss of one micro-batch: student (V * B, K), teacher (2 * B, K), view by view; teacher temperature."""
        raise NotImplementedError

    def after_step(self) -> None:
        """Called once per optimiser step, however many micro-batches it took."""


class CrossEntropy(Objective):
    """DINO: cross-entropy with centred and sharpened targets.

    Args:
        targets: turns teacher logits into probabilities.
        student_temperature: of the student's softmax.
    """

    def __init__(self, targets: nn.Module, student_temperature: float = 0.1) -> None:
        super().__init__()
        self.targets = targets
        self.student_temperature = student_temperature

    def forward(self, student: Tensor, teacher: Tensor, temperature: float) -> Terms:
        """See `Objective`."""
        targets = self.targets(teacher, temperature)
        return Terms(cross_entropy(student, targets, self.student_temperature), entropy(targets))

    def after_step(self) -> None:
        """Let the center follow."""
        self.targets.after_step()
