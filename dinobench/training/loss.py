"""The DINO loss: cross-entropy of every student view with the teacher's other global views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

GLOBAL_VIEWS = 2


class _CrossEntropy(torch.autograd.Function):
    """Mean over the pairs (teacher view i, student view v != i) of -P_i . log softmax(s_v / t).

    Summed over i, a student view meets all its targets at once: -T_v . log softmax(s_v / t), where T_v is the sum of
    the other teacher views and w their number, and its gradient is w softmax(s_v / t) - T_v. So no log-probability
    of a pair is ever stored; views are taken one at a time, in at least float32, and leave only their gradient.
    """

    @staticmethod
    def forward(ctx: Any, student: Tensor, targets: Tensor, temperature: float) -> Tensor:
        teacher = targets.view(GLOBAL_VIEWS, -1, targets.shape[-1])
        views = student.view(-1, teacher.shape[1], student.shape[-1])
        gradient = torch.empty_like(views)
        loss = targets.new_zeros(())
        for view, (logits, into) in enumerate(zip(views, gradient, strict=True)):
            target, weight = _target(teacher, view)
            log_probabilities = (logits.to(targets.dtype) / temperature).log_softmax(dim=-1)
            loss -= torch.dot(target.flatten(), log_probabilities.flatten())
            into.copy_(log_probabilities.exp_().mul_(weight).sub_(target))
        terms = GLOBAL_VIEWS * (len(views) - 1) * views.shape[1]
        ctx.save_for_backward(gradient.view_as(student))
        ctx.scale = 1 / (terms * temperature)
        return loss / terms

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (of_student,) = ctx.saved_tensors
        return of_student * (gradient * ctx.scale).to(of_student.dtype), None, None


def _target(teacher: Tensor, view: int) -> tuple[Tensor, int]:
    """Sum and number of the teacher views that student view `view` is held against: all but itself."""
    others = [index for index in range(GLOBAL_VIEWS) if index != view]
    return (teacher[others[0]] if len(others) == 1 else teacher.sum(0)), len(others)


def cross_entropy(student: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy over all pairs of different views; differentiable in `student`.

    Args:
        student: (V * B, K) logits, view by view, the two global views first.
        targets: (2 * B, K) teacher probabilities of the two global views.
        temperature: of the student's softmax.
    """
    loss: Tensor = _CrossEntropy.apply(student, targets, temperature)
    return loss


def entropy(probabilities: Tensor) -> Tensor:
    """Mean entropy in nats of (N, K) distributions; a probability of 0 counts 0."""
    return torch.special.entr(probabilities).sum(-1).mean()


class Center(nn.Module):
    """Running mean of the teacher's logits, taken off before its softmax: `center` (1, K).

    Args:
        out_dim: K.
        momentum: of the running mean.
        mean_over_processes: averages a (1, K) tensor over all processes, which hold batches of equal size.
    """

    center: Tensor

    def __init__(
        self, out_dim: int, *, momentum: float = 0.9, mean_over_processes: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(1, out_dim))
        self.momentum = momentum
        self._mean_over_processes = mean_over_processes

    def forward(self, logits: Tensor, temperature: float) -> Tensor:
        """softmax((logits - center) / temperature) in at least float32: (N, K) -> (N, K)."""
        return ((logits - self.center) / temperature).softmax(dim=-1)

    @torch.no_grad()
    def update(self, batch_mean: Tensor) -> None:
        """Move towards the mean (1, K) of this step's teacher logits over views, micro-batches and processes."""
        if self._mean_over_processes is not None:
            batch_mean = self._mean_over_processes(batch_mean)
        self.center.lerp_(batch_mean.to(self.center.dtype), 1 - self.momentum)
