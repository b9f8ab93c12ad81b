"""MultiGrain: a trunk `features`, the exponent `pool.p` of its pooling, a classifier; sometimes a whitening."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="multigrain",
    title="MultiGrain",
    layouts=(resnet.LAYOUT,),
    signs=(r"^model_state\.(module\.)?features\.conv1\.weight$",),
    order=40,
    branch="student",
    form=FileForm("model_state", "features.", ("pool.p", "classifier.weight", "classifier.bias")),
)
