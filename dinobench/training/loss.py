"""Cross-entropy of every student view with the teacher's other global views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

GLOBAL_VIEWS = 2


@dataclass(frozen=True)
class ViewRange:
    """Student views that are learned from together; the loss is the sum over the parts.

    Attributes:
        first: number of the first of them, the two global views being 0 and 1.
        total: views of an image.
    """

    first: int
    total: int

    @property
    def pairs(self) -> int:
        """Pairs of a student view and another teacher view, over all parts."""
        return GLOBAL_VIEWS * (self.total - 1)


class _PairwiseCrossEntropy(torch.autograd.Function):
    """Mean over the pairs (teacher view i, student view v != i) of -P_i . log softmax(s_v / t).

    Summed over i, a student view meets all its targets at once: -T_v . log softmax(s_v / t), where T_v is the sum of
    the other teacher views and w their number, and its gradient is w softmax(s_v / t) - T_v. So no log-probability
    of a pair is ever stored; views are taken one at a time, in at least float32, and leave only their gradient.
    """

    @staticmethod
    def forward(ctx: Any, student: Tensor, targets: Tensor, temperature: float, part: ViewRange) -> Tensor:
        teacher = targets.view(GLOBAL_VIEWS, -1, targets.shape[-1])
        views = student.view(-1, teacher.shape[1], student.shape[-1])
        gradient = torch.empty_like(views)
        loss = targets.new_zeros(())
        for view, (logits, into) in enumerate(zip(views, gradient, strict=True), start=part.first):
            target, weight = _target_of(teacher, view)
            log_probabilities = (logits.to(targets.dtype) / temperature).log_softmax(dim=-1)
            loss -= torch.dot(target.flatten(), log_probabilities.flatten())
            into.copy_(log_probabilities.exp_().mul_(weight).sub_(target))
        terms = part.pairs * views.shape[1]
        ctx.save_for_backward(gradient.view_as(student))
        ctx.scale = 1 / (terms * temperature)
        return loss / terms

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (of_student,) = ctx.saved_tensors  # ours alone, so it is scaled where it lies
        return of_student.mul_((gradient * ctx.scale).to(of_student.dtype)), None, None, None


def other_teacher_views(view: int) -> list[int]:
    """The teacher views that a student view is held against: all but itself."""
    return [index for index in range(GLOBAL_VIEWS) if index != view]


def _target_of(teacher: Tensor, view: int) -> tuple[Tensor, int]:
    """Sum and number of the teacher views that student view `view` is held against."""
    against = other_teacher_views(view)
    return (teacher[against[0]] if len(against) == 1 else teacher.sum(0)), len(against)


def cross_entropy(student: Tensor, targets: Tensor, temperature: float, part: ViewRange) -> Tensor:
    """What some views add to the mean cross-entropy over all pairs of different views; differentiable in `student`.

    Args:
        student: (v * B, K) logits of these views, view by view.
        targets: (2 * B, K) teacher probabilities of the two global views.
        temperature: of the student's softmax.
        part: which views these are.
    """
    loss: Tensor = _PairwiseCrossEntropy.apply(student, targets, temperature, part)
    return loss


def mean_entropy(probabilities: Tensor) -> Tensor:
    """Mean entropy in nats of (N, K) distributions; a probability of 0 counts 0."""
    mean: Tensor = torch.special.entr(probabilities).sum(-1).mean()
    return mean
