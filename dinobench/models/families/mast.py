"""MAST, a tracker with a memory: its encoder, which takes RGB between 0 and 1 and converts it to Lab."""

from __future__ import annotations

from dinobench.models.key_layouts import mast_resnet
from dinobench.models.loading.family import Family, FileForm
from dinobench.models.networks.backbone import Preprocessing

FAMILY = Family(
    name="mast",
    title="MAST",
    layouts=(mast_resnet.LAYOUT,),
    signs=(r"feature_extraction\.conv1\.0\.", r"post_convolution\."),
    order=35,
    branch="student",
    preprocessing=Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    preprocessing_source="by the code of MAST, which converts the colors to Lab",
    form=FileForm("state_dict"),
)
