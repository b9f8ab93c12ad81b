"""Any ResNet in torchvision's names: supervised, or self-supervised with nothing that tells by whom."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import resnet

FAMILY = Family(
    name="resnet",
    title="a ResNet in torchvision's names",
    layouts=(resnet.LAYOUT, resnet.NUMBERED_LAYOUT),
    order=90,
    branch="student",
)
