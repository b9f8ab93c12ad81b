"""Every task and a training on a pretended GPU: the CPU's figures, and no tensor left behind on the other device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.pipeline import evaluate
from dinobench.training.checkpoints import load
from dinobench.training.run import train
from tests.pretend_gpu import pretend_gpu

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is no need to pretend")

FEATURES = {"knn": {}, "linear": {"epochs": 1}, "linear@cached": {"epochs": 1}, "logistic": {}}
TWINS = {
    "finetune-flowers@quick": {"epochs": 2, "warmup_epochs": 1, "image_size": 32},
    "roxford@dino": {},
    "copydays@textbook": {"image_size": 64},
    "davis@quick": {"pictures": False},
    "voc-attention@quick": {},
}


def _equal_figures(task, data, folder, settings, kind="cuda"):
    def score(device):
        (record,) = evaluate(task, "random:vit_mini/8", data, output=folder / device, settings=settings(device))
        return record

    expected = score("cpu")
    with pretend_gpu(kind):
        found = score(kind)
    assert found.device.startswith("pretended GPU" if kind == "cuda" else "mps")
    assert found.metrics == pytest.approx(expected.metrics, abs=1e-3)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
@pytest.mark.parametrize("task", FEATURES)
def test_features_are_extracted_and_classified(task, kind, tmp_path, monkeypatch):
    def settings(device):
        monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / f"cache-{device}"))  # or the CPU's would be read
        return {**FEATURES[task], "device": device, "image_size": 32}

    _equal_figures(task, "digits", tmp_path, settings, kind)


def test_query_expansion(tmp_path):
    _equal_figures("roxford@dino", "mini", tmp_path, lambda device: {"expansion": 3, "device": device})


@pytest.mark.parametrize("kind", ["cuda", "mps"])
@pytest.mark.parametrize("task", TWINS)
def test_tasks_on_twins(task, kind, tmp_path):
    _equal_figures(task, "mini", tmp_path, lambda device: {**TWINS[task], "device": device}, kind)


def test_faiss_for_cpus_beside_a_gpu(tmp_path):
    """It has a function for GPUs that only faiss for GPUs can run."""
    pytest.importorskip("faiss")
    _equal_figures("knn", "digits", tmp_path, lambda device: {"search": "faiss", "device": device, "image_size": 32})


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_training_and_its_resumption(kind, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(16):
        path = tmp_path / "images" / "train" / f"kind{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    settings = {
        "architecture": "vit_mini/8",
        "out_dim": 64,
        "head_hidden": 32,
        "batch_size": 8,
        "epochs": 2,
        "warmup_epochs": 1,
        "warmup_teacher_temp_epochs": 1,
        "keep_every": 1,
        "knn_every": 0,
    }

    def run(name, **device):
        return train("mini", str(tmp_path / "images"), tmp_path / name, settings=settings, **device)

    expected = load(run("cpu", device="cpu") / "checkpoint.pth")
    with pretend_gpu(kind):
        whole = load(run("gpu") / "checkpoint.pth")
        (tmp_path / "halves").mkdir()
        (tmp_path / "gpu" / "checkpoint0001.pth").rename(tmp_path / "halves" / "checkpoint.pth")
        resumed = load(run("halves") / "checkpoint.pth")
    for name, weights in expected["teacher"].items():
        assert torch.allclose(whole["teacher"][name], weights, atol=1e-4), name
        assert torch.equal(resumed["teacher"][name], whole["teacher"][name]), name
