"""One optimizer step of student and teacher."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from dinobench.runtime.precision import autocast
from dinobench.runtime.processes import mean_over_processes, world_size
from dinobench.training.feature_anchor import FeatureAnchor
from dinobench.training.loss import GLOBAL_VIEWS, ViewRange
from dinobench.training.objective import TrainingObjective
from dinobench.training.optimizers import clip_each, set_schedules
from dinobench.training.student_teacher import HeadedNetwork, follow_student

Views = Sequence[Tensor]
"""Normalized views of one micro-batch, one tensor (views * B, C, H, W) per size; the two global views come first."""


@dataclass(frozen=True)
class StepSettings:
    """What the schedules say for one step.

    Attributes:
        lr, weight_decay: of the optimizer.
        momentum: of the teacher.
        temperature: of the teacher's softmax.
        frozen: whether the head's last layer stays as it is.
        head_alone: whether the backbone stays as it is.
    """

    lr: float
    weight_decay: float
    momentum: float
    temperature: float
    frozen: bool
    head_alone: bool = False


@dataclass(frozen=True)
class StepMeasures:
    """Figures of one step, as tensors on the device, so that reading them can wait.

    Attributes:
        loss: mean over the step's micro-batches, of this process.
        entropy: mean entropy of the teacher's targets in nats.
        used: over how many outputs the targets of a micro-batch spread.
        norms: of the student's gradient tensors before clipping.
    """

    loss: Tensor
    entropy: Tensor
    used: Tensor
    norms: Sequence[Tensor]


class Learner:
    """Student, teacher, objective and optimizer: all that a step changes.

    Args:
        student, teacher: equal at the start.
        objective: what the student minimizes.
        optimizer: over the student's parameters.
        clip: largest norm of a gradient tensor, 0 for none.
        teacher_from: "momentum" average of the student, its "previous_iteration", "previous_epoch", or the present
            "student" itself (Figure 6).
        precision: "bf16" runs the networks under autocast; losses and weights stay in float32.
        anchor: what holds the student to the start; the loss that a step reports is without it.
    """

    def __init__(
        self,
        student: HeadedNetwork,
        teacher: HeadedNetwork,
        objective: TrainingObjective,
        optimizer: Optimizer,
        *,
        clip: float,
        teacher_from: str = "momentum",
        precision: str = "fp32",
        anchor: FeatureAnchor | None = None,
    ) -> None:
        self.student, self.teacher, self.objective, self.optimizer = student, teacher, objective, optimizer
        self.clip, self.teacher_from, self.precision = clip, teacher_from, precision
        self.anchor = anchor
        self._parallel: nn.Module | None = None
        self._frozen: tuple[bool, bool] | None = None
        self._resting: list[nn.Parameter] = []

    def step(self, micro_batches: Sequence[Views], settings: StepSettings) -> StepMeasures:
        """Learn from the mean over `micro_batches`; center and teacher follow once."""
        set_schedules(self.optimizer, lr=settings.lr, weight_decay=settings.weight_decay)
        self._freeze_last_layer(settings.frozen, settings.head_alone)
        self.optimizer.zero_grad()
        terms = []
        for number, views in enumerate(micro_batches, start=1):
            last = number == len(micro_batches)
            terms.append(self._learn_views(views, settings.temperature, share=1 / len(micro_batches), last=last))
        norms = clip_each(self.student.parameters(), self.clip)
        if self.teacher_from == "previous_iteration":
            follow_student(self.teacher, self.student, 0.0)
        self.optimizer.step()
        self.objective.after_step()
        self._update_teacher(settings.momentum)
        loss, entropy, used = (torch.stack(figures).mean() for figures in zip(*terms, strict=True))
        return StepMeasures(loss, entropy, used, norms)

    @torch.no_grad()
    def average_statistics(self) -> None:
        """Give every process the mean of all processes' batch-norm statistics, which they gather apart on CPUs."""
        if world_size() == 1:
            return
        for network in (self.student, self.teacher):
            for buffer in network.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(mean_over_processes(buffer))

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether student, teacher and objective hold finite numbers alone."""
        states = (*self.student.state_dict().values(), *self.teacher.state_dict().values())
        tensors = [tensor for tensor in (*states, *self.objective.buffers()) if tensor.is_floating_point()]
        return bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())

    def end_epoch(self) -> None:
        """Called after the last step of each epoch."""
        if self.teacher_from == "previous_epoch":
            follow_student(self.teacher, self.student, 0.0)

    def _learn_views(self, views: Views, temperature: float, share: float, last: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Add `share` of this micro-batch's gradient; gives its loss, entropy and outputs in use.

        The loss is a sum over the student's views, so the views of one size are done with, backward too, before those
        of the next: their activations never lie in memory together. A batch norm in the head wants all at once.
        """
        with torch.no_grad():
            with self._autocast_context(views):
                targets, _ = self.teacher(views[:1])
                start = self.anchor.tokens(views[0]) if self.anchor else None
            teacher_targets = self.objective.teacher_targets(
                targets.float() if self.precision == "bf16" else targets, temperature
            )
        batch = len(views[0]) // GLOBAL_VIEWS
        counts = [len(group) // batch for group in views]
        loss, first = teacher_targets.entropy.new_zeros(()), 0
        parts = self._split_views(views, batch)
        with self.student.head.held(), self._autocast_context(views):  # whose cast weights serve all parts
            for groups in parts:
                with self._without_exchange(not last or groups is not parts[-1]):
                    logits, tokens = (self._parallel or self.student)(groups)
                    with torch.autocast(logits.device.type, enabled=False):
                        part = self.objective.loss(logits, teacher_targets.values, ViewRange(first, sum(counts)))
                        whole = part
                        if self.anchor and start is not None:
                            whole = part + self.anchor.loss(tokens, start, first * batch)
                        torch.autograd.backward(whole * share)
                loss += part.detach()
                first += len(logits) // batch
        return loss, teacher_targets.entropy, teacher_targets.used

    def _split_views(self, views: Views, batch: int) -> list[Views]:
        """Views that are learned from together: as many as have the pixels of a global one.

        Batch norms tell more apart: one in the backbone takes all views of a size, one in the head all views.
        """
        if has_batch_norm(self.student.head):
            return [views]
        if has_batch_norm(self.student):
            return [[group] for group in views]
        side = views[0].shape[-1]
        most = [max(1, side * side // group.shape[-1] ** 2) for group in views]
        return [[part] for group, few in zip(views, most, strict=True) for part in _even_runs(group, batch, few)]

    def _autocast_context(self, views: Views) -> torch.autocast:
        return autocast(views[0].device, self.precision)

    def _update_teacher(self, momentum: float) -> None:
        if self.teacher_from == "momentum":
            follow_student(self.teacher, self.student, momentum)
        elif self.teacher_from == "student":
            follow_student(self.teacher, self.student, 0.0)

    def _freeze_last_layer(self, frozen: bool, head_alone: bool) -> None:
        """Freeze or free last layer and backbone; the gradient exchange is set up anew when what is trained changes."""
        if (frozen, head_alone) == self._frozen:
            return
        self._frozen = (frozen, head_alone)
        self.student.head.freeze_last_layer(frozen)
        for parameter in self._resting:
            parameter.requires_grad_(True)
        trained = (parameter for parameter in self.student.backbone.parameters() if parameter.requires_grad)
        self._resting = list(trained) if head_alone else []
        for parameter in self._resting:
            parameter.requires_grad_(False)
        if world_size() > 1:
            self._parallel = DistributedDataParallel(self.student)

    def _without_exchange(self, wait: bool) -> contextlib.AbstractContextManager[None]:
        """Under many processes, gradients are exchanged with the last micro-batch only."""
        if wait and isinstance(self._parallel, DistributedDataParallel):
            return self._parallel.no_sync()
        return contextlib.nullcontext()


def _even_runs(group: Tensor, batch: int, few: int) -> Sequence[Tensor]:
    """Runs of at most `few` views, of nearly equal length."""
    views = group.reshape(-1, batch, *group.shape[1:])
    return [run.flatten(0, 1) for run in views.chunk(math.ceil(len(views) / few))]


def has_batch_norm(network: nn.Module) -> bool:
    """Whether a batch norm is in it."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())
