"""Barlow Twins: a full checkpoint has `backbone` and `projector`; the published file is a plain ResNet-50."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="barlow_twins",
    title="Barlow Twins",
    layouts=(resnet.LAYOUT,),
    signs=(r"^model\.(module\.)?backbone\.conv1\.weight$", r"^model\.(module\.)?projector\."),
    order=40,
    branch="student",
)
