"""Images of varying size: each described once, whatever company it had."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dinobench.features.buckets import bucketed, described
from dinobench.models.networks.build import build_backbone
from dinobench.models.networks.multi_scale import multi_scale_class_token

SHAPES = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=30)


@given(SHAPES, st.integers(1, 3), st.sampled_from([1, 100, 10**9]))
def test_every_image_leaves_once_with_images_of_its_shape(shapes: list, batch_size: int, held_bytes: int) -> None:
    images = [(index, np.full((*shape, 3), index, np.uint8)) for index, shape in enumerate(shapes)]
    buckets = list(bucketed(images, batch_size, held_bytes))
    assert sorted(index for bucket in buckets for index in bucket.indices) == list(range(len(shapes)))
    for bucket in buckets:
        assert all(shapes[index] == bucket.pixels.shape[1:3] for index in bucket.indices)
        assert (bucket.pixels == bucket.indices[:, None, None, None]).all()


def test_larger_images_make_smaller_groups() -> None:
    images = [(index, np.zeros((448, 448, 3), np.uint8)) for index in range(5)]
    assert [len(bucket.indices) for bucket in bucketed(images, 8)] == [2, 2, 1]


def test_waiting_images_are_bounded() -> None:
    held = []

    def images() -> object:
        for index in range(20):
            held.append(index)
            yield index, np.zeros((2 + index, 4, 3), np.uint8)

    for bucket in bucketed(images(), 64, held_bytes=500):
        held = [index for index in held if index not in bucket.indices]
        assert sum((2 + index) * 12 for index in held) <= 500


def test_descriptors_come_with_their_indices() -> None:
    sizes = [(5, 3), (4, 4), (5, 3), (2, 6)]

    def prepare(index: int) -> Image.Image:
        return Image.new("RGB", sizes[index], (index, 0, 0))

    found = {
        int(index): row.item()
        for indices, rows in described(lambda pixels: pixels[:, 0, 0, 0, None], prepare, np.arange(4))
        for index, row in zip(indices, rows, strict=True)
    }
    assert found == {0: 0, 1: 1, 2: 2, 3: 3}


def test_the_consumer_is_left_out_of_inference_mode() -> None:
    images = described(
        lambda pixels: pixels[:, 0, 0], lambda index: Image.new("RGB", (2, 2)), np.arange(2), batch_size=1
    )
    for _ in images:
        assert not torch.is_inference_mode_enabled()


def test_company_does_not_change_a_descriptor() -> None:
    rng = np.random.default_rng(0)
    shapes = [(40, 33), (33, 40), (40, 33), (40, 33), (33, 40)]
    pictures = [Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)) for shape in shapes]
    torch.manual_seed(0)
    backbone = build_backbone("vit_mini/4", image_size=32).eval()

    def describe(pixels: torch.Tensor) -> torch.Tensor:
        return multi_scale_class_token(backbone, pixels.permute(0, 3, 1, 2).float() / 255)

    rows = {
        batch_size: {
            int(index): row
            for indices, part in described(describe, pictures.__getitem__, np.arange(5), batch_size=batch_size)
            for index, row in zip(indices, part, strict=True)
        }
        for batch_size in (1, 64)
    }
    for index in range(5):
        torch.testing.assert_close(rows[1][index], rows[64][index], rtol=0, atol=1e-5)
