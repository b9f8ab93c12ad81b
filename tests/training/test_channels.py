"""Training on images of more channels than RGB."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dinobench.data.open import open_dataset
from dinobench.data.transforms import normalize
from dinobench.features.extract import extract_features
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run import train

TINY = {"architecture": "vit_mini/8", "global_size": 16, "local_size": 8, "local_crops": 2, "out_dim": 32,
        "head_hidden": 16, "head_bottleneck": 8, "batch_size": 8, "epochs": 1, "warmup_epochs": 0, "workers": 0,
        "in_channels": 4, "mean": [0.5] * 4, "std": [0.25] * 4, "jitter_probability": 0.0,
        "grayscale_probability": 0.0}  # fmt: skip


def test_four_channels_are_trained_and_probed(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in range(2):
            folder = tmp_path / "data" / split / str(label)
            folder.mkdir(parents=True)
            for index in range(6):
                np.save(folder / f"{index}.npy", rng.integers(100 * label, 100 + 100 * label, (20, 24, 4), np.uint8))
    folder = train("mini", str(tmp_path / "data"), tmp_path / "run", settings=TINY, device="cpu")
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert 0 <= lines[-1]["knn"] <= 100
    loaded = load_backbone(str(folder))
    assert loaded.backbone.patch_embed.proj.weight.shape == (96, 4, 8, 8)
    assert loaded.preprocessing.mean == (0.5,) * 4
    images = open_dataset(str(tmp_path / "data"), "val")
    features = extract_features(loaded.backbone, loaded.preprocessing, images)
    assert features.shape == (12, 96)
    with pytest.raises(InputError, match="the model takes 4 channels, this task's images have 3"):
        normalize(np.zeros((8, 8, 3), np.uint8), loaded.preprocessing.mean, loaded.preprocessing.std)


def test_color_operations_are_refused():
    with pytest.raises(InputError, match="belong to RGB; with in_channels = 4 set jitter_probability"):
        load_recipe("mini", {**TINY, "jitter_probability": 0.8})
    with pytest.raises(InputError, match="mean and std need 5 numbers"):
        load_recipe("mini", {**TINY, "in_channels": 5})
