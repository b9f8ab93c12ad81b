"""Checkpoints of transformers, as each repository writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import timm
import torch
import torchvision
from timm.layers import SwiGLUPacked
from torch import nn

from tests.models.checkpoints import Case, State, case, head, images, other, prefixed, randomized, timm_vit, vit_case


@case
def dino_full() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        teacher = prefixed(state, "backbone.") | head()
        student = prefixed(prefixed(other(), "backbone.") | head(), "module.")
        return {"student": student, "teacher": teacher, "epoch": 3, "dino_loss": {"center": torch.zeros(1, 5)}}

    return vit_case(content, "dino")


@case
def dino_backbone() -> Case:
    return vit_case(lambda state: state, "vit")


@case
def xcit() -> Case:
    model = randomized(timm.create_model("xcit_nano_12_p16_224", num_classes=0))
    state = {key.replace("pos_embed.", "pos_embeder."): value for key, value in model.state_dict().items()}
    for name in [key for key in state if ".attn.q." in key]:
        parts = [state.pop(name.replace(".q.", f".{part}.")) for part in "qkv"]
        state[name.replace(".q.", ".qkv.")] = torch.cat(parts)
    x = images(64)
    with torch.no_grad():
        cls = model(x)
    return Case(state | {"head.weight": torch.zeros(10, 128), "head.bias": torch.zeros(10)}, "xcit", x, cls)


@case
def dinov2() -> Case:
    extra = {"mask_token": torch.zeros(1, 128)}
    return vit_case(lambda state: state | extra, "dinov2", init_values=0.5)


@case
def dinov2_chunked() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        chunked = {}
        for key, value in state.items():
            number = key.split(".")[1] if key.startswith("blocks.") else ""
            chunked[key.replace(f"blocks.{number}.", f"blocks.{int(number) % 2}.{number}.") if number else key] = value
        teacher = prefixed(chunked | {"mask_token": torch.zeros(1, 128)}, "backbone.")
        heads = {"dino_head.mlp.0.weight": torch.ones(2, 2), "ibot_head.last_layer.weight_v": torch.ones(2, 2)}
        return {"teacher": teacher | heads}

    return vit_case(content, "dinov2", init_values=0.5)


@case
def dinov2_registers() -> Case:
    """The released layout: the table has a row for the class token, timm's has not; the values are the same."""
    model = timm_vit(init_values=0.5, reg_tokens=4, no_embed_class=True)
    state = dict(model.state_dict())
    state["register_tokens"] = state.pop("reg_token")
    row = torch.randn(1, 1, 128)
    state["cls_token"] = state["cls_token"] - row
    state["pos_embed"] = torch.cat([row, state["pos_embed"]], dim=1)
    x = images()
    with torch.no_grad():
        tokens = model.forward_features(x)
    return Case(state | {"mask_token": torch.zeros(1, 128)}, "dinov2_registers", x, tokens[:, 0], tokens[:, 5:])


@case
def dinov2_registers_timm() -> Case:
    return vit_case(lambda state: state, "dinov2_registers", init_values=0.5, reg_tokens=4, no_embed_class=True)


@case
def dinov2_swiglu() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        renamed = {
            key.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): value for key, value in state.items()
        }
        return renamed | {"mask_token": torch.zeros(1, 128)}

    return vit_case(content, "dinov2", init_values=0.5, mlp_layer=SwiGLUPacked, act_layer=nn.SiLU, mlp_ratio=2.0)


@case
def dinov3_timm(name: str = "vit_tiny_patch16_dinov3_qkvb") -> Case:
    model = randomized(timm.create_model(name, num_classes=0))
    x = images(64)
    with torch.no_grad():
        tokens = model.forward_features(x)
    return Case(model.state_dict(), "dinov3_timm", x, tokens[:, 0], tokens[:, 5:])


@case
def dinov3() -> Case:
    """The released layout of the same network: a joint bias with a mask, periods, storage tokens."""
    case = dinov3_timm()
    state = dict(case.content)
    for name in [key for key in state if key.endswith("q_bias")]:
        query, value = state.pop(name), state.pop(name.replace("q_bias", "v_bias"))
        joint = name.replace("q_bias", "qkv.bias")
        state[joint] = torch.cat([query, torch.full_like(query, 9.0), value])
        state[f"{joint}_mask"] = torch.cat([torch.ones(192), torch.zeros(192), torch.ones(192)])
    renamed = {key.replace("gamma_1", "ls1.gamma").replace("gamma_2", "ls2.gamma"): state[key] for key in state}
    renamed["storage_tokens"] = renamed.pop("reg_token")
    renamed["rope_embed.periods"] = 100.0 ** (torch.arange(16) / 16)
    renamed["mask_token"] = torch.zeros(1, 192)
    return Case(renamed, "dinov3", case.images, case.cls, case.patches)


