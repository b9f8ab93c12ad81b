from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import RandomResizedCrop

from dinobench.training.views import Colours, MultiCrop, ViewKind, generator_of, random_box

COLOURS = Colours(0.5, 0.8, 0.4, 0.4, 0.2, 0.1, 0.2, (0.1, 2.0))
CROPS = MultiCrop(
    (ViewKind(32, (0.4, 1.0), 1.0), ViewKind(32, (0.4, 1.0), 0.1, 0.2), ViewKind(16, (0.05, 0.4), 0.5)), COLOURS
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
    import torch

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
