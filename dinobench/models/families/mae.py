"""MAE: the encoder of a full checkpoint; the decoder goes."""

from __future__ import annotations

from dinobench.models.key_layouts import vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="mae",
    title="MAE",
    layouts=(vit.LAYOUT,),
    signs=(r"(^|\.)decoder_blocks\.0\.", r"(^|\.)decoder_pos_embed$"),
    order=30,
    facts={"heads": {768: 12, 1024: 16, 1280: 16}, "resize": "size"},
)
