"""MoCo-v1 and v2: the trained network is `encoder_q`; `encoder_k` and the queue go."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="moco_v2",
    title="MoCo-v2",
    layouts=(resnet.LAYOUT,),
    signs=(r"(^|\.)encoder_q\.",),
    order=30,
    branch="student",
    form=FileForm("state_dict", "module.encoder_q.", ("module.queue",)),
)
