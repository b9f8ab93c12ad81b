"""How a checkpoint would load: its family, the network its tensors show, and what becomes of every one of them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dinobench.models.loading.adapters import merged
from dinobench.models.loading.choices import Choice
from dinobench.models.loading.configuration import PREPROCESSING
from dinobench.models.loading.container import CheckpointContents
from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import Family, ModelFacts, Network, all_families
from dinobench.models.loading.key_report import LoadReport, TensorAccount, compare_tensors, reasons_outside
from dinobench.models.loading.preprocessing import BESIDE, choose_preprocessing
from dinobench.models.loading.selection import (
    AVERAGED,
    NetworkMatch,
    averaged_lists,
    choose_network,
    match_family,
    with_averages,
)
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.loading.state_dict import State, first_names, flatten, unchunk, without_wrappers
from dinobench.models.loading.unexplained import deciding_tensors, refuse_shards
from dinobench.models.networks.backbone import Backbone, Preprocessing, input_channels
from dinobench.models.networks.network_names import VIT_NAME, VIT_SIZES, canonical_architecture
from dinobench.models.networks.position import RESIZE_WAYS
from dinobench.models.networks.resnet import ResNet
from dinobench.models.networks.vit import VisionTransformer
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import plain


@dataclass(frozen=True)
class LoadPlan:
    """A report together with what carries it out.

    Attributes:
        tensors: by the backbone's names, in fp32.
        facts: what the tensors do not say and features depend on, with where it is known from.
        epoch: of the training that wrote the file, where it says so.
    """

    report: LoadReport
    network: Network
    tensors: State
    preprocessing: Preprocessing
    facts: Mapping[str, str]
    epoch: int | None = None


def make_plan(
    contents: CheckpointContents,
    settings: ModelSettings,
    family: Family | None = None,
    beside: Mapping[str, Any] | None = None,
) -> LoadPlan:
    """Find the family of a checkpoint and account for every tensor.

    Args:
        contents: the opened file.
        settings: the user's: `weights` picks teacher or student; `heads`, `depth`, `image_size`, `resize` and
            `norm_eps` say what the tensors do not.
        family: the only one to try; by default all, the most specific first.
        beside: facts from a configuration file beside the checkpoint.

    Raises:
        InputError: no family fits, or the tensors of the one that does make no network.
    """
    state, choices = _read_tensors(contents.content, settings, float((beside or {}).get("lora_scale", 0.0)))
    match = match_family(state, (family,) if family else all_families())
    prefix, chosen = choose_network(match, state, settings.weights)
    inside = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    conversion = StateDictConversion(inside, prefix)
    arguments = checkpoint_arguments(contents.content)
    facts = ModelFacts(
        ("from the command line", plain(settings)),
        ("from the checkpoint", _facts_of(arguments)),
        (BESIDE, beside or {}),
        (f"as {match.family.title} has it", match.family.facts),
    )
    network = _translate_names(match, conversion, facts)
    _refuse_idle(network, settings)
    account = _account_tensors(conversion, network, reasons_outside(state, prefix, match.prefixes))
    preprocessing, kept = _choose_preprocessing(
        match.family, network, facts, arguments, settings, (beside or {}).get(PREPROCESSING, {})
    )
    report = LoadReport(
        **vars(account),
        family=match.family.name,
        title=match.family.title,
        why=f"found {first_names(match.evidence)}" if match.evidence else f"tensors named as in a {match.layout.name}",
        layout=match.layout.name,
        architecture=network.architecture,
        choices=(*chosen, *choices, *(each for each in facts.choices if each.what != "input_size"), *kept),
        deciding=deciding_tensors(
            {**account.dropped, **dict.fromkeys(account.unexpected, "")},
            {prefix + name: tensor for name, tensor in inside.items()},
            network.backbone.dim,
            pooled_by_user=bool(settings.pooling),
        ),
        changed={name: how for name, how in conversion.changed.items() if name in conversion},
        ignored=contents.ignored,
        parameters=sum(parameter.numel() for parameter in network.backbone.parameters()),
    )
    return LoadPlan(report, network, conversion.tensors, preprocessing, facts.notes)


def _read_tensors(content: Mapping[Any, Any], settings: ModelSettings, lora_scale: float) -> tuple[State, list[Choice]]:
    """The tensors of a file as their own code would name them, adapters merged, less what the user leaves out."""
    choices = []
    state = flatten(content)
    for place, averages in averaged_lists(content):
        if settings.weights == AVERAGED:
            state = with_averages(content, place, averages)
        value = "taken" if settings.weights == AVERAGED else "not taken"
        choices.append(Choice("averaged weights", f"{place}, {value}", f"weights={AVERAGED} takes them"))
    state = unchunk(without_wrappers(state))
    if lora_scale:
        state, count = merged(state, lora_scale)
        value = f"{count} merged into their weights, times {lora_scale:g}"
        choices.append(Choice("adapters", value, "adapter_config.json beside the file"))
    gone = set[str]()
    for part in filter(None, map(str.strip, settings.leave_out.split(","))):
        gone.update(_beginning_with(part, state))
    left = {name: tensor for name, tensor in state.items() if name not in gone}
    if gone:
        choices.append(Choice("leave_out", f"{len(gone)} tensors, {first_names(sorted(gone))}", "set by you"))
    if not left:
        raise InputError("the file holds no tensors; save the model's state_dict()")
    refuse_shards(left)
    return left, choices


def _beginning_with(part: str, state: State) -> list[str]:
    """Names that begin with `part`; where none does, those in which a part between dots begins so."""
    return [name for name in state if name.startswith(part)] or [name for name in state if f".{part}" in name]


def _account_tensors(conversion: StateDictConversion, network: Network, outside: Mapping[str, str]) -> TensorAccount:
    """What becomes of every tensor; afterwards `conversion` holds the backbone's alone, in fp32."""
    expected = network.backbone.state_dict()
    _reset_counters(conversion, expected)
    account = compare_tensors(conversion, expected)
    conversion.keep(expected)
    if not account.mismatched:
        _as_float32(conversion)
    return replace(account, dropped={**account.dropped, **outside})


