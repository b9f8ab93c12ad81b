from __future__ import annotations

import random

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from torchvision import transforms
from torchvision.transforms import InterpolationMode, RandomResizedCrop

from dinobench.training.views import Colors, MultiCrop, ViewKind, generator_of, random_box
from tests.conftest import shared_data

COLORS = Colors(0.5, 0.8, 0.4, 0.4, 0.2, 0.1, 0.2, (0.1, 2.0))
CROPS = MultiCrop(
    (ViewKind(32, (0.4, 1.0), 1.0), ViewKind(32, (0.4, 1.0), 0.1, 0.2), ViewKind(16, (0.05, 0.4), 0.5)), COLORS
)
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 53, 3), dtype=np.uint8)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.05, 1.0), st.integers(0, 2**31))
def test_boxes_lie_within_the_image(height, width, low, seed):
    top, left, high, wide = random_box(height, width, (low, 1.0), np.random.default_rng(seed))
    assert high > 0 and wide > 0
    assert 0 <= top <= height - high
    assert 0 <= left <= width - wide


def test_boxes_are_distributed_as_torchvision_draws_them():
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    blank = torch.zeros(1, 90, 120)
    ours = np.array([random_box(90, 120, (0.05, 0.4), generator) for _ in range(4000)])
    theirs = np.array([RandomResizedCrop.get_params(blank, [0.05, 0.4], [3 / 4, 4 / 3]) for _ in range(4000)])
    spread = theirs.std(0) / np.sqrt(len(theirs))
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 6 * spread).all()
    assert np.allclose(ours.std(0), theirs.std(0), rtol=0.06)


def test_a_view_depends_on_seed_epoch_and_image_alone():
    first = CROPS(IMAGE, generator_of(1, 2, 3))
    again = CROPS(IMAGE, generator_of(1, 2, 3))
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    for other in (generator_of(0, 2, 3), generator_of(1, 0, 3), generator_of(1, 2, 0)):
        assert not np.array_equal(first[0], CROPS(IMAGE, other)[0])


def test_sizes_and_types():
    views = CROPS(IMAGE, generator_of(0, 0, 0))
    assert [view.shape for view in views] == [(32, 32, 3), (32, 32, 3), (16, 16, 3)]
    assert all(view.dtype == np.uint8 and view.flags.c_contiguous for view in views)


def test_the_source_is_left_alone():
    before = IMAGE.copy()
    CROPS(IMAGE, generator_of(0, 0, 0))
    assert np.array_equal(before, IMAGE)


def histograms(views: list[np.ndarray]) -> np.ndarray:
    """Shares of levels per channel, of colorfulness and of differences between neighbors, (5, 32)."""
    pixels = np.stack(views).astype(int)
    colorful = pixels.max(-1) - pixels.min(-1)
    values = [*np.moveaxis(pixels, -1, 0), colorful, np.abs(np.diff(pixels, axis=2))]
    return np.stack([np.histogram(value, bins=32, range=(0, 256))[0] / value.size for value in values])


def test_views_have_the_histograms_of_torchvisions():
    """Differences are those between two seeds of either side: 0.05 for levels and colors, 0.007 for detail."""
    paths = sorted(shared_data("imagenette", "train").glob("*/*.JPEG"))[::97]
    photos = [Image.open(path).convert("RGB") for path in paths]
    blur = transforms.Lambda(lambda view: view.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0))))
    reference = transforms.Compose(
        [
            RandomResizedCrop(64, (0.25, 1.0), interpolation=InterpolationMode.BICUBIC),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8),
            transforms.RandomGrayscale(0.2),
            transforms.RandomApply([blur], 0.5),
            transforms.RandomSolarize(128, 0.2),
        ]
    )
    torch.manual_seed(0)
    random.seed(0)
    theirs = histograms([np.asarray(reference(photo)) for photo in photos for _ in range(32)])
    crops = MultiCrop((ViewKind(64, (0.25, 1.0), 0.5, 0.2),) * 32, COLORS)
    ours = histograms(
        [v for index, photo in enumerate(photos) for v in crops(np.asarray(photo), generator_of(0, 0, index))]
    )
    apart = np.abs(ours - theirs).sum(axis=1) / 2
    assert (apart[:4] < 0.1).all()
    assert apart[4] < 0.02
