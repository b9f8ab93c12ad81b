from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.data.dataset import from_arrays
from dinobench.evaluators.linear.epochs import augmented_epochs, cached_epochs, training_crop
from dinobench.features.extract import Extractor
from dinobench.features.names import Column
from dinobench.models.loading.spec import load_backbone
from tests.features.stored import stored

CPU = torch.device("cpu")
ROWS = np.delete(np.arange(1000), np.arange(0, 1000, 7))  # the others are held out
FEATURES = ["cls", "mean+cls"]
NUMBERS = torch.arange(1000.0)
COLUMNS = {"cls": NUMBERS[:, None].repeat(1, 2), "mean": -NUMBERS[:, None].repeat(1, 3)}
WHOLE, TENTH = 2**20, 4 * 5 * 100  # bytes of a window


def _epochs(tmp_path, window_bytes, batch=32, seed=0):
    labels = torch.from_numpy(ROWS // 10)  # classes lie together, as in a folder
    return cached_epochs(stored(tmp_path, COLUMNS, 64), ROWS, labels, FEATURES, batch, seed, window_bytes)


def _order(batches):
    return torch.cat([features["cls"][:, 0] for features, _ in batches]).long().tolist()


@pytest.mark.parametrize("window_bytes", [WHOLE, TENTH, 1])
def test_stored_epochs_show_every_row_once_with_its_label(tmp_path, window_bytes):
    batches = list(_epochs(tmp_path, window_bytes)(0))
    assert [len(labels) for _, labels in batches] == [32] * (len(ROWS) // 32) + [len(ROWS) % 32]
    assert sorted(_order(batches)) == ROWS.tolist()
    for features, labels in batches:
        number = features["cls"][:, 0]
        assert torch.equal(labels, number.long() // 10)
        assert torch.equal(features["cls"], number[:, None].repeat(1, 2))
        assert torch.equal(features["mean+cls"], torch.stack([-number] * 3 + [number] * 2, 1))


@pytest.mark.parametrize("window_bytes", [WHOLE, TENTH])
def test_stored_epochs_are_shuffled_and_repeatable(tmp_path, window_bytes):
    first, again = (_order(_epochs(tmp_path, window_bytes)(0)) for _ in range(2))
    assert first == again != _order(_epochs(tmp_path, window_bytes)(1))
    assert first != _order(_epochs(tmp_path, window_bytes, seed=1)(0))


def test_rows_that_fit_are_permuted_as_a_whole(tmp_path):
    wanted = ROWS[np.random.default_rng([0, 5]).permutation(len(ROWS))]
    assert _order(_epochs(tmp_path, WHOLE)(5)) == wanted.tolist()


def test_a_window_comes_from_everywhere_in_the_store(tmp_path):
    tenth = _order(_epochs(tmp_path, TENTH)(0))[:96]
    assert min(tenth) < 300
    assert max(tenth) > 700
    assert np.abs(np.corrcoef(np.arange(96), tenth)[0, 1]) < 0.4


def _images(count=23):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return from_arrays("toy", pixels, np.arange(count) % 3, ("a", "b", "c"), [f"{i}.png" for i in range(count)])


@pytest.mark.parametrize(("forward_batch", "workers"), [(4, 1), (10, 3), (64, 2)])
def test_augmented_epochs_do_not_depend_on_how_they_are_computed(forward_batch, workers):
    model = load_backbone("pixels")
    network = Extractor(model.backbone, model.preprocessing, (Column("cls"),), CPU)
    wanted, found = (
        list(
            augmented_epochs(
                network,
                _images(),
                ["cls"],
                10,
                0,
                forward_batch=size,
                workers=threads,
                left_out={},
                skip_unreadable=False,
            )(3)
        )
        for size, threads in ((10, 1), (forward_batch, workers))
    )
    assert [len(labels) for _, labels in found] == [10, 10, 3]
    for (features, labels), (others, same) in zip(found, wanted, strict=True):
        assert torch.equal(features["cls"], others["cls"])
        assert torch.equal(labels, same)


def test_training_crop_flips_half_and_changes():
    image = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (48, 1, 3)))
    crops = [np.asarray(training_crop(image, 16, random.Random(seed)), dtype=int) for seed in range(200)]
    flipped = [crop[:, 0].mean() > crop[:, -1].mean() for crop in crops]
    assert 60 < sum(flipped) < 140
    assert all(crop.shape == (16, 16, 3) for crop in crops)
    assert len({crop.tobytes() for crop in crops}) > 150
