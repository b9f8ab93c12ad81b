"""BYOL: online and target networks; the online one is evaluated."""

from __future__ import annotations

from dinobench.models.key_layouts import haiku_resnet, resnet
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="byol",
    title="BYOL",
    layouts=(haiku_resnet.LAYOUT, resnet.LAYOUT, resnet.NUMBERED_LAYOUT),
    signs=(r"online", r"target"),
    order=35,
    branch="student",
    form=FileForm(container="pickle", content=haiku_resnet.experiment),
)
