"""DINOv3's ViT-7B of satellite images: its tensors look like those of the web images, so it is asked for by name."""

from __future__ import annotations

from dataclasses import replace

from dinobench.models.families.dinov3 import FAMILY as DINOV3
from dinobench.models.families.dinov3_satellite import FAMILY as SATELLITE

FAMILY = replace(
    DINOV3, name="dinov3_satellite_7b", order=99, title=SATELLITE.title, preprocessing=SATELLITE.preprocessing
)
