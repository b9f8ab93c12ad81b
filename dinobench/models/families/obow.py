"""OBoW: feature blocks of a student and a teacher; the extractor alone has torchvision's names."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="obow",
    title="OBoW",
    layouts=(resnet.BLOCKS_LAYOUT, resnet.LAYOUT),
    signs=(r"(^|\.)_feature_blocks\.0\.Conv\.",),
    order=30,
    branch="student",
)
