"""solo-learn: `backbone` is evaluated; `momentum_backbone`, projectors and the online classifier go."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet, vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="solo_learn",
    title="solo-learn",
    layouts=(vit.LAYOUT, resnet.LAYOUT),
    signs=(r"^state_dict\.backbone\.", r"^state_dict\.(momentum_backbone|classifier|projector|momentum_projector)\."),
    order=35,
    branch="student",
    facts={"stem_padding": 2},
)
