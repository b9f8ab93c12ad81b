from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dinobench.training.loss import Center, cross_entropy
from dinobench.training.schedules import temperature_schedule
from tests.golden.conftest import Golden, load_golden

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])


def temperatures(case: dict[str, Any]) -> np.ndarray:
    schedule = temperature_schedule(
        case["warmup_teacher_temp"],
        case["teacher_temp"],
        epochs=case["n_epochs"],
        warmup_epochs=case["warmup_teacher_temp_epochs"],
    )
    return schedule[case["epoch_of_step"]]


def one_step(
    center: Center, student: np.ndarray, teacher: np.ndarray, temperature: float, case: dict[str, Any]
) -> tuple[float, np.ndarray, torch.Tensor]:
    dtype = center.center.dtype
    logits = torch.from_numpy(student).to(dtype).requires_grad_()
    teacher_logits = torch.from_numpy(teacher).to(dtype)
    loss = cross_entropy(logits, center(teacher_logits, temperature), case["student_temp"])
    loss.backward()
    return loss.item(), logits.grad.numpy(), teacher_logits.mean(0, keepdim=True)


@DTYPES
def test_loss_gradient_and_center(dtype):
    golden = load_golden("dino_loss")
    for name, case in golden.settings["cases"].items():
        if name == "dist":
            continue
        center = Center(case["out_dim"], momentum=case["center_momentum"]).to(dtype)
        for step, temperature in enumerate(temperatures(case)):
            student, teacher = golden.arrays[f"{name}/student"][step], golden.arrays[f"{name}/teacher"][step]
            loss, gradient, mean = one_step(center, student, teacher, temperature, case)
            center.update(mean)
            compare(golden, name, step, dtype, loss, gradient, center)


def compare(
    golden: Golden, name: str, step: int, dtype: torch.dtype, loss: float, gradient: np.ndarray, center: Center
) -> None:
    exact = dtype == torch.float64
    largest = max(1.0, np.abs(golden.arrays[f"{name}/teacher"]).max())
    expected = golden.arrays[f"{name}/loss"][step]
    assert loss == pytest.approx(expected, rel=1e-9 if exact else 2e-6, abs=0 if exact else 1e-5)
    np.testing.assert_allclose(gradient, golden.arrays[f"{name}/grad"][step], atol=1e-11 if exact else 1e-5, rtol=1e-9)
    np.testing.assert_allclose(
        center.center[0].numpy(), golden.arrays[f"{name}/center"][step], rtol=1e-9, atol=(1e-12 if exact else 1e-6) * largest
    )


@DTYPES
def test_two_processes_share_one_center(dtype):
    golden = load_golden("dino_loss")
    case = golden.settings["cases"].get("dist")
    if case is None:
        pytest.skip("no distributed case")
    case = {"center_momentum": 0.9, **case}
    ranks = range(case["world_size"])
    mean_of_all: list[torch.Tensor] = []
    centers = [
        Center(case["out_dim"], momentum=case["center_momentum"], mean_over_processes=lambda _: mean_of_all[-1]).to(dtype)
        for _ in ranks
    ]
    exact = dtype == torch.float64
    for step, temperature in enumerate(temperatures(case)):
        results = [
            one_step(
                centers[rank],
                golden.arrays["dist/student"][rank, step],
                golden.arrays["dist/teacher"][rank, step],
                temperature,
                case,
            )
            for rank in ranks
        ]
        mean_of_all.append(torch.stack([mean for _, _, mean in results]).mean(0))
        for rank, (loss, gradient, mean) in enumerate(results):
            centers[rank].update(mean)
            assert loss == pytest.approx(golden.arrays["dist/loss"][rank, step], rel=1e-9 if exact else 2e-6, abs=1e-5 * (not exact))
            expected = golden.arrays["dist/grad"][rank, step]
            np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-11 if exact else 1e-5)
            np.testing.assert_allclose(
                centers[rank].center[0].numpy(), golden.arrays["dist/center"][step], rtol=1e-9, atol=1e-12 if exact else 2e-6
            )
