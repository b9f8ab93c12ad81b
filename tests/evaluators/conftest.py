"""A tiny ImageFolder of dark and light images, and a context that scores raw pixels on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.evaluators.base import EvaluationContext
from dinobench.models.loading.spec import load_backbone


@pytest.fixture
def folder_context(tmp_path, monkeypatch):
    """12 train and 5 val images of each of two classes; settings are left to the test."""
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 5)):
        for name, level in (("dark", 40), ("light", 200)):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = np.clip(rng.normal(level, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{name}_{index:02d}.png")
    return EvaluationContext(
        task="test",
        model=load_backbone("pixels"),
        data=str(tmp_path / "data"),
        layout="imagefolder",
        settings=None,
        output=tmp_path / "output",
        device=torch.device("cpu"),
    )
