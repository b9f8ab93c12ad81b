"""The embedded data: the same for the same seed, honest in its splits, many-cued in its classes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.data import mini
from dinobench.data.drawing import CONTEXTS, SHAPES, TEXTURES
from dinobench.data.manifest import manifest_of
from dinobench.runtime.errors import InputError


def test_the_same_seed_draws_the_same_images() -> None:
    for size in (32, 48):
        one, two = (mini.draw(3, np.random.default_rng(5), size) for _ in range(2))
        assert np.array_equal(one, two)
        assert one.shape == (size, size, 3)
        assert one.dtype == np.uint8
    assert not np.array_equal(mini.draw(3, np.random.default_rng(6)), mini.draw(3, np.random.default_rng(5)))


def test_splits_are_balanced_and_share_no_image() -> None:
    train, val = mini.open_mini("train", count=64), mini.open_mini("val", count=64)
    assert set(Counter(train.labels.tolist()).values()) == {4}
    pixels = [images.arrays() for images in (train, val)]
    assert pixels[0] is not None
    assert pixels[1] is not None
    seen = {image.tobytes() for image in pixels[0]}
    assert len(seen) == 64
    assert not seen & {image.tobytes() for image in pixels[1]}
    assert not set(train.names) & set(val.names)


def test_seed_and_size_are_part_of_the_identity() -> None:
    sets = [mini.open_mini("val", seed=seed, size=size, count=16) for seed, size in ((0, 32), (1, 32), (0, 40))]
    assert len({manifest_of(images).sha256 for images in sets}) == 3


def test_no_single_cue_names_the_class() -> None:
    for cue in ("shape", "texture", "palette", "context"):
        shared = Counter(getattr(category, cue) for category in mini.CATEGORIES)
        assert min(shared.values()) >= 2, cue
    assert len({(c.shape, c.texture, c.palette, c.context) for c in mini.CATEGORIES}) == len(mini.CATEGORIES)
    for category in mini.CATEGORIES:
        assert category.shape in SHAPES
        assert category.texture in TEXTURES
        assert category.context in CONTEXTS
        assert category.palette in mini.PALETTES


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(mini.CLASSES) - 1), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_masks_number_the_objects(labels: list[int], seed: int) -> None:
    image, mask = mini.draw_with_masks(labels, np.random.default_rng(seed), 40)
    assert image.shape == (40, 40, 3)
    assert mask.shape == (40, 40)
    assert set(np.unique(mask)) <= set(range(len(labels) + 1))


def test_a_lone_object_is_nearly_always_in_sight() -> None:
    rng = np.random.default_rng(0)
    areas = [np.mean(mini.draw_with_masks([index % 16], rng, 32)[1] == 1) for index in range(200)]
    assert np.mean(np.array(areas) > 0.03) > 0.95


def test_painting_covers_only_the_object_and_respects_the_frame() -> None:
    rng = np.random.default_rng(0)
    canvas = mini.draw_backdrop("sand", rng, 60)[:40].copy()
    before = canvas.copy()
    cover = mini.paint(canvas, mini.thing_of(1, rng), mini.Pose(0.9, 0.0, 0.3, 0.4))
    assert cover.shape == (40, 60)
    assert cover[:, -1].max() == 1  # cut by the frame
    assert np.array_equal(canvas[cover == 0], before[cover == 0])
    away = mini.paint(canvas, mini.thing_of(1, rng), mini.Pose(5.0, 0.0, 0.3, 0.0))
    assert away.max() == 0


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_no_shape_leaves_its_window(name: str) -> None:
    first, second = np.zeros(3, dtype=np.float32), np.ones(3, dtype=np.float32)
    thing = mini.Thing(name, "plain", (first, second), 0)
    for angle in np.linspace(0, 3, 7):
        cover = mini.paint(np.ones((160, 160, 3), dtype=np.float32), thing, mini.Pose(0, 0, 0.5, angle, 0.75))
        rows, columns = np.nonzero(cover)
        reach = 1.45 * 0.5 * 80
        assert max(abs(rows - 79.5).max(), abs(columns - 79.5).max()) < reach
        assert 0.02 < cover.mean() < 0.4


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(InputError, match="no split 'test'; choose train or val"):
        mini.open_mini("test")
