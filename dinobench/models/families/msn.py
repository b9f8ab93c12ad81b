"""MSN: the averaged network is `target_encoder`, its head `fc`."""

from __future__ import annotations

from dinobench.models.key_layouts import vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="msn",
    title="MSN",
    layouts=(vit.LAYOUT,),
    signs=(r"^target_encoder\.",),
    order=30,
    facts={"resize": "size"},
)
