"""ConvNeXt, supervised or distilled by DINOv3, in its released names."""

from __future__ import annotations

from dinobench.models.key_layouts import convnext
from dinobench.models.loading.family import Family

FAMILY = Family(name="convnext", title="ConvNeXt (DINOv3)", layouts=(convnext.LAYOUT,), order=20)
