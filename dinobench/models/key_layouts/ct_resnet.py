"""The encoder of CT (TimeCycle): torchvision's names, inflated to three dimensions of which time has one step."""

from __future__ import annotations

import torch

from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.loading.state_dict import State
from dinobench.models.networks.trackers import CycleNetwork
from dinobench.runtime.errors import InputError

_INFLATED = 5


def translate(conversion: StateDictConversion) -> None:
    """Names of torchvision and kernels of two dimensions; what the source does not compare frames with goes."""
    conversion.drop(r"encoderVideo\.layer4\.", "fourth stage, which the source does not run")
    conversion.drop(r"encoderVideo\.fc\.", "head")
    conversion.drop(r"(afterconv[34]_trans|linear2)\.", "finds the place of a patch, in training alone")
    conversion.rename(r"^encoderVideo\.", "")
    for name, tensor in list(conversion.tensors.items()):
        if tensor.dim() == _INFLATED:
            if tensor.shape[2] != 1:
                raise InputError(f"{name} sees {tensor.shape[2]} frames at once; CT's kernels see one")
            conversion.change(name, tensor.squeeze(2), "deflated: its one step of time taken away")


def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The empty encoder; its strides are those of the source, which no tensor shows."""
    with torch.device("meta"):
        backbone = CycleNetwork(conversion.tensors["afterconv1.weight"].shape[0])
    return Network(backbone, "resnet50_ct", facts.get("image_size", 240))


def write(state: State) -> State:
    """Inflated kernels in the names of the source: what `translate` undoes."""
    return {
        name if name.startswith("afterconv1.") else f"encoderVideo.{name}": _inflated(tensor)
        for name, tensor in state.items()
    }


def _inflated(tensor: torch.Tensor) -> torch.Tensor:
    return tensor[:, :, None] if tensor.dim() == _INFLATED - 1 else tensor


LAYOUT = KeyLayout(
    "inflated ResNet of CT",
    ("encoderVideo.conv1.weight", "encoderVideo.layer3.0.conv1.weight", "afterconv1.weight"),
    translate,
    build,
    write,
)
