from __future__ import annotations

from pathlib import Path

import torch
from torch.nn.functional import cosine_similarity, normalize

from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.build import build_backbone
from dinobench.training.feature_anchor import FeatureAnchor
from dinobench.training.run import train
from tests.training.test_run import TINY, few_images  # noqa: F401

START = "random:vit_mini/8"


def test_the_parts_of_the_loss_are_the_mean_over_the_global_views():
    anchor = FeatureAnchor(build_backbone("vit_mini/8", image_size=32), 3.0)
    student, start = torch.randn(12, 5), torch.randn(4, 5)  # views of two images: two global ones and four others
    parts = sum(anchor.loss(student[first : first + 3], start, first) for first in range(0, 12, 3))
    angles = 1 - (normalize(student[:4], dim=1) * normalize(start, dim=1)).sum(1)
    torch.testing.assert_close(parts, 3 * angles.mean())


def turned(folder: Path, anchor: float) -> float:
    """Mean cosine between the features of the start and of a run that changes them much."""
    settings = {
        **TINY,
        "architecture": "",
        "init": START,
        "epochs": 6,
        "warmup_epochs": 0,
        "lr": 0.05,
        "anchor": anchor,
    }
    run = train("mini", "few", folder, settings={**settings, "momentum_teacher": 0.5})
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found, start = (load_backbone(spec).backbone.class_token(images) for spec in (str(run), START))
    return float(cosine_similarity(found, start).mean().detach())


def test_a_heavy_anchor_keeps_the_features_near_the_start(tmp_path):
    free, light, heavy = (turned(tmp_path / str(weight), weight) for weight in (0.0, 1.0, 1000.0))
    assert free < light < heavy
    assert 1 - heavy < 0.2 * (1 - free)
