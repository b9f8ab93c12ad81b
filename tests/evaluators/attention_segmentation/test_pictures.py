from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from dinobench.evaluators.attention_segmentation.pictures import blend, draw_attention, heat

PIXELS = np.full((16, 24, 3), 80, dtype=np.uint8)


def test_heat_spans_the_colors_and_keeps_cells() -> None:
    picture = heat(np.array([[0.0, 1.0], [0.5, 0.25]]), (8, 12))
    assert picture.shape == (8, 12, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 4
    assert (picture[:4, :6] == picture[0, 0]).all()


def test_a_flat_map_is_one_color() -> None:
    assert len(np.unique(heat(np.full((3, 3), 0.1), (9, 9)).reshape(-1, 3), axis=0)) == 1


def test_blend_lies_between_image_and_map() -> None:
    assert blend(PIXELS, np.eye(2)).shape == PIXELS.shape


def test_every_head_gets_its_map_and_mask(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).random((3, 2, 3)).astype(np.float32)
    paths = draw_attention(tmp_path, PIXELS, weights, (weights > 0.5).repeat(8, axis=1).repeat(8, axis=2))
    assert sorted(paths) == ["grid", "head_0", "head_1", "head_2", "mask_0", "mask_1", "mask_2", "overlay"]
    assert Image.open(paths["head_1"]).size == (24, 16)
    assert Image.open(paths["grid"]).size == (4 * 28 + 4, 2 * 20 + 4)
