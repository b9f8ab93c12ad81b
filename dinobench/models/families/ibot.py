"""iBOT: a token for masked patches, or a head with a second last layer for them."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import vit

FAMILY = Family(
    name="ibot",
    title="iBOT",
    layouts=(vit.LAYOUT,),
    signs=(r"(^|\.)(masked_embed|head\.last_layer2\.\w+|head\.mlp2\.\w+)$",),
    order=30,
)