@case
def dinov3_satellite() -> Case:
    """As released for ViT-L: the norm of local crops is still there."""
    case = dinov3()
    norm = {"local_cls_norm.weight": torch.ones(192), "local_cls_norm.bias": torch.ones(192)}
    return replace(case, content={**case.content, **norm}, family="dinov3_satellite")


@case
def ibot() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        teacher = prefixed(state, "backbone.") | head() | {"head.last_layer2.weight_v": torch.ones(2, 2)}
        student = prefixed(other() | {"masked_embed": torch.zeros(1, 128)}, "module.backbone.")
        return {"teacher": teacher, "student": student, "ibot_loss": {"center2": torch.zeros(1, 1, 5)}}

    return vit_case(content, "ibot")


@case
def ibot_swin() -> Case:
    """The released Swin counts the downsampling to the stage before it, timm to the one after."""
    norm = partial(nn.LayerNorm, eps=1e-6)
    model = randomized(timm.create_model("swin_tiny_patch4_window7_224", num_classes=0, norm_layer=norm))
    state = {}
    for key, value in model.state_dict().items():
        stage = key.split(".")[1]
        state[key.replace(f"layers.{stage}.", f"layers.{int(stage) - 1}.") if ".downsample." in key else key] = value
    extra = {"masked_embed": torch.zeros(1, 96), "layers.0.blocks.0.attn.relative_position_index": torch.zeros(49, 49)}
    x = images(224, batch=1)
    with torch.no_grad():
        cls = model(x)
    return Case({"state_dict": state | extra}, "swin", x, cls)


@case
def ibot_layer_scale() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        old = {key.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2"): state[key] for key in state}
        return {"state_dict": old | {"masked_embed": torch.zeros(1, 128)}}

    return vit_case(content, "ibot", init_values=0.5)


@case
def msn() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        target = prefixed(state | {"fc.fc1.weight": torch.ones(2, 2)}, "module.")
        return {"target_encoder": target, "encoder": prefixed(other(), "module."), "prototypes": torch.ones(4, 4)}

    return vit_case(content, "msn")


@case
def mae() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        decoder = {
            "mask_token": torch.zeros(1, 1, 64),
            "decoder_embed.weight": torch.ones(64, 128),
            "decoder_pos_embed": torch.zeros(1, 17, 64),
            "decoder_blocks.0.norm1.weight": torch.ones(64),
            "decoder_norm.weight": torch.ones(64),
            "decoder_pred.weight": torch.ones(192, 64),
        }
        return {"model": state | decoder, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}, "epoch": 1}

    return vit_case(content, "mae")


@case
def moco_v3() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        base = prefixed(state | {"head.0.weight": torch.ones(2, 128)}, "module.base_encoder.")
        momentum = prefixed(other(), "module.momentum_encoder.")
        return {"state_dict": base | momentum | {"module.predictor.0.weight": torch.ones(2, 2)}, "arch": "vit_small"}

    return vit_case(content, "moco_v3")


@case
def supervised_vit() -> Case:
    extra = {"head.weight": torch.ones(10, 128), "head.bias": torch.ones(10)}
    return vit_case(lambda state: {"model": state | extra}, "supervised_vit")


@case
def distilled_deit() -> Case:
    model = randomized(timm.create_model("deit_tiny_distilled_patch16_224", img_size=64))
    x = images(64)
    with torch.no_grad():
        tokens = model.forward_features(x)
    return Case({"model": model.state_dict()}, "supervised_vit", x, tokens[:, 0], tokens[:, 2:])


@case
def patch_mean() -> Case:
    """A timm ViT without class token: the mean of its patches stands in."""
    model = timm_vit(class_token=False, global_pool="avg", fc_norm=False)
    x = images()
    with torch.no_grad():
        tokens = model.forward_features(x)
    return Case(model.state_dict(), "vit", x, tokens.mean(1), tokens)


@case
def torchvision_vit() -> Case:
    model = randomized(torchvision.models.VisionTransformer(32, 8, 2, 2, 128, 256, num_classes=10))
    model.heads = nn.Identity()
    x = images()
    with torch.no_grad():
        cls = model(x)
    state = model.state_dict() | {"heads.head.weight": torch.ones(10, 128)}
    return Case(state, "torchvision_vit", x, cls)
