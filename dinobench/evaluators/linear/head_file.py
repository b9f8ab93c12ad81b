"""Files of linear heads: ours, and those that released code writes, each read in the order of its own features.

    linear.weight, linear.bias                       eval_linear of DINO and of iBOT, which lay features out differently
    classifiers_dict.classifier_N_blocks_avgpool_B_*  eval/linear of DINOv2; the name tells the feature
    weight, bias                                     torch hub heads of DINOv2 (1 or 4 blocks) and DINOv3 (1 block)
    head.0.running_mean, head.1.weight, ...          main_linprobe of MAE: a batch norm before the layer
    head.weight or fc.weight, beside a network       main_lincls of MoCo v3

A row of features is concatenated, but for DINO's eval_linear with `--avgpool_patchtokens true`: there class token and
mean patch alternate element by element (cls0, mean0, cls1, mean1, ...).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from dinobench.evaluators.linear.head_classes import RowNames, row_names
from dinobench.evaluators.linear.heads import LinearHead
from dinobench.features.names import parse_feature
from dinobench.models.loading.container import CheckpointContents, open_container
from dinobench.models.loading.state_dict import State, flatten
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path

_MAE_EPSILON = 1e-6  # of the batch norm that MAE puts before its head
_HUB_FEATURES = {2: "cls+mean", 5: "cls.4+cls.3+cls.2+cls.1+mean"}  # by width in tokens, DINOv2 and DINOv3
_DINOV2_NAME = re.compile(r"classifier_(\d+)_blocks_avgpool_(True|False)_")
_ORDER_OF_FAMILY = {"dino": "interleaved", "ibot": "concatenated"}  # whose eval_linear trains heads for these weights


@dataclass(frozen=True)
class HeadFile:
    """A head and what its file tells of the rows that it reads.

    Attributes:
        feature: name of the feature, "hub" where its width tells it, empty where the file does not tell.
        order: "concatenated", or "auto" where the file does not tell.
        rows: what numbers the classes of its rows.
    """

    path: Path
    head: LinearHead
    feature: str = ""
    order: str = "concatenated"
    rows: RowNames = field(default_factory=RowNames)

    def feature_for(self, asked: str, usual: str, dim: int) -> str:
        """The feature that this head reads.

        Args:
            asked: by the user, empty for none.
            usual: the paper's feature of the network.
            dim: width of one token.

        Raises:
            InputError: the file says another feature than the user.
        """
        told = self.feature
        if told == "hub":
            told = _HUB_FEATURES.get(self.head.weight.shape[1] // dim, "")
        if asked and told and parse_feature(asked) != parse_feature(told):
            raise InputError(f"{self.path} was trained on feature {told}, not {asked}; leave out --set features")
        return asked or told or usual

    def concatenated(self, feature: str, order: str, family: str) -> tuple[LinearHead, str]:
        """The head for concatenated rows of `feature`, and the order in which its file has them.

        Args:
            feature: that it reads.
            order: setting `head_order`; "auto" takes what the file tells, else the network's family.
            family: of the network.

        Raises:
            InputError: neither file nor family tells the order.
        """
        if [column.kind for column in parse_feature(feature)] != ["cls", "mean"]:
            return self.head, "concatenated"  # no released code interleaves anything else
        found = self.order if order == "auto" else order
        if found == "auto":
            found = _ORDER_OF_FAMILY.get(family, "")
        if not found:
            raise InputError(
                f"{self.path} does not tell in which order it reads class token and mean patch; give "
                "--set head_order=interleaved (eval_linear of DINO) or concatenated (eval_linear of iBOT)"
            )
        return (_deinterleave_columns(self.head) if found == "interleaved" else self.head), found


def save_head(path: Path, head: LinearHead, feature: str, classes: Sequence[str] = ()) -> None:
    """Write a head that `load_head` reads, with the names of its feature and its classes; the order is concatenated."""
    with atomic_path(path) as temporary:
        tensors = {"linear.weight": head.weight.cpu().contiguous(), "linear.bias": head.bias.cpu()}
        about = {"feature": json.dumps(feature), "classes": json.dumps(list(classes))}
        temporary.write_bytes(_in_order(save(tensors, metadata=about)))


def _in_order(data: bytes) -> bytes:
    """A safetensors file whose metadata stand in the order of their names: its library draws the order anew each time.

    So equal heads are equal files, and the digests in records are.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def load_head(path: Path) -> HeadFile:
    """A classifier from a file: ours or a released one; see the top of this module for the kinds.

    Raises:
        InputError: the file cannot be read or does not hold exactly one head.
    """
    contents = open_container(path)
    tensors = flatten(contents.content)
    found = (
        _eval_linear(path, contents, tensors)
        or _hub_head(path, tensors)
        or _mae_head(path, tensors)
        or _network_head(path, tensors)
    )
    if found is None:
        names = ", ".join(list(tensors)[:4])
        raise InputError(
            f"{path} is not a linear head: it needs one linear.weight (C, D) and linear.bias (C,); has {names}"
        )
    return replace(found, rows=row_names(path, contents, len(found.head.weight)))


