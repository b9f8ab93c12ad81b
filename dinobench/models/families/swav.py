"""SwAV and DeepCluster-v2, of every width: a projection head and prototypes beside the ResNet."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="swav",
    title="SwAV or DeepCluster-v2",
    layouts=(resnet.LAYOUT,),
    signs=(r"^(state_dict\.)?(module\.)?projection_head\.", r"^(state_dict\.)?(module\.)?layer1\.0\.conv1\.weight$"),
    order=50,
    branch="student",
    form=FileForm(prefix="module.", beside=("module.projection_head.0.weight", "module.prototypes.weight")),
)
