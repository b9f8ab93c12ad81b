"""Checkpoints in each family's real key layout, with the features that their own modules give.

Every function returns the content of a file and the reference's features for `IMAGES`. The modules are those of
torchvision, timm and transformers, with random weights; containers and prefixes are written from facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import timm
import torch
import torchvision
from timm.layers import SwiGLUPacked
from timm.models import VisionTransformer as TimmViT
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

State = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A checkpoint, the family that it is, and what its own module computes."""

    content: Mapping[str, Any]
    family: str
    images: Tensor
    cls: Tensor
    patches: Tensor | None = None


CASES: dict[str, Callable[[], Case]] = {}


def case(function: Callable[[], Case]) -> Callable[[], Case]:
    CASES[function.__name__] = function
    return function


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter and running statistic away from its default, so that a dropped one shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            scale = 0.02 if parameter.ndim < 2 else parameter[0].numel() ** -0.5
            parameter.copy_(
                (1.0 if _is_gain(name, parameter) else 0.0) + (0.1 if parameter.ndim < 2 else scale) * noise
            )
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(1 + torch.rand(buffer.shape, generator=generator))
    return module.eval()


def _is_gain(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 1 and name.endswith(("weight", "gamma", "lambda1", "gamma_1", "gamma_2"))


def images(size: int = 32, *, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(7))


def prefixed(state: Mapping[str, Tensor], prefix: str) -> State:
    return {prefix + key: value for key, value in state.items()}


def timm_vit(seed: int = 0, **options: Any) -> TimmViT:
    """A small ViT of timm's with DINO's names and epsilon."""
    shape = {"img_size": 32, "patch_size": 8, "embed_dim": 128, "depth": 2, "num_heads": 2, "num_classes": 0}
    return randomised(TimmViT(**{**shape, **options}), seed)


def vit_case(content: Callable[[State], Mapping[str, Any]], family: str, **options: Any) -> Case:
    model = timm_vit(**options)
    x = images()
    with torch.no_grad():
        tokens = model.forward_features(x)
    return Case(content(dict(model.state_dict())), family, x, tokens[:, 0], tokens[:, model.num_prefix_tokens :])


def head(width: int = 128) -> State:
    """DINO's projection head."""
    layers = {f"head.mlp.{i}.weight": torch.randn(8, width) for i in (0, 2, 4)}
    return {**layers, "head.last_layer.weight_g": torch.ones(5, 1), "head.last_layer.weight_v": torch.randn(5, 8)}


def other(seed: int = 5, **options: Any) -> State:
    """A second network of the same shape, which must not be taken."""
    return dict(timm_vit(seed, **options).state_dict())


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
def dino_resnet() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        return {"teacher": prefixed(state, "module.backbone.") | prefixed(head(512), "module.")}

    return resnet_case(content, "dino")


@case
def xcit() -> Case:
    model = randomised(timm.create_model("xcit_nano_12_p16_224", num_classes=0))
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
    model = randomised(timm.create_model(name, num_classes=0))
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
def dinov3_convnext() -> Case:
    model = randomised(timm.create_model("convnext_tiny", num_classes=0))
    pairs = (
        ("stem.", "downsample_layers.0."),
        ("blocks.", ""),
        ("conv_dw", "dwconv"),
        ("mlp.fc", "pwconv"),
        ("head.norm.", "norm."),
    )
    state = {}
    for key, value in model.state_dict().items():
        if ".downsample." in key:
            key = key.replace("stages.", "downsample_layers.").replace(".downsample.", ".")
        for ours, theirs in pairs:
            key = key.replace(ours, theirs)
        state[key] = value
    x = images(64)
    with torch.no_grad():
        cls = model(x)
    return Case(state | {"norms.3.weight": state["norm.weight"]}, "convnext", x, cls)


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
    model = randomised(timm.create_model("swin_tiny_patch4_window7_224", num_classes=0, norm_layer=norm))
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
    model = randomised(timm.create_model("deit_tiny_distilled_patch16_224", img_size=64))
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
    model = randomised(torchvision.models.VisionTransformer(32, 8, 2, 2, 128, 256, num_classes=10))
    model.heads = nn.Identity()
    x = images()
    with torch.no_grad():
        cls = model(x)
    state = model.state_dict() | {"heads.head.weight": torch.ones(10, 128)}
    return Case(state, "torchvision_vit", x, cls)


def resnet_case(content: Callable[[State], Mapping[str, Any]], family: str, name: str = "resnet18") -> Case:
    model = randomised(torchvision.models.get_model(name))
    state = {key: value for key, value in model.state_dict().items() if not key.startswith("fc.")}
    model.fc = nn.Identity()
    x = images(64)
    with torch.no_grad():
        cls = model(x)
    return Case(content(state), family, x, cls)


@case
def torchvision_resnet() -> Case:
    return resnet_case(lambda state: state | {"fc.weight": torch.ones(9, 2048)}, "resnet", "resnet50")


@case
def torchvision_basic() -> Case:
    return resnet_case(lambda state: state, "resnet")


@case
def torchvision_resnext() -> Case:
    return resnet_case(lambda state: state, "resnet", "resnext50_32x4d")


@case
def torchvision_wide() -> Case:
    return resnet_case(lambda state: state, "resnet", "wide_resnet50_2")


@case
def swav_wide() -> Case:
    """Every layer twice as wide, the stem too."""
    model = torchvision.models.resnet18()
    model.inplanes, model.conv1, model.bn1 = 128, nn.Conv2d(3, 128, 7, 2, 3, bias=False), nn.BatchNorm2d(128)
    for stage, blocks in enumerate((2, 2, 2, 2)):
        layer = model._make_layer(BasicBlock, 128 * 2**stage, blocks, stride=min(stage + 1, 2))
        setattr(model, f"layer{stage + 1}", layer)
    model.fc = nn.Identity()
    model = randomised(model)
    state = prefixed(model.state_dict() | {"projection_head.0.weight": torch.ones(2)}, "module.")
    return Case(state, "swav", images(64), model(images(64)).detach())


@case
def moco_v2() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        query = prefixed(state | {"fc.0.weight": torch.ones(2, 2)}, "module.encoder_q.")
        key = prefixed({name: value + 1 for name, value in state.items()}, "module.encoder_k.")
        return {"state_dict": query | key | {"module.queue": torch.ones(2, 4)}, "arch": "resnet50", "epoch": 200}

    return resnet_case(content, "moco_v2")


@case
def swav() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        heads = {"projection_head.0.weight": torch.ones(2, 2), "prototypes.weight": torch.ones(2, 2)}
        return prefixed(state | heads, "module.")

    return resnet_case(content, "swav")


@case
def simclr() -> Case:
    return resnet_case(lambda state: {"state_dict": state | {"fc.weight": torch.ones(9, 2048)}}, "resnet")


@case
def barlow_twins() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        model = prefixed(state, "module.backbone.") | {"module.projector.0.weight": torch.ones(2, 2)}
        return {"epoch": 9, "model": model, "optimizer": {"state": {}}}

    return resnet_case(content, "barlow_twins")


@case
def obow() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        blocks = {}
        for key, value in state.items():
            if key.startswith("layer"):
                blocks[f"_feature_blocks.{key.removeprefix('layer')}"] = value
            else:
                blocks[f"_feature_blocks.0.{key.replace('conv1', 'Conv').replace('bn1', 'bn')}"] = value
        student = prefixed(blocks, "feature_extractor.")
        teacher = prefixed({key: value + 1 for key, value in blocks.items()}, "feature_extractor_teacher.")
        return {"network": student | teacher | {"bow_predictor.scale": torch.ones(1)}, "epoch": 1}

    return resnet_case(content, "obow")


@case
def infomin() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        model = prefixed(state, "module.encoder.") | {"module.head.0.weight": torch.ones(2, 2)}
        ema = {key.removeprefix("module."): value + 1 for key, value in model.items()}
        return {"model": model, "model_ema": ema, "epoch": 800}

    return resnet_case(content, "infomin")


@case
def byol() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        online = prefixed(state, "online_encoder.net.") | {"online_predictor.net.0.weight": torch.ones(2, 2)}
        target = prefixed({key: value + 1 for key, value in state.items()}, "target_encoder.net.")
        return online | target

    return resnet_case(content, "byol")


@case
def vissl() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        trunk = prefixed(state, "_feature_blocks.")
        return {
            "classy_state_dict": {"base_model": {"model": {"trunk": trunk, "heads": {"0.clf.0.weight": torch.ones(2)}}}}
        }

    return resnet_case(content, "vissl")


@case
def numbered() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        numbers = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
        renamed = {f"{numbers[key.split('.')[0]]}.{key.split('.', 1)[1]}": value for key, value in state.items()}
        network = prefixed(renamed, "backbone.") | {"projection_head.layers.0.weight": torch.ones(2, 2)}
        return {"state_dict": network, "pytorch-lightning_version": "2.0.0", "hyper_parameters": {"lr": 0.1}}

    return resnet_case(content, "lightning")


@case
def solo_learn() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        momentum = prefixed({key: value + 1 for key, value in state.items()}, "momentum_backbone.")
        network = prefixed(state, "backbone.") | momentum | {"classifier.weight": torch.ones(2, 2)}
        return {"state_dict": network, "pytorch-lightning_version": "2.0.0"}

    return resnet_case(content, "solo_learn")


@case
def solo_learn_small_stem() -> Case:
    model = torchvision.models.resnet18()
    model.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=2, bias=False)
    model.maxpool = nn.Identity()
    model.fc = nn.Identity()
    model = randomised(model)
    state = {"state_dict": prefixed(model.state_dict(), "backbone.") | {"classifier.weight": torch.ones(2, 2)}}
    return Case(state, "solo_learn", images(), model(images()).detach())


@case
def lightly_dino() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        network = prefixed(state, "backbone.vit.") | prefixed(other(), "student_backbone.vit.")
        return {"state_dict": network | {"projection_head.layers.0.weight": torch.ones(2, 2)}}

    return vit_case(content, "lightning")
