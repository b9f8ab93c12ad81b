"""A drawn head of ImageNet's 1,000 classes, and images to score it on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dinobench.data.imagenet_classes import wnids
from dinobench.data.layouts.imagenet_c import SEVERITIES
from dinobench.evaluators.linear.head_file import save_head
from dinobench.evaluators.linear.heads import LinearHead
from dinobench.models.loading.spec import load_backbone

_CLASSES = (7, 3, 900)


def write_imagenet(root: Path, model: str) -> None:
    """head.safetensors for the model; renditions/ of three classes, and corrupted/ with each under one corruption.

    The head finds no other class, so that its figures are not 0.
    """
    rng = np.random.default_rng(0)
    width = load_backbone(model).backbone.dim
    weight = torch.from_numpy(rng.normal(size=(1000, width)).astype(np.float32))
    bias = torch.full((1000,), -1000.0)
    bias[list(_CLASSES)] = 0
    save_head(root / "head.safetensors", LinearHead(weight, bias), "cls", wnids())
    places = [root / "renditions", *(root / "corrupted" / "fog" / severity for severity in SEVERITIES)]
    for place in places:
        for name in (wnids()[row] for row in _CLASSES):
            (place / name).mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(0, 255, (40, 44, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / name / f"{number}.png")
