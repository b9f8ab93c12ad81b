"""Vision transformers in the released names, which DINO shares with iBOT, MSN, MAE, MoCo-v3, DeiT, DINOv2 and timm."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import torch

from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.loading.state_dict import State
from dinobench.models.networks.network_names import VIT_SIZES
from dinobench.models.networks.position import RotaryPositions
from dinobench.models.networks.vit import VisionTransformer, ViTShape
from dinobench.runtime.errors import InputError

# Sizes that only later families have, and always with a gated MLP.
LARGER = {(1536, 40): "giant", (4096, 40): "7b"}
# Heads wider than 64 channels: ViT-So400m, ViT-H, ViT-g and ViT-G of timm, and of I-JEPA.
WIDE_HEADS = {1152: 16, 1280: 16, 1408: 16, 1664: 16}
# On whose word the number of heads is taken where neither the file nor its family says it.
ASSUMED_HEADS = ("width / 64, by convention", "usual for this width")
# Depths that published networks of these widths have; another one may mean that blocks are missing.
USUAL_DEPTHS = {192: 12, 384: 12, 768: 12, 1024: 24, 1280: 32, 1408: 40, 1536: 40, 4096: 40}


def translate(conversion: StateDictConversion) -> None:
    """Settle the small differences between the projects that share this layout."""
    conversion.drop(r"mask_token$|masked_embed$", "token that stands for masked patches in training")
    conversion.drop(r"(head|head_dist|fc|fc_norm|pre_logits|last_layer|dino_head|ibot_head|pred)\.", "head")
    conversion.drop(r"decoder|mlp_head\.", "decoder")
    conversion.drop(r"local_cls_norm\.", "norm of local crops, used in training alone")
    conversion.rename(r"^(blocks\.\d+\.)gamma_(\d)$", r"\1ls\2.gamma")
    conversion.rename(r"^(storage_tokens|reg_token|register_token)$", "register_tokens")
    _join_gated_mlp(conversion)
    _split_bias(conversion)
    _mask_key_bias(conversion)
    _distillation_token(conversion)


def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The empty transformer whose shape the tensors show."""
    shape = _read_shape(conversion, facts)
    with torch.device("meta"):
        backbone = VisionTransformer(shape)
    if shape.positions == "rotary" and "rope_embed.periods" not in conversion:
        periods = RotaryPositions(shape.dim // shape.heads).periods
        conversion.add("rope_embed.periods", periods, "rotary periods of base 100, which the file does not store")
    return Network(backbone, architecture_name(backbone.shape), backbone.shape.image_size)


LAYOUT = KeyLayout("vision transformer, released names", ("patch_embed.proj.weight", "norm.weight"), translate, build)


def with_layer_scale(state: State) -> State:
    """The tensors, and a gain of one for each channel of both branches of every block."""
    gains = {
        f"{name.removesuffix('norm1.weight')}ls{branch}.gamma": torch.ones_like(tensor)
        for name, tensor in state.items()
        if name.endswith(".norm1.weight")
        for branch in (1, 2)
    }
    return {**state, **gains}


SCALED_LAYOUT = replace(LAYOUT, write=with_layer_scale)
"""The same of DINOv2, whose files have layer scales."""


def architecture_name(shape: ViTShape) -> str:
    """Such as vit_small/16 or vit_base_reg4/14, or width and depth where no letter stands for them."""
    named = {(size.dim, size.depth): name for name, size in VIT_SIZES.items()} | LARGER
    stem = named.get((shape.dim, shape.depth), f"{shape.dim}x{shape.depth}")
    if shape.swiglu and (shape.dim, shape.depth) not in LARGER:
        stem += "_plus"
    registers = f"_reg{shape.registers}" if shape.registers else ""
    return f"vit_{stem}{registers}/{shape.patch_size}"


def _read_shape(conversion: StateDictConversion, facts: ModelFacts) -> ViTShape:
    tensors = conversion.tensors
    projection = tensors["patch_embed.proj.weight"]
    if projection.ndim != 4 or projection.shape[2] != projection.shape[3]:
        raise InputError(f"patch_embed.proj.weight of shape {tuple(projection.shape)} embeds no square patches")
    dim, channels, patch = projection.shape[0], projection.shape[1], projection.shape[2]
    rotary = "rope_embed.periods" in tensors or facts.get("positions") == "rotary"
    class_token, class_position, side = _position_facts(conversion, facts, patch)
    registers = tensors["register_tokens"].shape[1] if "register_tokens" in tensors else 0
    hidden = _hidden_width(conversion)
    return ViTShape(
        patch_size=patch,
        dim=dim,
        depth=_read_depth(conversion, facts, dim),
        heads=_read_heads(conversion, facts, dim),
        image_size=side * patch,
        in_channels=channels,
        hidden=hidden,
        registers=registers,
        class_token=class_token,
        class_position=class_position,
        positions="rotary" if rotary else "learned",
        resize=facts.get("resize", "released"),
        layer_scale=bool(conversion.matching(r"blocks\.\d+\.ls\d\.gamma")),
        swiglu=bool(conversion.matching(r"blocks\.\d+\.mlp\.w12")),
        qkv_bias=bool(conversion.matching(r"blocks\.\d+\.attn\.qkv\.bias")),
        norm_eps=facts.get("norm_eps", 1e-6),
        class_norm="cls_norm.weight" in tensors,
        pooling=facts.get("pooling") or ("cls" if class_token else "mean"),
    )


def _position_facts(conversion: StateDictConversion, facts: ModelFacts, patch: int) -> tuple[bool, bool, int]:
    """Whether there is a class token, whether the table has a row for it, and the table's side in patches."""
    class_token = "cls_token" in conversion
    if "pos_embed" not in conversion:
        return class_token, True, facts.get("image_size", 224) // patch
    table = conversion.tensors["pos_embed"]
    rows = table.shape[1] if table.ndim == 3 else 0
    side = math.isqrt(max(rows - 1, 0))
    if rows > 1 and side * side == rows - 1:
        return True, True, side
    side = math.isqrt(rows)
    if rows and side * side == rows:
        return class_token, False, side
    raise InputError(
        f"pos_embed of shape {tuple(table.shape)} is not a square grid of patches, with or without a class row"
    )


def _read_depth(conversion: StateDictConversion, facts: ModelFacts, dim: int) -> int:
    depth = conversion.count(r"blocks\.")
    usual = facts.get("depth", USUAL_DEPTHS.get(dim), "usual for this width")
    if depth == 0 or (usual is not None and depth != int(usual)):
        expected = f"where width {dim} has {usual}" if usual else "in the table"
        raise InputError(f"{depth} blocks {expected}: some are missing or extra; if meant so, say --set depth={depth}")
    return depth


def _read_heads(conversion: StateDictConversion, facts: ModelFacts, dim: int) -> int:
    if "heads" in conversion.found:
        facts.note("heads", conversion.found["heads"], "from the shapes")
        return conversion.found["heads"]
    known = facts.get("heads")
    if isinstance(known, dict):
        known = known.get(dim)
    if known is not None:
        return int(known)
    if dim in WIDE_HEADS:
        facts.note("heads", WIDE_HEADS[dim], ASSUMED_HEADS[1])
        return WIDE_HEADS[dim]
    if dim % 64 or dim == 64:  # nobody trains with one head
        raise InputError(
            f"the number of heads is not in the file, and width / 64 is not one at width {dim}; say --set heads=N"
        )
    facts.note("heads", dim // 64, ASSUMED_HEADS[0])
    return dim // 64


def _hidden_width(conversion: StateDictConversion) -> int | None:
    for name, halves in (("fc1", 1), ("w12", 2)):
        weight = conversion.tensors.get(f"blocks.0.mlp.{name}.weight")
        if weight is not None:
            return weight.shape[0] // halves
    return None


def _join_gated_mlp(conversion: StateDictConversion) -> None:
    """Gated MLPs: two halves apart in DINOv3 (`w1`, `w2`) and timm (`fc1_g`, `fc1_x`), or packed in timm's `fc1`."""
    conversion.rename(r"\.mlp\.fc1_g\.", ".mlp.w1.")
    conversion.rename(r"\.mlp\.fc1_x\.", ".mlp.w2.")
    first, second = (conversion.tensors.get(f"blocks.0.mlp.{name}.weight") for name in ("fc1", "fc2"))
    packed = first is not None and second is not None and first.shape[0] == 2 * second.shape[-1]
    if packed or conversion.matching(r"blocks\.\d+\.mlp\.w1\."):
        conversion.rename(r"\.mlp\.fc1\.", ".mlp.w12.")
        conversion.rename(r"\.mlp\.fc2\.", ".mlp.w3.")
    for name in conversion.matching(r"blocks\.\d+\.mlp\.w1\."):
        conversion.join((name, name.replace(".w1.", ".w2.")), name.replace(".w1.", ".w12."))


def _split_bias(conversion: StateDictConversion) -> None:
    """BEiT's way, which timm keeps for DINOv3: a bias for query and value, none for the key."""
    for query in conversion.matching(r"blocks\.\d+\.attn\.q_bias$"):
        key, value = query.replace("q_bias", "k_bias"), query.replace("q_bias", "v_bias")
        if key not in conversion:
            conversion.add(key, torch.zeros_like(conversion.tensors[query]), "zero")
        conversion.join((query, key, value), query.replace("q_bias", "qkv.bias"))


def _mask_key_bias(conversion: StateDictConversion) -> None:
    """DINOv3 multiplies the joint bias by a mask that silences the key's third."""
    for name in conversion.matching(r"blocks\.\d+\.attn\.qkv\.bias_mask$"):
        bias = name.removesuffix("_mask")
        mask = conversion.tensors[name].nan_to_num(0.0)
        conversion.drop(re.escape(name) + "$", "mask of the joint bias, applied to it")
        if bias in conversion:
            conversion.change(bias, conversion.tensors[bias] * mask, "key third masked")


def _distillation_token(conversion: StateDictConversion) -> None:
    """DeiT's second token stands where a register stands, and has a row of the position table."""
    if "dist_token" not in conversion or "pos_embed" not in conversion:
        return
    table = conversion.tensors["pos_embed"]
    conversion.rename("^dist_token$", "register_tokens")
    token = conversion.tensors["register_tokens"] + table[:, 1:2]
    conversion.change("register_tokens", token, "distillation token with its position")
    conversion.change(
        "pos_embed", torch.cat([table[:, :1], table[:, 2:]], dim=1), "row of the distillation token moved"
    )
