from __future__ import annotations

import torch
from torch.nn import functional as F

from dinobench.training.objective import InfoNce, MeanSquaredError
from dinobench.training.targets import Centered

GENERATOR = torch.Generator().manual_seed(0)
STUDENT = torch.randn(4 * 3, 5, generator=GENERATOR)  # 4 views of 3 images
TEACHER = torch.randn(2 * 3, 5, generator=GENERATOR)
PAIRS = [(view, other) for view in range(4) for other in range(2) if view != other]


def units() -> tuple[torch.Tensor, torch.Tensor]:
    return F.normalize(STUDENT, dim=-1).view(4, 3, 5), F.normalize(TEACHER, dim=-1).view(2, 3, 5)


def test_mean_squared_error_is_the_squared_distance_of_unit_vectors():
    views, keys = units()
    expected = torch.stack([(views[view] - keys[other]).square().sum(-1) for view, other in PAIRS]).mean()
    torch.testing.assert_close(MeanSquaredError()(STUDENT, TEACHER, 0.04).loss, expected)


def test_infonce_is_a_cross_entropy_over_the_positive_and_the_queue():
    objective = InfoNce(5, queue=7, softmax_temperature=0.3)
    views, keys = units()
    losses = []
    for view, other in PAIRS:
        positive = (views[view] * keys[other]).sum(-1, keepdim=True)
        logits = torch.cat([positive, views[view] @ objective.queue.T], dim=1) / 0.3
        losses.append(F.cross_entropy(logits, torch.zeros(3, dtype=torch.long)))
    torch.testing.assert_close(objective(STUDENT, TEACHER, 0.04).loss, torch.stack(losses).mean())


def test_the_queue_keeps_the_latest_teacher_outputs():
    objective = InfoNce(5, queue=8)
    first = objective.queue.clone()
    objective(STUDENT, TEACHER, 0.04)
    objective.after_step()
    torch.testing.assert_close(objective.queue[:6], F.normalize(TEACHER, dim=-1))
    assert torch.equal(objective.queue[6:], first[6:])
    objective(STUDENT, -TEACHER, 0.04)
    objective.after_step()
    expected = F.normalize(-TEACHER, dim=-1)
    torch.testing.assert_close(objective.queue[[6, 7, 0, 1, 2, 3]], expected)
    assert int(objective.place) == 4


def test_mean_squared_error_may_take_the_center_off():
    objective = MeanSquaredError(Centered(5, momentum=0.5))
    plain = MeanSquaredError()
    torch.testing.assert_close(objective(STUDENT, TEACHER, 0.04).loss, plain(STUDENT, TEACHER, 0.04).loss)
    objective.after_step()
    center = TEACHER.mean(0) / 2
    torch.testing.assert_close(objective(STUDENT, TEACHER, 0.04).loss, plain(STUDENT, TEACHER - center, 0.04).loss)
    assert "centered.center" in objective.state_dict()
