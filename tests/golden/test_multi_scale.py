"""Multi-scale class tokens against the released retrieval evaluation."""

from __future__ import annotations

import numpy as np
import torch

from dinobench.models.networks.multi_scale import multi_scale_class_token
from tests.golden.conftest import load_golden
from tests.golden.test_vit import golden_vit


def test_outputs_equal_the_released_ones() -> None:
    golden, networks = load_golden("multi_scale"), load_golden("vit")
    models = {name: golden_vit(networks, name, facts) for name, facts in networks.settings["models"].items()}
    for case in golden.settings["cases"]:
        images = torch.from_numpy(golden.arrays[f"{case}/x"]).double()
        expected = golden.arrays[f"{case}/out"]
        with torch.no_grad():
            actual = multi_scale_class_token(models[case.split("/")[0]], images, norm="batch").numpy()
            rows = multi_scale_class_token(models[case.split("/")[0]], images).numpy()
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
        np.testing.assert_allclose(
            rows, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-9, atol=1e-9
        )
