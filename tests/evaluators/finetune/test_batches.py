from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import functional as F

from dinobench.data.dataset import ImageSet, from_arrays
from dinobench.evaluators.finetune.augmentation import TrainAugmentation
from dinobench.evaluators.finetune.batches import Normalizer, Order, make_order, training_batches
from dinobench.models.networks.backbone import Preprocessing
from dinobench.runtime.errors import InputError


@given(images=st.integers(1, 200), batch=st.integers(1, 50), seed=st.integers(0, 9))
def test_without_repeats_an_epoch_shows_no_image_twice(images: int, batch: int, seed: int) -> None:
    order = make_order(images, batch, 1, seed, even=False, processes=1)
    epoch = np.concatenate([order.batch_at(step) for step in range(order.steps_per_epoch)])
    assert len(epoch) == len(set(epoch.tolist())) == images // order.batch * order.batch
    assert order.batch == min(batch, images)


def test_epochs_differ_and_follow_from_the_seed() -> None:
    order = Order(100, 10, 1, 0)
    assert order.batch_at(3).tolist() == Order(100, 10, 1, 0).batch_at(3).tolist()
    assert order.batch_at(3).tolist() != order.batch_at(13).tolist()
    assert order.batch_at(3).tolist() != Order(100, 10, 1, 1).batch_at(3).tolist()


def test_repeats_put_an_image_several_times_into_its_batch() -> None:
    order = Order(300, 30, 3, 0)
    epoch = np.concatenate([order.batch_at(step) for step in range(order.steps_per_epoch)])
    assert len(epoch) == 300
    assert sorted(np.unique(epoch, return_counts=True)[1].tolist()) == [3] * 100


@pytest.mark.parametrize(("batch", "even", "processes"), [(7, True, 1), (10, False, 3), (6, True, 4)])
def test_batches_that_do_not_divide_are_refused(batch: int, even: bool, processes: int) -> None:
    with pytest.raises(InputError, match="multiple of"):
        make_order(100, batch, 1, 0, even=even, processes=processes)


def test_small_sets_shrink_the_batch_and_tiny_ones_are_refused() -> None:
    assert make_order(21, 64, 1, 0, even=True, processes=2).batch == 20
    with pytest.raises(InputError, match="too few"):
        make_order(3, 64, 1, 0, even=True, processes=2)


@pytest.fixture
def images() -> ImageSet:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    return from_arrays("drawn", pixels, np.arange(12) % 3, ("a", "b", "c"), [str(i) for i in range(12)])


def test_processes_share_a_batch_that_one_process_would_see_whole(images: ImageSet) -> None:
    order, augment = Order(12, 6, 1, 0), TrainAugmentation(8, (0.5, 1.0), 0.5, None)

    def read(rank: int, world: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        batches = training_batches(images, order, augment, range(1, 4), rank=rank, world=world, workers=2)
        return [(batch.pixels, batch.labels) for batch in batches]

    for (pixels, labels), *shares in zip(read(0, 1), read(0, 2), read(1, 2), strict=True):
        for rank, (some, wanted) in enumerate(shares):
            assert torch.equal(pixels[rank::2], some)
            assert torch.equal(labels[rank::2], wanted)


def test_a_run_from_the_middle_sees_what_the_whole_run_saw(images: ImageSet) -> None:
    order, augment = Order(12, 4, 1, 0), TrainAugmentation(8, (0.5, 1.0), 0.5, None)
    whole = list(training_batches(images, order, augment, range(6), rank=0, world=1, workers=1))
    rest = list(training_batches(images, order, augment, range(2, 6), rank=0, world=1, workers=3))
    assert [batch.step for batch in rest] == [2, 3, 4, 5]
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(whole[2:], rest, strict=True))


@pytest.mark.parametrize("channels_last", [False, True])
def test_normalization_is_torchvisions(channels_last: bool) -> None:
    pixels = torch.randint(0, 256, (2, 5, 5, 3), dtype=torch.uint8)
    how = Preprocessing()
    found = Normalizer(how, torch.device("cpu"), channels_last=channels_last)(pixels)
    expected = F.normalize(pixels.permute(0, 3, 1, 2) / 255, list(how.mean), list(how.std))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
