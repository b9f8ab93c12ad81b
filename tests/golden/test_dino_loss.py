from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dinobench.training import targets
from dinobench.training.objective import CrossEntropy
from dinobench.training.schedules import temperature_schedule
from dinobench.training.targets import Centered
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


def objective_of(case: dict[str, Any], dtype: torch.dtype) -> CrossEntropy:
    centered = Centered(case["out_dim"], momentum=case.get("center_momentum", 0.9))
    return CrossEntropy(centered, student_temperature=case["student_temp"]).to(dtype)


def one_step(
    objective: CrossEntropy, student: np.ndarray, teacher: np.ndarray, temperature: float
) -> tuple[float, np.ndarray]:
    dtype = objective.targets.center.dtype
    logits = torch.from_numpy(student).to(dtype).requires_grad_()
    terms = objective(logits, torch.from_numpy(teacher).to(dtype), temperature)
    terms.loss.backward()
    return terms.loss.item(), logits.grad.numpy()


def compare(golden: Golden, prefix: str, at: Any, loss: float, gradient: np.ndarray) -> None:
    exact = gradient.dtype == np.float64
    expected = golden.arrays[f"{prefix}/loss"][at]
    assert loss == pytest.approx(expected, rel=1e-9 if exact else 2e-6, abs=0 if exact else 1e-5)
    np.testing.assert_allclose(gradient, golden.arrays[f"{prefix}/grad"][at], rtol=1e-9, atol=1e-11 if exact else 1e-5)


def compare_center(golden: Golden, prefix: str, step: int, objective: CrossEntropy) -> None:
    center = objective.targets.center[0].numpy()
    largest = max(1.0, np.abs(golden.arrays[f"{prefix}/teacher"]).max())
    tolerance = (1e-12 if center.dtype == np.float64 else 1e-6) * largest
    np.testing.assert_allclose(center, golden.arrays[f"{prefix}/center"][step], rtol=1e-9, atol=tolerance)


@DTYPES
def test_loss_gradient_and_center(dtype):
    golden = load_golden("dino_loss")
    for name, case in golden.settings["cases"].items():
        if name == "dist":
            continue
        objective = objective_of(case, dtype)
        for step, temperature in enumerate(temperatures(case)):
            student, teacher = golden.arrays[f"{name}/student"][step], golden.arrays[f"{name}/teacher"][step]
            compare(golden, name, step, *one_step(objective, student, teacher, temperature))
            objective.after_step()
            compare_center(golden, name, step, objective)


@DTYPES
def test_processes_share_one_center(dtype, monkeypatch):
    golden = load_golden("dino_loss")
    case = golden.settings["cases"].get("dist")
    if case is None:
        pytest.skip("no distributed case")
    ranks = range(case["world_size"])
    objectives = [objective_of(case, dtype) for _ in ranks]
    student, teacher = golden.arrays["dist/student"], golden.arrays["dist/teacher"]
    for step, temperature in enumerate(temperatures(case)):
        for rank, objective in enumerate(objectives):
            compare(
                golden,
                "dist",
                (rank, step),
                *one_step(objective, student[rank, step], teacher[rank, step], temperature),
            )
        mean = torch.from_numpy(teacher[:, step].astype(np.float64).mean((0, 1))).to(dtype)
        monkeypatch.setattr(targets, "mean_over_processes", lambda _, mean=mean: mean[None])
        for objective in objectives:
            objective.after_step()
            compare_center(golden, "dist", step, objective)
