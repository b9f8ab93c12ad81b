"""Vision transformers in torchvision's names."""

from __future__ import annotations

from dinobench.models.key_layouts import vit
from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout

RENAMES = (
    (r"^class_token$", "cls_token"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(0|linear_1)\.", ".mlp.fc1."),
    (r"\.mlp\.(3|linear_2)\.", ".mlp.fc2."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.", "head."),
)


def translate(conversion: StateDictConversion) -> None:
    """Every tensor has a twin; only the names differ."""
    for pattern, replacement in RENAMES:
        conversion.rename(pattern, replacement)
    vit.translate(conversion)


LAYOUT = KeyLayout(
    "vision transformer, torchvision names", ("conv_proj.weight", "encoder.ln.weight"), translate, vit.build
)
