"""ConvNeXt in the released names of ConvNeXt and DINOv3; timm holds the network."""

from __future__ import annotations

from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.networks.timm_adapter import TimmConvNet, create_timm
from dinobench.runtime.errors import InputError

SIZES = {(96, 9): "tiny", (96, 27): "small", (128, 27): "base", (192, 27): "large", (256, 27): "xlarge"}
RENAMES = (
    (r"^downsample_layers\.0\.", "stem."),
    (r"^downsample_layers\.(\d)\.", r"stages.\1.downsample."),
    (r"^stages\.(\d)\.(\d+)\.", r"stages.\1.blocks.\2."),
    (r"\.dwconv\.", ".conv_dw."),
    (r"\.pwconv(\d)\.", r".mlp.fc\1."),
    (r"^norm\.", "head.norm."),
)


def translate(conversion: StateDictConversion) -> None:
    """To timm's names; DINOv3 stores the final norm twice."""
    conversion.drop(r"head\.", "head")
    conversion.drop(r"norms\.", "second copy of the final norm")
    for pattern, replacement in RENAMES:
        conversion.rename(pattern, replacement)


def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The network of timm of the same width and depth; DINOv3 normalizes the last map as it does the pooled output."""
    width = conversion.tensors["stem.0.weight"].shape[0]
    blocks = len(conversion.matching(r"stages\.2\.blocks\.\d+\.norm\.weight"))
    if (width, blocks) not in SIZES:
        raise InputError(f"no ConvNeXt has width {width} and {blocks} blocks in its third stage; is a block missing?")
    name = f"convnext_{SIZES[width, blocks]}"
    network = create_timm(name, pretrained=False, image_size=None)
    return Network(TimmConvNet(network, map_norm="head.norm"), name, facts.get("image_size", 224))


LAYOUT = KeyLayout(
    "ConvNeXt, released names",
    ("downsample_layers.0.0.weight", "stages.0.0.dwconv.weight", "norm.weight"),
    translate,
    build,
)
