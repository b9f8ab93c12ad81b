"""torchvision's vision transformers."""

from __future__ import annotations

from dinobench.models.key_layouts import torchvision_vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="torchvision_vit",
    title="a vision transformer of torchvision",
    layouts=(torchvision_vit.LAYOUT,),
    order=20,
    facts={"resize": "size"},
)
