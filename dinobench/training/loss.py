"""Cross-entropy of every student view with the teacher's other global views."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

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
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
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
    mean: Tensor = torch.special.entr(probabilities).sum(-1).mean()
    return mean
