"""SimCLR, both versions: `base_model` of TensorFlow checkpoints; heads stand beside it."""

from __future__ import annotations

from dinobench.models.key_layouts import simclr_resnet
from dinobench.models.loading.family import Family, FileForm
from dinobench.models.networks.backbone import Preprocessing

FAMILY = Family(
    name="simclr",
    title="SimCLR",
    layouts=(simclr_resnet.LAYOUT,),
    signs=(r"(^|/)base_model/conv2d/kernel$",),
    order=35,
    branch="student",
    preprocessing=Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    preprocessing_source="data_util.py of the source: pixels in [0, 1] as they are",
    form=FileForm(prefix="base_model/", container="npz"),
)