def _eval_linear(path: Path, contents: CheckpointContents, tensors: State) -> HeadFile | None:
    head = _one_head(tensors, r"(.*\.)?linear\.")
    if head is None:
        return None
    if feature := _own_feature(path, contents):
        return HeadFile(path, head, feature)
    named = next((match for name in tensors if (match := _DINOV2_NAME.search(name))), None)
    if named is None:
        return HeadFile(path, head, order="auto")
    classes = [f"cls.{layer}" for layer in range(int(named[1]), 0, -1)]
    return HeadFile(path, head, "+".join([*classes, "mean"] if named[2] == "True" else classes))


def _own_feature(path: Path, contents: CheckpointContents) -> str:
    """The feature that our own file names."""
    if contents.kind != "safetensors":
        return ""
    with safe_open(path, framework="pt") as archive:
        text = (archive.metadata() or {}).get("feature", '""')
    try:
        feature = str(json.loads(text))
        return feature if not feature or parse_feature(feature) else ""
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} names no feature: {text[:40]!r}; save the head again") from error


def _hub_head(path: Path, tensors: State) -> HeadFile | None:
    head = _one_head(tensors, r"(state_dict\.|linear_head\.)?") if len(tensors) == 2 else None
    return None if head is None else HeadFile(path, head, "hub")


def _mae_head(path: Path, tensors: State) -> HeadFile | None:
    head = _one_head(tensors, r"(.*\.)?head\.1\.")
    norm = {name.rsplit(".", 1)[1]: tensor for name, tensor in tensors.items() if re.search(r"(^|\.)head\.0\.", name)}
    if head is None or not {"running_mean", "running_var"} <= norm.keys():
        return None
    _refuse_other_pooling(path, tensors)
    return HeadFile(path, _fold_batch_norm(head, norm["running_mean"], norm["running_var"]), "cls")


def _network_head(path: Path, tensors: State) -> HeadFile | None:
    head = _one_head(tensors, r"(module\.|model\.|state_dict\.)*(head|fc)\.")
    if head is None:
        return None
    _refuse_other_pooling(path, tensors)
    return HeadFile(path, head, "cls")


def _refuse_other_pooling(path: Path, tensors: State) -> None:
    if any(re.search(r"(^|\.)fc_norm\.", name) for name in tensors):
        raise InputError(
            f"{path} averages patch tokens before a norm of its own (fc_norm), which is not a feature of dinobench; "
            "score a head that was trained on the class token"
        )


def _one_head(tensors: State, scope: str) -> LinearHead | None:
    """The only weight (C, D) and bias (C,) whose names are `scope` (a pattern) and weight or bias."""
    weights = _matching_tensors(tensors, scope + "weight", 2)
    biases = _matching_tensors(tensors, scope + "bias", 1)
    if len(weights) != 1 or len(biases) != 1 or len(weights[0]) != len(biases[0]):
        return None
    return LinearHead(weights[0].float(), biases[0].float())


def _matching_tensors(tensors: Mapping[str, Tensor], pattern: str, axes: int) -> list[Tensor]:
    return [tensor for name, tensor in tensors.items() if re.fullmatch(pattern, name) and tensor.ndim == axes]


def _fold_batch_norm(head: LinearHead, mean: Tensor, variance: Tensor) -> LinearHead:
    """The head that does a batch norm's work too (in evaluation, without gain and shift)."""
    weight = head.weight.double() / torch.sqrt(variance.double() + _MAE_EPSILON)
    return LinearHead(weight.float(), (head.bias.double() - weight @ mean.double()).float())


def _deinterleave_columns(head: LinearHead) -> LinearHead:
    """Columns cls0, mean0, cls1, mean1, ... as all of the class token, then all of the mean patch."""
    return replace(head, weight=torch.cat([head.weight[:, 0::2], head.weight[:, 1::2]], 1))
