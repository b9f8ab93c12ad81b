"""Tensors that must not be left out in silence, and files that hold no whole tensors at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from dinobench.runtime.errors import InputError

# Parts of how a network makes its feature, by their stored names.
# The reason of a dropped tensor that nothing explains.
UNKNOWN = "not part of the backbone"
ADAPTERS = re.compile(
    r"lora|adapt(er|former)|(^|[._])ia3|prompt|prefix_(tokens|encoder)|(^|\.)w_[abqv]\.|_(a|b)_linear|vera_lambda"
    r"|oft_|hada_|lokr_|ssf_(scale|shift)",
    re.IGNORECASE,
)
POOLING = re.compile(r"attn_?pool|attention_pool|map_?head|cls_attn|blocks_token_only|(^|\.)fc_norm\.", re.IGNORECASE)
BEFORE = re.compile(r"(^|\.)(norm_pre|ln_pre|pre_layrnorm|pre_norm)\.|(^|\.)(proj|visual_projection(\.weight)?)$")


def deciding_tensors(
    dropped: Mapping[str, str], inside: Mapping[str, Tensor], dim: int, *, pooled_by_user: bool
) -> tuple[str, ...]:
    """Names of dropped tensors that may be part of how the network makes its feature.

    Args:
        dropped: reason by stored name.
        inside: the tensors that stand with the chosen network, by stored name.
        dim: width of the network; a table or a vector of this width may act on its tokens.
        pooled_by_user: whether the user said how features are pooled.
    """
    return tuple(
        name for name, why in dropped.items() if _is_decisive(name, why == UNKNOWN, inside, dim, pooled_by_user)
    )


def _is_decisive(name: str, unknown: bool, inside: Mapping[str, Tensor], dim: int, pooled_by_user: bool) -> bool:
    if ADAPTERS.search(name):
        return True
    tensor = inside.get(name)
    if tensor is None:
        return False
    if POOLING.search(name):
        return not pooled_by_user
    return bool(BEFORE.search(name)) or (unknown and (tensor.ndim > 1 or dim in tensor.shape))


def has_adapters(names: Iterable[str]) -> bool:
    """Whether some of these names are an adapter's."""
    return any(ADAPTERS.search(name) for name in names)


def advice(names: Iterable[str]) -> str:
    """What decides about such tensors."""
    listed = list(names)
    leave_out = "leave them out by --set leave_out=BEGINNING_OF_THEIR_NAMES if they are not"
    if has_adapters(listed):
        return f"merge the adapters into the weights and save those, or {leave_out}"
    if any(POOLING.search(name) for name in listed):
        return (
            "name timm's network with --set architecture=NAME to have its own feature, or take another by "
            "--set pooling=cls or pooling=mean"
        )
    return f"name timm's network with --set architecture=NAME, or {leave_out}"


def refuse_shards(state: Mapping[str, Tensor]) -> None:
    """Refuse files that hold a part of every tensor, or none.

    Raises:
        InputError: shards of FSDP or placeholders of DeepSpeed, with what joins them.
    """
    if any(re.search(r"(^|\.)_?flat_param(_\d+)?$", name) for name in state):
        raise InputError(
            "the file is one process's flat shard of FSDP, not whole tensors; save with FULL_STATE_DICT, or join a "
            "folder with `python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER OUT.pth`"
        )
    shapes = [tuple(tensor.shape) for tensor in state.values()]
    empty = sum(shape in ((0,), (1,)) for shape in shapes)
    if len(shapes) > 8 and empty > len(shapes) // 2:
        raise InputError(
            f"{empty} of {len(shapes)} tensors have no numbers: placeholders of DeepSpeed's ZeRO-3; join its folder "
            "with `python zero_to_fp32.py FOLDER OUT` (DeepSpeed puts the script there) and give OUT"
        )


def tensor_parallel(mismatched: Mapping[str, str]) -> str:
    """A hint where tensors have an even share of the shape that they need; "" elsewhere."""
    shares = [_size_ratio(how) for how in mismatched.values()]
    whole = {share for share in shares if share in (2, 4, 8, 16)}
    if len(shares) < 2 or not whole:
        return ""
    ranks = int(max(whole))
    return f"; the file may be one of {ranks} ranks of a tensor-parallel network: join the ranks first"


def _size_ratio(how: str) -> float:
    """How many times larger the needed shape is than the one that is there."""
    sizes = [list(map(int, re.findall(r"\d+", shape))) for shape in re.findall(r"\(([^)]*)\)", how)]
    if len(sizes) != 2 or len(sizes[0]) != len(sizes[1]):
        return 0.0
    share = 1.0
    for has, needs in zip(*sizes, strict=True):
        share *= needs / max(has, 1)
    return share
