"""InfoMin and the other methods of PyContrast: `encoder` beside a head, sometimes a jigsaw head."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import resnet

FAMILY = Family(
    name="infomin",
    title="InfoMin (PyContrast)",
    layouts=(resnet.LAYOUT,),
    signs=(r"^model\.(module\.)?encoder\.conv1\.weight$", r"^model\.(module\.)?head(_jig)?\."),
    order=40,
    branch="student",
)
