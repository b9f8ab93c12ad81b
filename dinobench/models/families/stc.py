"""STC, the contrastive random walk: an encoder and the projection of its training."""

from __future__ import annotations

from dinobench.models.key_layouts import stc_resnet
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="stc",
    title="STC",
    layouts=(stc_resnet.PADDED_LAYOUT, stc_resnet.LAYOUT),
    signs=(r"encoder\.model\.conv1\.", r"selfsim_fc\."),
    order=35,
    branch="student",
    form=FileForm("model", "encoder.model.", ("selfsim_fc.0.weight", "selfsim_fc.0.bias")),
)
