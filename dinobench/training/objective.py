"""What a training step minimizes, and the state that it keeps between steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.runtime.processes import gather_from_processes
from dinobench.training.loss import GLOBAL_VIEWS, ViewRange, cross_entropy, mean_entropy, other_teacher_views
from dinobench.training.targets import Centered, Targets


@dataclass(frozen=True)
class LossTerms:
    """What one micro-batch gave.

    Attributes:
        loss: scalar to minimize.
        entropy: mean entropy of the teacher's targets in nats, a scalar without gradient.
    """

    loss: Tensor
    entropy: Tensor


@dataclass(frozen=True)
class TeacherTargets:
    """What the student's views of one micro-batch are held against.

    Attributes:
        values: (2 * B, K), of the two global views.
        entropy: mean entropy of the teacher's targets in nats, a scalar without gradient.
        used: over how many outputs the mean target spreads, exp of its entropy: 1 where all images have one answer.
    """

    values: Tensor
    entropy: Tensor
    used: Tensor


class TrainingObjective(nn.Module):
    """Compares student and teacher logits; its buffers are part of a checkpoint."""

    def teacher_targets(self, teacher: Tensor, temperature: float) -> TeacherTargets:
        """From the teacher's logits (2 * B, K) of one micro-batch, view by view, and its temperature."""
        raise NotImplementedError

    def loss(self, student: Tensor, teacher_targets: Tensor, part: ViewRange) -> Tensor:
        """What the student's logits (v * B, K) of some views add to the loss of the micro-batch."""
        raise NotImplementedError

    def forward(self, student: Tensor, teacher: Tensor, temperature: float) -> LossTerms:
        """All views of one micro-batch at once: student (V * B, K), teacher (2 * B, K), view by view."""
        teacher_targets = self.teacher_targets(teacher, temperature)
        views = GLOBAL_VIEWS * len(student) // len(teacher)
        return LossTerms(self.loss(student, teacher_targets.values, ViewRange(0, views)), teacher_targets.entropy)

    def after_step(self) -> None:
        """Called once per optimizer step, however many micro-batches it took."""

    def figures(self) -> tuple[str, ...]:
        """The means that the log holds under this objective, by their names in `StepMeans`."""
        return ("loss", "entropy", "used")

    def checkpoint_state(self) -> dict[str, Any]:
        """What a checkpoint keeps as `dino_loss`."""
        return dict(self.state_dict())

    def load_checkpoint_state(self, state: Mapping[str, Any]) -> None:
        """Put `checkpoint_state` back."""
        self.load_state_dict(dict(state))


class CrossEntropy(TrainingObjective):
    """DINO: cross-entropy with centered and sharpened targets.

    Args:
        targets: turns teacher logits into probabilities.
        student_temperature: of the student's softmax.
    """

    def __init__(self, targets: Targets, student_temperature: float = 0.1) -> None:
        super().__init__()
        self.targets = targets
        self.student_temperature = student_temperature

    def teacher_targets(self, teacher: Tensor, temperature: float) -> TeacherTargets:
        """Target probabilities."""
        targets = self.targets(teacher, temperature)
        return _with_entropies(targets, targets)

    def loss(self, student: Tensor, teacher_targets: Tensor, part: ViewRange) -> Tensor:
        """See `TrainingObjective`."""
        return cross_entropy(student, teacher_targets, self.student_temperature, part)

    def after_step(self) -> None:
        """Let the center follow."""
        self.targets.after_step()

    def figures(self) -> tuple[str, ...]:
        """The divergence too, which belongs to probabilities."""
        return ("loss", "entropy", "kl", "used")

    def checkpoint_state(self) -> dict[str, Any]:
        """{"center": (1, K)} for the plain recipe, as in the released code."""
        return dict(self.targets.state_dict())

    def load_checkpoint_state(self, state: Mapping[str, Any]) -> None:
        """See `TrainingObjective`."""
        self.targets.load_state_dict(dict(state))


