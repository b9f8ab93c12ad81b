"""Any ResNet in torchvision's names: supervised, or self-supervised with nothing that tells by whom."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="resnet",
    title="a ResNet in torchvision's names",
    layouts=(resnet.LAYOUT, resnet.NUMBERED_LAYOUT),
    order=90,
    branch="student",
)
