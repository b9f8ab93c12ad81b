from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.data.dataset import from_arrays
from dinobench.evaluators.frozen.probe import LabelledRows, Probe, augmented_epochs, cached_epochs, training_crop
from dinobench.features.extract import Extractor
from dinobench.features.names import Column
from dinobench.models.load import load_backbone
from dinobench.runtime.errors import InputError

CPU = torch.device("cpu")


def _rows(images=60, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % classes
    centres = 4 * torch.eye(classes, 6)
    features = {
        name: centres[labels] + noise * torch.randn(images, 6, generator=generator)
        for name, noise in (("cls", 0.5), ("mean", 3.0))
    }
    return LabelledRows(features, labels)


def _probe(epochs=4):
    return Probe({"cls": 6, "mean": 6}, 3, [0.01, 0.5], epochs, CPU, seed=0)


def _train(probe, path, stop_at=None):
    train = _rows(seed=1)
    cached = cached_epochs(train.features, train.labels, 16, seed=0)

    def epochs(epoch):
        if epoch == stop_at:
            raise KeyboardInterrupt
        return cached(epoch)

    probe.train(epochs, _rows(seed=2), _rows(seed=3), path, {"run": 1})
    return probe


def test_learns_and_keeps_every_epoch(tmp_path):
    probe = _train(_probe(), tmp_path / "probe.pth")
    assert probe.progress.val.shape == probe.progress.held_out.shape == (4, 4)
    assert probe.progress.val[-1, 1] > 95
    assert 100 * probe.progress.best.float().mean() == probe.progress.val.max()
    assert [probe.named(number) for number in range(4)] == [("cls", 0), ("cls", 1), ("mean", 0), ("mean", 1)]


def test_resumes_exactly(tmp_path):
    whole = _train(_probe(), tmp_path / "whole.pth")
    with pytest.raises(KeyboardInterrupt):
        _train(_probe(), tmp_path / "cut.pth", stop_at=2)
    resumed = _train(_probe(), tmp_path / "cut.pth")
    assert torch.equal(resumed.progress.val, whole.progress.val)
    assert torch.equal(resumed.heads["cls"].weight, whole.heads["cls"].weight)


def test_refuses_the_state_of_another_run(tmp_path):
    _train(_probe(), tmp_path / "probe.pth")
    with pytest.raises(InputError, match="run was 1 and is 2"):
        _probe().train(lambda epoch: iter(()), _rows(), None, tmp_path / "probe.pth", {"run": 2})


def test_epochs_are_shuffled_and_repeatable():
    rows = _rows()
    first, again = (cached_epochs(rows.features, torch.arange(60), 16, 0)(0) for _ in range(2))
    orders = [torch.cat([labels for _, labels in epoch]).tolist() for epoch in (first, again)]
    other = torch.cat([labels for _, labels in cached_epochs(rows.features, torch.arange(60), 16, 0)(1)]).tolist()
    assert orders[0] == orders[1] != other
    assert sorted(other) == list(range(60))


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
                network, _images(), ["cls"], 10, 0, forward_batch=size, workers=threads, skip_unreadable=False
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
