"""Lightning containers, among them lightly's: the network under any name inside `state_dict`."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet, vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="lightning",
    title="a Lightning module (lightly and others)",
    layouts=(vit.LAYOUT, resnet.LAYOUT, resnet.NUMBERED_LAYOUT),
    signs=(r"^state_dict\.(backbone|student_backbone|teacher_backbone|model|net|encoder|network)\.",),
    order=70,
)
