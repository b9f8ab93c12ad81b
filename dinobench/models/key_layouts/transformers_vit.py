"""Vision transformers in the names of Hugging Face `transformers`, old and new: ViT, DeiT, MAE, MSN, DINOv2, DINOv3."""

from __future__ import annotations

import torch

from dinobench.models.key_layouts import vit
from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout

RENAMES = (
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.(projection\.)?", "patch_embed.proj."),
    (r"^embeddings\.distillation_token$", "dist_token"),
    (r"^embeddings\.", ""),
    (r"^(encoder\.layers?|layers|model\.layer|layer)\.(\d+)\.", r"blocks.\2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.(attention\.)?(q|k|v)(uery|ey|alue|_proj)\.", r".attn.\2."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"^(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.mlp\.weights_in\.", ".mlp.w12."),
    (r"\.mlp\.weights_out\.", ".mlp.w3."),
    (r"^layernorm\.", "norm."),
)


def translate(conversion: StateDictConversion) -> None:
    """Rename, then join query, key and value."""
    conversion.drop(r"pooler\.|classifier\.|decoder\.", "head")
    for pattern, replacement in RENAMES:
        conversion.rename(pattern, replacement)
    _gated_mlp(conversion)
    _join_attention(conversion)
    vit.translate(conversion)


def _gated_mlp(conversion: StateDictConversion) -> None:
    gated = bool(conversion.matching(r"blocks\.\d+\.mlp\.gate_proj\."))
    for name in conversion.matching(r"blocks\.\d+\.mlp\.gate_proj\."):
        conversion.join((name, name.replace("gate_proj", "up_proj")), name.replace("gate_proj", "w12"))
    conversion.rename(r"\.mlp\.up_proj\.", ".mlp.fc1.")
    conversion.rename(r"\.mlp\.down_proj\.", ".mlp.w3." if gated else ".mlp.fc2.")


def _join_attention(conversion: StateDictConversion) -> None:
    for query in conversion.matching(r"blocks\.\d+\.attn\.q\."):
        key, value, joint = (query.replace(".attn.q.", f".attn.{part}.") for part in ("k", "v", "qkv"))
        if query.endswith("bias") and key not in conversion and value in conversion:
            conversion.add(key, torch.zeros_like(conversion.tensors[query]), "zero")
        conversion.join((query, key, value), joint)


LAYOUT = KeyLayout(
    "vision transformer, transformers names", ("embeddings.patch_embeddings.projection.weight",), translate, vit.build
)
ROTARY_LAYOUT = KeyLayout(
    "rotary vision transformer, transformers names",
    ("embeddings.patch_embeddings.weight", "embeddings.register_tokens"),
    translate,
    vit.build,
)