def _refuse_idle(network: Network, settings: ModelSettings) -> None:
    """Refuse a setting that has no place in this kind of network."""
    if settings.padding and not isinstance(network.backbone, ResNet):
        raise InputError(f"padding acts on ResNets, and this is {network.architecture}; leave it out")
    if settings.pooling and not isinstance(network.backbone, VisionTransformer):
        raise InputError(f"pooling acts on vision transformers, and this is {network.architecture}; leave it out")


def _translate_names(match: NetworkMatch, conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """Our names, and the empty network that the tensors under them fill."""
    try:
        for pattern, why in match.family.drops:
            conversion.drop(pattern, why)
        match.layout.translate(conversion)
        return match.layout.build(conversion, facts)
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
        # Layouts read shapes freely; a tensor without the axes that its name promises ends here.
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"the tensors have not the shapes of a {match.layout.name} ({reason})") from error


def _reset_counters(conversion: StateDictConversion, expected: Mapping[str, Tensor]) -> None:
    """Batch norm's counters, which old files lack and evaluation does not read."""
    for name, tensor in expected.items():
        if name.endswith("num_batches_tracked") and name not in conversion:
            conversion.add(name, torch.zeros((), dtype=tensor.dtype), "counter that evaluation does not read, set to 0")


def _as_float32(conversion: StateDictConversion) -> None:
    for name, tensor in list(conversion.tensors.items()):
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            conversion.change(name, tensor.float(), f"{str(tensor.dtype).removeprefix('torch.')} to float32")


def checkpoint_arguments(content: Mapping[Any, Any]) -> dict[str, Any]:
    """The training arguments that DINO's and our own checkpoints carry, empty for others."""
    arguments = content.get("args")
    if isinstance(arguments, argparse.Namespace):
        arguments = vars(arguments)
    if not isinstance(arguments, Mapping):
        return {}
    return {str(key): value for key, value in arguments.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    """Whether a value is a number, a text, or a list of numbers: all that training arguments are read for."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, (int, float)) for item in value)
    return isinstance(value, (int, float, str))


def _facts_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Heads, depth, native size and what `describe` adds, as far as the training arguments name them."""
    architecture, patch = str(arguments.get("arch", "")), arguments.get("patch_size", 16)
    name = architecture if "/" in architecture else f"{architecture}/{patch}"
    match = VIT_NAME.fullmatch(canonical_architecture(name))
    names = {"image_size": "image_size", "heads": "num_heads", "depth": "depth", "input_size": "input_size"}
    facts: dict[str, Any] = {ours: _whole_number(arguments.get(theirs)) for ours, theirs in names.items()}
    if match is not None:
        size = VIT_SIZES[match["size"]]
        facts |= {"heads": facts["heads"] or size.heads, "depth": facts["depth"] or size.depth}
    if arguments.get("position_resize") in RESIZE_WAYS:
        facts["resize"] = arguments["position_resize"]
    if isinstance(arguments.get("norm_eps"), float):
        facts["norm_eps"] = arguments["norm_eps"]
    return facts


def _whole_number(value: object) -> int | None:
    """A positive whole number, or nothing."""
    return value if type(value) is int and value > 0 else None


def _choose_preprocessing(
    family: Family,
    network: Network,
    facts: ModelFacts,
    arguments: Mapping[str, Any],
    settings: ModelSettings,
    beside: Mapping[str, Any],
) -> tuple[Preprocessing, tuple[Choice, ...]]:
    """The family's preprocessing, or the checkpoint's own, at the size that the weights are meant for."""
    size = settings.image_size or int(facts.get("input_size", network.size, "the network's own"))
    source = family.preprocessing_source or f"by convention of {family.title}"
    channels = input_channels(network.backbone)
    preprocessing, choices = choose_preprocessing(
        family.preprocessing,
        source,
        settings,
        size=size,
        channels=channels,
        arguments=arguments,
        beside=beside,
    )
    own = "" if settings.image_size else facts.source("input_size")
    return preprocessing, tuple(
        replace(each, source=own or each.source) if each.what == "image_size" else each for each in choices
    )


def describe(architecture: str, family: str, backbone: Backbone, preprocessing: Preprocessing) -> dict[str, Any]:
    """What a file must say in `args`, beside a backbone's tensors, to be loaded without settings.

    Args:
        architecture: as the network was loaded.
        family: whose weights it began with; networks of "timm" and "torchvision" are built by their names again.
        backbone: any.
        preprocessing: what its weights expect now.
    """
    arguments: dict[str, Any] = {
        "architecture": architecture,
        "family": family,
        "input_size": preprocessing.size,
        "resize": preprocessing.resize,
        "interpolation": preprocessing.interpolation,
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
    }
    if isinstance(backbone, VisionTransformer):
        shape = backbone.shape
        arguments |= {"image_size": shape.image_size, "num_heads": shape.heads, "depth": shape.depth}
        arguments |= {"norm_eps": shape.norm_eps, "position_resize": shape.resize}
    return arguments
