"""MSN: the averaged network is `target_encoder`, its head `fc`."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import vit

FAMILY = Family(
    name="msn",
    title="MSN",
    layouts=(vit.LAYOUT,),
    signs=(r"^target_encoder\.",),
    order=30,
)
