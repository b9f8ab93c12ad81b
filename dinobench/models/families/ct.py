"""CT (TimeCycle), correspondence from the cycle-consistency of time: an inflated encoder and its training's heads."""

from __future__ import annotations

from dinobench.models.key_layouts import ct_resnet
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="ct",
    title="CT (TimeCycle)",
    layouts=(ct_resnet.LAYOUT,),
    signs=(r"encoderVideo\.conv1\.", r"afterconv1\."),
    order=35,
    branch="student",
    form=FileForm("state_dict", "module."),
)
