"""XCiT in the released names; timm holds the network, and splits the class attention's joint projection."""

from __future__ import annotations

from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.networks.timm_adapter import adapt_timm, create_timm
from dinobench.runtime.errors import InputError

LETTERS = {(192, 4): "tiny", (128, 4): "nano", (384, 8): "small", (512, 8): "medium", (768, 16): "large"}


def translate(conversion: StateDictConversion) -> None:
    """To timm's names."""
    conversion.drop(r"head\.", "head")
    conversion.rename(r"^pos_embeder\.", "pos_embed.")
    for name in conversion.matching(r"cls_attn_blocks\.\d+\.attn\.qkv\."):
        conversion.split(name, [name.replace(".qkv.", f".{part}.") for part in "qkv"])


def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The network of timm of the same width, depth and patch size."""
    dim = conversion.tensors["cls_token"].shape[-1]
    heads = conversion.tensors["blocks.0.attn.temperature"].shape[0]
    depth = len(conversion.matching(r"blocks\.\d+\.norm1\.weight"))
    steps = len(conversion.matching(r"patch_embed\.proj\.\d+\.0\.weight"))
    letter = LETTERS.get((dim, heads))
    if letter is None or depth not in (12, 24):
        raise InputError(f"no XCiT has width {dim}, {heads} heads and {depth} blocks; is a block missing?")
    name = f"xcit_{letter}_{depth}_p{2**steps}"
    network = create_timm(f"{name}_224", pretrained=False, image_size=None)
    return Network(adapt_timm(network), name, facts.get("image_size", 224))


LAYOUT = KeyLayout(
    "XCiT, released names",
    ("cls_token", "cls_attn_blocks.0.norm1.weight", "blocks.0.attn.temperature"),
    translate,
    build,
)
