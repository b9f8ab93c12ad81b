"""Checkpoints of convnets, as each repository writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import timm
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock

from tests.models.checkpoints import Case, State, case, head, images, other, prefixed, randomized, vit_case


def resnet_case(content: Callable[[State], Mapping[str, Any]], family: str, name: str = "resnet18") -> Case:
    model = randomized(torchvision.models.get_model(name))
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
    model = randomized(model)
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
def multigrain() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        head = {"pool.p": torch.tensor(3.0), "classifier.weight": torch.ones(9, 2048), "classifier.bias": torch.ones(9)}
        return {"model_state": prefixed(state, "features.") | head, "epoch": 119}

    return resnet_case(content, "multigrain")


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
    model = randomized(model)
    state = {"state_dict": prefixed(model.state_dict(), "backbone.") | {"classifier.weight": torch.ones(2, 2)}}
    return Case(state, "solo_learn", images(), model(images()).detach())


@case
def lightly_dino() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        network = prefixed(state, "backbone.vit.") | prefixed(other(), "student_backbone.vit.")
        return {"state_dict": network | {"projection_head.layers.0.weight": torch.ones(2, 2)}}

    return vit_case(content, "lightning")


@case
def dino_resnet() -> Case:
    def content(state: State) -> Mapping[str, Any]:
        return {"teacher": prefixed(state, "module.backbone.") | prefixed(head(512), "module.")}

    return resnet_case(content, "dino")


@case
def dinov3_convnext() -> Case:
    model = randomized(timm.create_model("convnext_tiny", num_classes=0))
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
        patches = model.head.norm(model.forward_features(x)).flatten(2).mT
    return Case(state | {"norms.3.weight": state["norm.weight"]}, "convnext", x, cls, patches)


def stc_encoder() -> nn.Module:
    """ResNet-18 whose third stage has no stride and whose convolutions pad by reflection, up to that stage."""
    model = randomized(torchvision.models.resnet18())
    for module in model.layer3.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and sum(module.padding):
            module.padding_mode = "reflect"
    return model


def stc_case(rename: Callable[[str], str]) -> Case:
    model = stc_encoder()
    state = {f"encoder.model.{rename(name)}": tensor for name, tensor in model.state_dict().items() if "fc" not in name}
    state |= {"selfsim_fc.0.weight": torch.ones(128, 512), "selfsim_fc.0.bias": torch.ones(128)}
    x = images(64)
    stem = model.maxpool(model.relu(model.bn1(model.conv1(x))))
    last = model.layer3(model.layer2(model.layer1(stem))).detach()
    content = {"model": state, "optimizer": {}, "epoch": 3}
    return Case(content, "stc", x, last.mean((2, 3)), last.flatten(2).transpose(1, 2))


@case
def stc() -> Case:
    return stc_case(lambda name: name)


@case
def stc_padded_convolutions() -> Case:
    """As the released file has them: each padded convolution is the second of a pair."""
    return stc_case(lambda name: re.sub(r"(conv[12])\.weight", r"\1.1.weight", name))


def cycle_encoder() -> nn.Module:
    """ResNet-50 whose third stage has no stride."""
    model = torchvision.models.resnet50()
    model.layer3[0].conv2.stride = model.layer3[0].downsample[0].stride = (1, 1)
    return randomized(model)


@case
def ct() -> Case:
    """As the released file has it: kernels of three dimensions, and the parts that place a patch."""
    model, last = cycle_encoder(), randomized(nn.Conv2d(1024, 512, 1, bias=False))
    encoder = {
        f"encoderVideo.{name}": tensor[:, :, None] if tensor.dim() == 4 else tensor
        for name, tensor in model.state_dict().items()
        if "fc" not in name
    }
    heads = {"afterconv3_trans.weight": torch.ones(128, 900, 4, 4), "linear2.weight": torch.ones(3, 1024)}
    state = prefixed({**encoder, "afterconv1.weight": last.weight.detach()[:, :, None], **heads}, "module.")
    x = images(48)
    with torch.no_grad():
        stem = model.maxpool(model.relu(model.bn1(model.conv1(x))))
        patches = last(model.layer3(model.layer2(model.layer1(stem)))).relu()
    content = {"state_dict": state, "epoch": 15, "optimizer": {}}
    return Case(content, "ct", x, patches.mean((2, 3)), patches.flatten(2).transpose(1, 2))


def mast_block(channels: int, planes: int, stride: int) -> BasicBlock:
    changes = stride > 1 or channels != planes
    shortcut = nn.Sequential(nn.Conv2d(channels, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
    return BasicBlock(channels, planes, stride, shortcut if changes else None)


@case
def mast() -> Case:
    """Blocks named as two numbered sequences; RGB colors become Lab."""
    stages = [
        nn.Sequential(mast_block(first, planes, stride), mast_block(planes, planes, 1))
        for first, planes, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 1), (256, 256, 1))
    ]
    stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    network = randomized(nn.Sequential(stem, *stages, nn.Conv2d(256, 64, 3, padding=1)))
    parts = {"conv1": "left.0", "bn1": "left.1", "conv2": "left.3", "bn2": "left.4", "downsample": "shortcut"}
    state: State = {}
    for name, tensor in network.state_dict().items():
        child, _, rest = name.partition(".")
        for ours, theirs in parts.items():
            rest = re.sub(rf"^(\d)\.{ours}\.", rf"\1.{theirs}.", rest)
        stage = {"0": "feature_extraction.conv1", "5": "post_convolution"}.get(
            child, f"feature_extraction.layer{child}"
        )
        state[f"{stage}.{rest}"] = tensor
    x = torch.rand(2, 3, 45, 62, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        patches = network(lab_by_opencv(x))
    content = {"epoch": 19, "state_dict": state, "optimizer": {}}
    return Case(content, "mast", x, patches.mean((2, 3)), patches.flatten(2).transpose(1, 2))


def lab_by_opencv(x: torch.Tensor) -> torch.Tensor:
    """As images are read from files by OpenCV: blue first, lightness from 0 to 100."""
    lab = [cv2.cvtColor(each.permute(1, 2, 0).numpy()[..., ::-1].copy(), cv2.COLOR_BGR2Lab) for each in x]
    lightness, *colors = torch.from_numpy(np.stack(lab)).unbind(-1)
    return torch.stack([lightness / 50 - 1, *(color / 127 for color in colors)], dim=1)
