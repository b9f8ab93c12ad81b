from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.evaluators.linear.epochs import cached_epochs
from dinobench.evaluators.linear.probe import LabeledRows, Probe
from dinobench.runtime.errors import InputError
from tests.features.stored import stored

CPU = torch.device("cpu")


def _rows(images=60, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % classes
    centers = 4 * torch.eye(classes, 6)
    features = {
        name: centers[labels] + noise * torch.randn(images, 6, generator=generator)
        for name, noise in (("cls", 0.5), ("mean", 3.0))
    }
    return LabeledRows(features, labels)


def _probe(epochs=4):
    return Probe({"cls": 6, "mean": 6}, 3, [0.01, 0.5], epochs, CPU, seed=0)


def _train(probe, path, stop_at=None):
    train = _rows(seed=1)
    matrix = stored(path.parent, train.features, 25)
    cached = cached_epochs(matrix, np.arange(len(matrix)), train.labels, ["cls", "mean"], 16, seed=0)

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
