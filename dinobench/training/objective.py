"""What a training step minimises, and the state that it keeps between steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.runtime.processes import gather_from_processes
from dinobench.training.loss import GLOBAL_VIEWS, cross_entropy, entropy
from dinobench.training.targets import Targets


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

    def __init__(self, targets: Targets, student_temperature: float = 0.1) -> None:
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


class MeanSquaredError(Objective):
    """BYOL's loss: squared distance between unit vectors, 2 - 2 cos, over all pairs of different views."""

    def forward(self, student: Tensor, teacher: Tensor, temperature: float) -> Terms:
        """See `Objective`; the temperature serves the reported entropy alone."""
        cosines = _pairwise_cosines(*_unit_views(student, teacher))
        return Terms((2 - 2 * cosines).mean(), entropy((teacher / temperature).softmax(-1)))


class InfoNce(Objective):
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

    def forward(self, student: Tensor, teacher: Tensor, temperature: float) -> Terms:
        """See `Objective`; `temperature` serves the reported entropy alone."""
        views, keys = _unit_views(student, teacher)
        self._seen.append(keys.flatten(0, 1))
        against = (views @ self.queue.T / self.softmax_temperature).logsumexp(-1)
        positives = _pairwise_cosines(views, keys) / self.softmax_temperature
        against = torch.stack([against[index] for index in range(len(views)) for _ in _others(index)])
        loss = (torch.logaddexp(positives, against) - positives).mean()
        return Terms(loss, entropy((teacher / temperature).softmax(-1)))

    @torch.no_grad()
    def after_step(self) -> None:
        """The teacher outputs of this step, of all processes, replace the oldest of the queue."""
        keys = gather_from_processes(torch.cat(self._seen))[-len(self.queue) :]
        self._seen.clear()
        places = (self.place + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = keys.to(self.queue.dtype)
        self.place.copy_((self.place + len(keys)) % len(self.queue))


def _unit_views(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors (V, B, K) and (2, B, K)."""
    dim = teacher.shape[1]
    keys = F.normalize(teacher, dim=-1).reshape(GLOBAL_VIEWS, -1, dim)
    views = F.normalize(student.to(keys.dtype), dim=-1).reshape(-1, keys.shape[1], dim)
    return views, keys


def _others(view: int) -> list[int]:
    """The teacher views that a student view is held against: all but itself."""
    return [index for index in range(GLOBAL_VIEWS) if index != view]


def _pairwise_cosines(views: Tensor, keys: Tensor) -> Tensor:
    """(pairs, B) cosines of each unit student view (V, B, K) with the other teacher views (2, B, K)."""
    return torch.stack([(view * keys[other]).sum(-1) for index, view in enumerate(views) for other in _others(index)])
