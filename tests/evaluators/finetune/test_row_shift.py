from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dinobench.evaluators.finetune import row_shift

FILL = (124, 116, 104)
Matrix = tuple[float, ...]
CASES: dict[str, tuple[Callable[..., np.ndarray], Callable[[float, tuple[int, int]], Matrix]]] = {
    "shear_x": (row_shift.shear_x, lambda f, size: (1, f, 0, 0, 1, 0)),
    "shear_y": (row_shift.shear_y, lambda f, size: (1, 0, 0, f, 1, 0)),
    "translate_x": (row_shift.translate_x, lambda f, size: (1, 0, f * size[0], 0, 1, 0)),
    "translate_y": (row_shift.translate_y, lambda f, size: (1, 0, 0, 0, 1, f * size[1])),
}


def _image(width: int, height: int, seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", CASES)
@settings(deadline=None, max_examples=150)
@given(
    factor=st.floats(-0.5, 0.5).map(lambda value: round(value, 3)),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_pixels_are_those_of_pillows_bicubic_affine(
    name: str, factor: float, width: int, height: int, seed: int
) -> None:
    move, matrix = CASES[name]
    image = _image(width, height, seed)
    expected = image.transform(
        image.size, Image.Transform.AFFINE, matrix(factor, image.size), Image.Resampling.BICUBIC, fillcolor=FILL
    )
    difference = np.abs(move(np.asarray(image), factor, FILL).astype(int) - np.asarray(expected).astype(int))
    # float32 in place of float64: a place that lies on the image's very edge may fall on either side of it.
    assert (difference > 1).any(-1).mean() <= (0.5 if min(width, height) < 4 else 2 / min(width, height))
    assert (difference > 0).any(-1).mean() <= (0.5 if min(width, height) < 4 else 0.02 + 2 / min(width, height))


def test_no_shift_changes_nothing_and_a_long_one_leaves_only_the_fill() -> None:
    image = np.asarray(_image(17, 11, 0))
    assert np.array_equal(row_shift.translate_x(image, 0.0, FILL), image)
    assert (row_shift.translate_y(image, 2.0, FILL) == FILL).all()