class MeanSquaredError(TrainingObjective):
    """BYOL's loss: squared distance between unit vectors, 2 - 2 cos, over all pairs of different views.

    Args:
        centered: takes the center off the teacher's outputs, as in the paper's Table 7, row 5; BYOL has none.
    """

    def __init__(self, centered: Centered | None = None) -> None:
        super().__init__()
        self.centered = centered

    def teacher_targets(self, teacher: Tensor, temperature: float) -> TeacherTargets:
        """Unit vectors; the temperature serves the reported entropy alone."""
        return _unit_targets(teacher if self.centered is None else self.centered.centered(teacher), temperature)

    def loss(self, student: Tensor, teacher_targets: Tensor, part: ViewRange) -> Tensor:
        """See `TrainingObjective`."""
        cosines = _pairwise_cosines(*_by_view(student, teacher_targets), part)
        return (2 - 2 * cosines).mean(1).sum() / part.pairs

    def after_step(self) -> None:
        """Let the center follow."""
        if self.centered is not None:
            self.centered.after_step()


class InfoNce(TrainingObjective):
    """MoCo's loss: each student view must tell the teacher's other view of its image from a queue of earlier ones.

    Args:
        dim: width of the outputs.
        queue: how many teacher outputs are kept as negatives.
        softmax_temperature: of the similarities.
    """

    queue: Tensor
    place: Tensor

    def __init__(self, dim: int, queue: int, softmax_temperature: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("queue", F.normalize(torch.randn(queue, dim), dim=-1))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))
        self.softmax_temperature = softmax_temperature
        self._seen: list[Tensor] = []

    def teacher_targets(self, teacher: Tensor, temperature: float) -> TeacherTargets:
        """Unit vectors, remembered until `after_step`; `temperature` serves the reported entropy alone."""
        teacher_targets = _unit_targets(teacher, temperature)
        self._seen.append(teacher_targets.values)
        return teacher_targets

    def loss(self, student: Tensor, teacher_targets: Tensor, part: ViewRange) -> Tensor:
        """See `TrainingObjective`."""
        views, keys = _by_view(student, teacher_targets)
        against = (views @ self.queue.T / self.softmax_temperature).logsumexp(-1)
        positives = _pairwise_cosines(views, keys, part) / self.softmax_temperature
        against = torch.stack(
            [row for view, row in enumerate(against, start=part.first) for _ in other_teacher_views(view)]
        )
        return (torch.logaddexp(positives, against) - positives).mean(1).sum() / part.pairs

    @torch.no_grad()
    def after_step(self) -> None:
        """The teacher outputs of this step, of all processes, replace the oldest of the queue."""
        keys = gather_from_processes(torch.cat(self._seen))[-len(self.queue) :]
        self._seen.clear()
        places = (self.place + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = keys.to(self.queue.dtype)
        self.place.copy_((self.place + len(keys)) % len(self.queue))


def _unit_targets(teacher: Tensor, temperature: float) -> TeacherTargets:
    return _with_entropies(F.normalize(teacher, dim=-1), (teacher / temperature).softmax(-1))


def _with_entropies(values: Tensor, probabilities: Tensor) -> TeacherTargets:
    return TeacherTargets(values, mean_entropy(probabilities), mean_entropy(probabilities.mean(0)).exp())


def _by_view(student: Tensor, teacher_targets: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors (v, B, K) of the student and (2, B, K) of the teacher."""
    keys = teacher_targets.reshape(GLOBAL_VIEWS, -1, teacher_targets.shape[-1])
    return F.normalize(student.to(keys.dtype), dim=-1).reshape(-1, *keys.shape[1:]), keys


def _pairwise_cosines(views: Tensor, keys: Tensor, part: ViewRange) -> Tensor:
    """(pairs, B) cosines of each unit student view (v, B, K) with the other teacher views (2, B, K)."""
    numbered = enumerate(views, start=part.first)
    return torch.stack(
        [(view * keys[other]).sum(-1) for number, view in numbered for other in other_teacher_views(number)]
    )
