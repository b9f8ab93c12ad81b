"""AugReg and big_vision: supervised vision transformers from JAX, normalized to -1..1."""

from __future__ import annotations

from dinobench.models.key_layouts import jax_vit
from dinobench.models.loading.family import Family
from dinobench.models.networks.backbone import Preprocessing

FAMILY = Family(
    name="jax_vit",
    title="a vision transformer from JAX (AugReg, big_vision)",
    layouts=(jax_vit.LAYOUT,),
    order=20,
    facts={"resize": "timm"},
    preprocessing=Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
)
