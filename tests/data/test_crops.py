from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dinobench.data.crops import crop_box


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    smallest=st.floats(0.01, 1.0),
    seed=st.integers(0, 999),
)
def test_crops_lie_within_the_image(width: int, height: int, smallest: float, seed: int) -> None:
    left, top, right, bottom = crop_box((width, height), (smallest, 1.0), (3 / 4, 4 / 3), random.Random(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_crops_have_the_areas_and_aspects_asked_for() -> None:
    boxes = [crop_box((400, 400), (0.08, 1.0), (3 / 4, 4 / 3), random.Random(seed)) for seed in range(2000)]
    widths = np.array([right - left for left, _, right, _ in boxes])
    heights = np.array([bottom - top for _, top, _, bottom in boxes])
    shares = widths * heights / 400**2
    assert 0.07 < shares.min() < 0.1
    assert 0.45 < shares.mean() < 0.57
    assert 0.74 < (widths / heights).min() < 0.78
    assert abs(np.log(widths / heights).mean()) < 0.02
