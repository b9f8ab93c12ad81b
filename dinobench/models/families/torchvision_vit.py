"""torchvision's vision transformers."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import torchvision_vit

FAMILY = Family(
    name="torchvision_vit",
    title="a vision transformer of torchvision",
    layouts=(torchvision_vit.LAYOUT,),
    order=20,
    facts={"resize": "size"},
)
