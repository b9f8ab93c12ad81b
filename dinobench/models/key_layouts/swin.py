"""Swin transformers in their released names, which iBOT and EsViT use; timm holds the network."""

from __future__ import annotations

import math
from functools import partial

from torch import nn

from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.networks.timm_adapter import adapt_timm, create_timm
from dinobench.runtime.errors import InputError

SIZES = {(96, 6): "tiny", (96, 18): "small", (128, 18): "base", (192, 18): "large"}


def translate(conversion: StateDictConversion) -> None:
    """To timm's names: it counts the downsampling to the stage after, and computes masks and indices itself."""
    conversion.drop(r"(head|fc)\.", "head")
    conversion.drop(r"masked_embed$|mask_token$", "token that stands for masked patches in training")
    conversion.drop(r".*\.(relative_position_index|attn_mask)$", "computed from the window")
    conversion.rename(r"^layers\.(\d)\.downsample\.", r"layers.\1+1.downsample.")
    for stage in range(4):
        conversion.rename(rf"^layers\.{stage}\+1\.", f"layers.{stage + 1}.")


def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The network of timm of the same width, depth and window."""
    width, _, patch, _ = conversion.tensors["patch_embed.proj.weight"].shape
    blocks = {name.split(".")[3] for name in conversion.matching(r"layers\.2\.blocks\.\d+\.")}
    table = conversion.tensors["layers.0.blocks.0.attn.relative_position_bias_table"].shape[0]
    window = (math.isqrt(table) + 1) // 2
    if (width, len(blocks)) not in SIZES or patch != 4:
        raise InputError(f"no Swin has width {width} and {len(blocks)} blocks in its third stage; is a block missing?")
    size = SIZES[width, len(blocks)]
    norm = partial(nn.LayerNorm, eps=facts.get("norm_eps", 1e-5))
    name = f"swin_{size}_patch4_window7_224"
    network = create_timm(name, pretrained=False, image_size=None, window_size=window, norm_layer=norm)
    return Network(adapt_timm(network), f"swin_{size}_window{window}", facts.get("image_size", 224))


LAYOUT = KeyLayout(
    "Swin transformer, released names",
    ("patch_embed.proj.weight", "layers.0.blocks.0.attn.relative_position_bias_table", "norm.weight"),
    translate,
    build,
)
