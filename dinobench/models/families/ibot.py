"""iBOT: a token for masked patches, or a head with a second last layer for them."""

from __future__ import annotations

from dinobench.models.key_layouts import vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="ibot",
    title="iBOT",
    layouts=(vit.LAYOUT,),
    signs=(r"(^|\.)(masked_embed|head\.last_layer2\.\w+|head\.mlp2\.\w+)$",),
    order=30,
)
