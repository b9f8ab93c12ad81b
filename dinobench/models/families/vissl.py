"""VISSL: the trunk of a classy vision state (SimCLR, SwAV, DeepCluster-v2, PIRL, supervised)."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="vissl",
    title="VISSL",
    layouts=(resnet.LAYOUT,),
    signs=(r"_feature_blocks\.conv1\.weight$",),
    order=30,
    branch="student",
)
