"""ResNets as Haiku names them (BYOL): (h, w, in, out) kernels, scales and offsets of four axes, averages apart."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network

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
LAYOUT = KeyLayout("ResNet, Haiku names", ANCHORS, translate, build)
