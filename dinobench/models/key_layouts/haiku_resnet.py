"""ResNets as Haiku names them (BYOL): (h, w, in, out) kernels, scales and offsets of four axes, averages apart."""

from __future__ import annotations

import re
from typing import Any

import torch

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.loading.state_dict import State

RENAMES = (
    (r"^initial_conv", "conv1"),
    (r"^initial_batchnorm", "bn1"),
    (r"/~/shortcut_conv", ".downsample.0"),
    (r"/~/shortcut_batchnorm", ".downsample.1"),
    (r"/~/mean_ema\.average$", ".running_mean"),
    (r"/~/var_ema\.average$", ".running_var"),
    (r"\.(w|scale)$", ".weight"),
    (r"\.offset$", ".bias"),
)


def translate(conversion: StateDictConversion) -> None:
    """Names and axes of torch; what only training reads goes."""
    conversion.drop(r"logits\.", "head")
    conversion.drop(r".*/~/(mean|var)_ema\.(counter|hidden)$", "running sum that only training reads")
    for stage in range(4):
        conversion.rename(rf"^block_group_{stage}/~/block_(\d+)", rf"layer{stage + 1}.\1")
    for number in range(3):
        conversion.rename(rf"/~/conv_{number}\b", f".conv{number + 1}")
        conversion.rename(rf"/~/batchnorm_{number}\b", f".bn{number + 1}")
    for pattern, replacement in RENAMES:
        conversion.rename(pattern, replacement)
    for name, tensor in list(conversion.tensors.items()):
        if tensor.ndim == 4:
            vector = tensor.shape[:3] == (1, 1, 1) and not _is_kernel(name)
            changed = tensor.flatten() if vector else tensor.permute(3, 2, 0, 1).contiguous()
            conversion.change(name, changed, "flattened" if vector else "transposed")


def _is_kernel(name: str) -> bool:
    return "conv" in name or "downsample.0" in name


def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The empty ResNet whose shape the tensors show; Haiku pads as TensorFlow does."""
    facts.get("padding", "same", "as Haiku pads")
    return resnet.build(conversion, facts, same="same")


ANCHORS = (
    "initial_conv.w",
    "initial_batchnorm.scale",
    "initial_batchnorm/~/mean_ema.average",
    "block_group_0/~/block_0/~/conv_0.w",
    "block_group_3/~/block_0/~/conv_0.w",
)


def write(state: State) -> State:
    """Names and axes of Haiku: what `translate` undoes."""
    written = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        module, _, kind = name.rpartition(".")
        kind = {"weight": "w" if tensor.ndim == 4 else "scale", "bias": "offset"}.get(kind, kind)
        kind = re.sub(r"^running_(\w+)$", r"/~/\1_ema.average", kind)
        changed = tensor.permute(2, 3, 1, 0) if tensor.ndim == 4 else tensor.reshape(1, 1, 1, -1)
        separator = "" if kind.startswith("/") else "."
        written[f"{_haiku_module(module)}{separator}{kind}"] = changed.contiguous()
    return written


def _haiku_module(name: str) -> str:
    if name in ("conv1", "bn1"):
        return {"conv1": "initial_conv", "bn1": "initial_batchnorm"}[name]
    stage, block, part, *number = name.split(".")
    place = f"block_group_{int(stage[-1]) - 1}/~/block_{block}/~/"
    if part == "downsample":
        return place + ("shortcut_conv", "shortcut_batchnorm")[int(number[0])]
    return f"{place}{part[:-1].replace('bn', 'batchnorm')}_{int(part[-1]) - 1}"


def experiment(state: State) -> dict[str, Any]:
    """The tables of one of the authors' files: parameters and running averages of two networks, by module."""
    tables: dict[str, dict[str, Any]] = {"online_params": {}, "online_state": {}}
    for name, tensor in state.items():
        module, _, kind = name.rpartition(".")
        table = tables["online_state" if kind == "average" else "online_params"]
        table.setdefault(f"res_net/~/{module}", {})[kind] = tensor.numpy()
    target = {"target_params": {"predictor/~/linear": {"w": torch.zeros(1, 1).numpy()}}, "target_state": {}}
    return {"experiment_state": tables | target, "step": 1}


LAYOUT = KeyLayout("ResNet, Haiku names", ANCHORS, translate, build, write)
