from __future__ import annotations

import numpy as np
import pytest

from dinobench.runtime.errors import InputError
from dinobench.training.schedules import cosine_schedule, temperature_schedule
from tests.golden.conftest import load_golden


def test_every_schedule():
    golden = load_golden("schedules")
    for name, run in golden.settings["settings"].items():
        length = {"epochs": run["epochs"], "steps_per_epoch": run["iterations_per_epoch"]}
        ours = {
            "lr": cosine_schedule(run["peak_lr"], run["min_lr"], warmup_epochs=run["warmup_epochs"], **length),
            "weight_decay": cosine_schedule(run["weight_decay"], run["weight_decay_end"], **length),
            "momentum": cosine_schedule(run["momentum_teacher"], 1.0, **length),
        }
        at = golden.arrays[f"{name}/iteration"]
        for key, values in ours.items():
            assert len(values) == run["epochs"] * run["iterations_per_epoch"]
            np.testing.assert_allclose(values[at], golden.arrays[f"{name}/{key}"], rtol=1e-12, err_msg=f"{name} {key}")
        temperatures = temperature_schedule(
            run["warmup_teacher_temp"],
            run["teacher_temp"],
            epochs=run["epochs"],
            warmup_epochs=run["warmup_teacher_temp_epochs"],
        )
        np.testing.assert_allclose(temperatures, golden.arrays[f"{name}/teacher_temp_per_epoch"], rtol=1e-12)


def test_settings_that_the_reference_rejects():
    for case in load_golden("schedules").settings["reference_rejects"]:
        assert not case["accepted"]
        with pytest.raises(InputError, match="longer than the run"):
            if "warmup_epochs" in case:
                cosine_schedule(
                    1.0,
                    0.0,
                    epochs=case["epochs"],
                    steps_per_epoch=case["niter_per_ep"],
                    warmup_epochs=case["warmup_epochs"],
                )
            else:
                temperature_schedule(
                    0.04, 0.07, epochs=case["epochs"], warmup_epochs=case["warmup_teacher_temp_epochs"]
                )
