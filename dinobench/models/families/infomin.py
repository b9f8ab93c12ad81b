"""InfoMin and the other methods of PyContrast: `encoder` beside a head, sometimes a jigsaw head."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="infomin",
    title="InfoMin (PyContrast)",
    layouts=(resnet.LAYOUT,),
    signs=(r"^model\.(module\.)?encoder\.conv1\.weight$", r"^model\.(module\.)?head(_jig)?\."),
    order=40,
    branch="student",
    form=FileForm("model", "module.encoder.", ("module.head.0.weight",)),
)
