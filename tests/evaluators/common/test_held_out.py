from __future__ import annotations

import numpy as np

from dinobench.evaluators.common.held_out import hold_out


def test_the_held_out_share_is_drawn_by_class() -> None:
    labels = np.array([0] * 50 + [1] * 10 + [2])
    kept, held = hold_out(labels, 0.2, seed=0)
    assert sorted([*kept, *held]) == list(range(61))
    assert np.bincount(labels[held], minlength=3).tolist() == [10, 2, 0]
    assert held.tolist() == hold_out(labels, 0.2, seed=0)[1].tolist() != hold_out(labels, 0.2, seed=1)[1].tolist()
