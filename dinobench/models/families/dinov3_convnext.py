"""ConvNeXt, supervised or distilled by DINOv3, in its released names."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import convnext

FAMILY = Family(name="convnext", title="ConvNeXt (DINOv3)", layouts=(convnext.LAYOUT,), order=20)
