"""Vision transformers as JAX stores them: the npz files of AugReg (vision_transformer) and big_vision."""

from __future__ import annotations

from torch import Tensor

from dinobench.models.key_layouts import vit
from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout
from dinobench.runtime.errors import InputError

RENAMES = (
    (r"^cls$", "cls_token"),
    (r"^embedding/", "patch_embed.proj/"),
    (r"^(Transformer/posembed_input/)?pos_embedding$", "pos_embed"),
    (r"^Transformer/encoder_norm/", "norm/"),
    (r"^Transformer/encoderblock_(\d+)/", r"blocks.\1."),
    (r"LayerNorm_0/", "norm1/"),
    (r"LayerNorm_[12]/", "norm2/"),
    (r"MultiHeadDotProductAttention_[01]/(query|key|value)/", r"attn.\1/"),
    (r"MultiHeadDotProductAttention_[01]/out/", "attn.proj/"),
    (r"MlpBlock_[03]/Dense_0/", "mlp.fc1/"),
    (r"MlpBlock_[03]/Dense_1/", "mlp.fc2/"),
    (r"/(kernel|scale)$", ".weight"),
    (r"/bias$", ".bias"),
)


def translate(conversion: StateDictConversion) -> None:
    """Rename, bring every kernel to torch's axes, join query, key and value."""
    if conversion.matching("Transformer/encoderblock/"):
        raise InputError("the blocks are stacked in one array (scanned); save them unrolled")
    conversion.drop(r"head/|pre_logits/|MAPHead_0/", "head")
    for pattern, replacement in RENAMES:
        conversion.rename(pattern, replacement)
    bias = conversion.tensors.get("blocks.0.attn.query.bias")
    if bias is not None and bias.ndim == 2:
        conversion.found["heads"] = bias.shape[0]
    for name in conversion.matching(r".*(attn|mlp|patch_embed)\."):
        conversion.change(name, _torch_axes(name, conversion.tensors[name]), "transposed")
    for query in conversion.matching(r"blocks\.\d+\.attn\.query\."):
        parts = (query, query.replace("query", "key"), query.replace("query", "value"))
        conversion.join(parts, query.replace("query", "qkv"))
    vit.translate(conversion)


def _torch_axes(name: str, tensor: Tensor) -> Tensor:
    """Kernels (h, w, in, out), (in, heads, d), (heads, d, out) as (out, in, h, w), (heads d, in), (out, heads d)."""
    if name.startswith("patch_embed") and tensor.ndim == 4:
        return tensor.permute(3, 2, 0, 1).contiguous()
    if name.endswith(".bias"):
        return tensor.reshape(-1)
    if ".attn.proj." in name and tensor.ndim == 3:
        return tensor.flatten(0, 1).T.contiguous()
    if tensor.ndim == 3:
        return tensor.flatten(1, 2).T.contiguous()
    return tensor.T.contiguous() if tensor.ndim == 2 else tensor


LAYOUT = KeyLayout(
    "vision transformer, JAX names", ("embedding/kernel", "Transformer/encoder_norm/scale"), translate, vit.build
)
