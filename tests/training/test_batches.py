from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dinobench.data.dataset import from_arrays
from dinobench.data.open import open_dataset
from dinobench.runtime.errors import InputError
from dinobench.training.batches import (
    BatchPlan,
    BatchRequest,
    DecodedImages,
    Normalize,
    ViewBatches,
    load_views,
    multi_crop,
)
from dinobench.training.recipe import Recipe

RECIPE = Recipe(global_size=16, local_size=8, local_crops=3)


def batches() -> ViewBatches:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 20, 20, 3), dtype=np.uint8)
    images = from_arrays("noise", pixels, [0] * 12, ["noise"], [str(index) for index in range(12)])
    return ViewBatches(DecodedImages(images), multi_crop(RECIPE), seed=0)


def test_every_image_once_per_epoch():
    plan = BatchPlan(images=12, batch_size=4, epochs=3, seed=0)
    requests = list(plan.requests())
    for epoch in range(3):
        seen = [index for request in requests if request.epoch == epoch for index in request.indices]
        assert sorted(seen) == list(range(12))
    assert requests[0].indices != requests[3].indices


def test_resuming_anywhere_gives_the_rest():
    plan = BatchPlan(images=13, batch_size=4, epochs=3, seed=5, accumulation=2)
    whole = list(plan.requests())
    for step in range(plan.steps + 1):
        assert list(plan.requests(step)) == whole[2 * step :]


def test_processes_and_micro_batches_share_out_the_same_batch():
    one = list(BatchPlan(images=16, batch_size=8, epochs=1, seed=0).requests())
    parts = [list(BatchPlan(16, 8, 1, 0, accumulation=2, rank=rank, processes=2).requests()) for rank in range(2)]
    for step, whole in enumerate(one):
        shared = [index for part in parts for request in part[2 * step : 2 * step + 2] for index in request.indices]
        assert sorted(shared) == sorted(whole.indices)


def test_refusals():
    with pytest.raises(InputError, match="fewer than one batch"):
        BatchPlan(images=3, batch_size=4, epochs=1, seed=0)
    with pytest.raises(InputError, match="does not split evenly"):
        BatchPlan(images=30, batch_size=9, epochs=1, seed=0, processes=2)


def test_views_are_view_major_and_by_size():
    groups = batches()[BatchRequest(0, (3, 7))]
    assert [tuple(group.shape) for group in groups] == [(4, 16, 16, 3), (6, 8, 8, 3)]
    alone = batches()[BatchRequest(0, (7,))]
    assert torch.equal(groups[0][1::2], alone[0])
    assert torch.equal(groups[1][1::2], alone[1])


def test_workers_change_nothing():
    requests = list(BatchPlan(images=12, batch_size=4, epochs=1, seed=0).requests())
    here = list(load_views(batches(), iter(requests), workers=0, pin_memory=False))
    there = list(load_views(batches(), iter(requests), workers=2, pin_memory=False))
    assert all(
        torch.equal(a, b) for one, other in zip(here, there, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_read_is_one_line(workers, monkeypatch):
    def broken(self: DecodedImages, index: int):
        raise InputError("cannot decode 7.jpg")

    monkeypatch.setattr(DecodedImages, "__getitem__", broken)
    with pytest.raises(InputError, match=r"^cannot decode 7.jpg$"):
        list(load_views(batches(), iter([BatchRequest(0, (1,))]), workers=workers, pin_memory=False))


def test_luminance():
    single = ViewBatches(batches().images, multi_crop(RECIPE), seed=0, in_channels=1)
    assert single[BatchRequest(0, (0,))][0].shape == (2, 16, 16, 1)


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_any_number_of_channels(channels, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 24, 20, channels), dtype=np.uint8)
    for index, image in enumerate(pixels):
        np.save(tmp_path / f"{index}.npy", image)
    images = open_dataset(str(tmp_path), "train")
    recipe = replace(RECIPE, blur_probability=[1.0, 1.0, 1.0], jitter_probability=0.0, grayscale_probability=0.0)
    crops = multi_crop(replace(recipe, solarize_probability=0.0))
    groups = ViewBatches(DecodedImages(images, channels), crops, seed=0, in_channels=channels)[BatchRequest(0, (0, 2))]
    assert [tuple(group.shape) for group in groups] == [(4, 16, 16, channels), (6, 8, 8, channels)]
    alone = [np.repeat(pixels[..., band, None], 3, axis=-1) for band in range(channels)]
    for band, image in enumerate(alone):  # a channel is treated as it would be by itself
        gray = from_arrays("one", image[:, :, :], [0] * 3, ["none"], ["0", "1", "2"])
        by_itself = ViewBatches(DecodedImages(gray), crops, seed=0)[BatchRequest(0, (0, 2))]
        for group, expected in zip(groups, by_itself, strict=True):
            assert torch.equal(group[..., band], expected[..., 0])


def test_normalize():
    pixels = torch.randint(0, 256, (2, 5, 4, 3), dtype=torch.uint8)
    ours = Normalize((0.5, 0.4, 0.3), (0.1, 0.2, 0.3), torch.device("cpu"))(pixels)
    expected = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.1, 0.2, 0.3]
    ).view(3, 1, 1)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
