"""Position tables resized for other inputs, against the released interpolation."""

from __future__ import annotations

import numpy as np
import torch

from dinobench.models.networks.position import resize_position_table
from tests.golden.conftest import load_golden


def test_tables_equal_the_released_ones() -> None:
    golden = load_golden("pos_table")
    table = torch.from_numpy(golden.arrays["table"]).double()
    for name, facts in golden.settings["cases"].items():
        square = facts["height"] == facts["width"]
        patches = resize_position_table(table[:, 1:], tuple(facts["grid"]), square=square)
        actual = torch.cat([table[:, :1], patches], dim=1).numpy()
        np.testing.assert_allclose(actual, golden.arrays[name], rtol=1e-9, atol=1e-9)
        assert np.array_equal(actual, table.numpy()) == facts["unchanged"]
