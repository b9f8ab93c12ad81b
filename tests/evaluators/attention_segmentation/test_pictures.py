from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.evaluators.attention_segmentation.pictures import MapStyle, blend, draw_attention, heat, scaled

PIXELS = np.full((16, 24, 3), 80, dtype=np.uint8)
BLOCKS, SMOOTH = MapStyle(percentile=100), MapStyle(smooth=True)


def test_heat_spans_the_colors_and_keeps_cells() -> None:
    picture = heat(np.array([[0.0, 1.0], [0.5, 0.25]]), (8, 12), BLOCKS)
    assert picture.shape == (8, 12, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 4
    assert (picture[:4, :6] == picture[0, 0]).all()
    assert len(np.unique(heat(np.array([[0.0, 1.0]]), (8, 12), SMOOTH).reshape(-1, 3), axis=0)) > 2


def test_a_flat_map_is_one_color() -> None:
    assert len(np.unique(heat(np.full((3, 3), 0.1), (9, 9), BLOCKS).reshape(-1, 3), axis=0)) == 1


def test_one_hot_patch_does_not_darken_the_others() -> None:
    weights = np.linspace(0, 1, 400).reshape(20, 20)
    weights[0, 0] = 100
    assert np.median(scaled(weights, 100)) < 0.01
    assert 0.4 < np.median(scaled(weights, 99)) < 0.6
    assert scaled(weights, 99).max() == 1


def test_the_image_is_not_veiled_where_attention_is_low() -> None:
    weights = np.zeros((4, 6))
    weights[0, 0] = 1
    mixed = blend(PIXELS, weights)
    assert mixed.shape == PIXELS.shape
    assert (mixed[8:, 12:] == PIXELS[8:, 12:]).all()
    assert (mixed[0, 0] != PIXELS[0, 0]).any()


@pytest.mark.parametrize("style", [MapStyle(), MapStyle(format="pdf"), MapStyle(format="svg", smooth=True)])
def test_every_head_gets_its_map_and_mask(tmp_path: Path, style: MapStyle) -> None:
    weights = np.random.default_rng(0).random((3, 2, 3)).astype(np.float32)
    masks = (weights > 0.5).repeat(8, axis=1).repeat(8, axis=2)
    paths = draw_attention(tmp_path, PIXELS, weights, masks, style)
    assert sorted(paths) == ["grid", "head_1", "head_2", "head_3", "mask_1", "mask_2", "mask_3", "overlay"]
    begin = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[style.format]
    assert all(path.read_bytes().startswith(begin) and path.suffix == f".{style.format}" for path in paths.values())
    if style.format == "png":
        assert Image.open(paths["head_1"]).size == (24, 16)
        assert Image.open(paths["grid"]).width > 1000


def test_grids_of_many_heads_go_on_below(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).random((16, 2, 3)).astype(np.float32)
    grid = draw_attention(tmp_path, PIXELS, weights, np.ones((16, 16, 24), bool))["grid"]
    assert Image.open(grid).width < 3000
