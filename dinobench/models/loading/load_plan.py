"""How a checkpoint would load: its family, the network its tensors show, and what becomes of every one of them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dinobench.models.loading.container import Contents
from dinobench.models.loading.conversion import Rewriting
from dinobench.models.loading.family import Facts, Family, Layout, Network, all_families
from dinobench.models.loading.key_report import LoadReport, compare_tensors, reasons_outside, role
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.loading.state_dict import State, first_names, flatten, scopes, unchunk
from dinobench.models.networks.backbone import Backbone, Preprocessing
from dinobench.models.networks.build import VIT_NAME, VIT_SIZES, canonical_architecture
from dinobench.models.networks.position import RESIZE_WAYS
from dinobench.models.networks.vit import VisionTransformer
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import plain


@dataclass(frozen=True)
class LoadPlan:
    """A report together with what carries it out.

    Attributes:
        tensors: by the backbone's names, in fp32.
        facts: what the tensors do not say and features depend on, with where it is known from.
    """

    report: LoadReport
    network: Network
    tensors: State
    preprocessing: Preprocessing
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Match:
    """A family that fits a table of tensors, and the prefixes under which its network stands there."""

    family: Family
    layout: Layout
    prefixes: list[str]
    evidence: list[str]


def make_plan(
    contents: Contents,
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
    state = unchunk(flatten(contents.content))
    if not state:
        raise InputError("the file holds no tensors; save the model's state_dict()")
    match = _match(state, (family,) if family else all_families())
    prefix, choices = _choose(match, settings.weights)
    inside = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    rewriting = Rewriting(inside, prefix)
    arguments = checkpoint_arguments(contents.content)
    facts = Facts(
        ("from the command line", plain(settings)),
        ("from the checkpoint", _facts_of(arguments)),
        ("from the configuration beside it", beside or {}),
        (f"as {match.family.title} has it", match.family.facts),
    )
    network = _translate(match, rewriting, facts)
    expected = network.backbone.state_dict()
    _reset_counters(rewriting, expected)
    account = compare_tensors(rewriting, expected)
    rewriting.keep(expected)
    if not account.mismatched:
        _as_float32(rewriting)
    report = LoadReport(
        family=match.family.name,
        title=match.family.title,
        why=f"found {first_names(match.evidence)}" if match.evidence else f"tensors named as in a {match.layout.name}",
        layout=match.layout.name,
        architecture=network.architecture,
        choices=(*choices, *(f"{name}: {note}" for name, note in facts.notes.items())),
        changed={name: how for name, how in rewriting.changed.items() if name in rewriting},
        ignored=contents.ignored,
        parameters=sum(parameter.numel() for parameter in network.backbone.parameters()),
        **vars(replace(account, dropped={**account.dropped, **reasons_outside(state, prefix, match.prefixes)})),
    )
    preprocessing = _preprocessing(match.family, network, facts, arguments, settings)
    return LoadPlan(report, network, rewriting.tensors, preprocessing, facts.notes)


def _match(state: State, families: tuple[Family, ...]) -> Match:
    """The first family whose signs and layout the tensors show."""
    for family in families:
        evidence = family.evidence(state)
        for layout in family.layouts if evidence is not None else ():
            prefixes = scopes(state, layout.anchors)
            if prefixes:
                return Match(family, layout, prefixes, evidence or [])
    tried = f"the {families[0].title} family does not fit" if len(families) == 1 else "no known checkpoint family fits"
    raise InputError(
        f"{tried}: {len(state)} tensors such as {first_names(state)}; name another with --set family=NAME, a timm "
        f"model with --set architecture=NAME, or describe yours with --set family_file=FILE.py"
    )


def _choose(match: Match, wanted: str) -> tuple[str, list[str]]:
    """One prefix of several, and how that was decided."""
    roles = {prefix: role(prefix) for prefix in match.prefixes}
    fitting = [prefix for prefix in match.prefixes if roles[prefix] == (wanted or match.family.branch)]
    plain = [prefix for prefix in match.prefixes if not roles[prefix]]
    if wanted and not fitting and not plain:
        raise InputError(
            f"the file holds no {wanted} weights, only those under {first_names(map(repr, match.prefixes))}"
        )
    chosen = (fitting or plain or match.prefixes)[0]
    others = [repr(prefix) for prefix in match.prefixes if prefix != chosen]
    beside = f", not {first_names(others)}; weights=teacher|student changes it" if others else ""
    return chosen, [f"weights: {roles[chosen] or 'network'} under {chosen!r}{beside}"] if chosen or others else []


def _translate(match: Match, rewriting: Rewriting, facts: Facts) -> Network:
    """Our names, and the empty network that the tensors under them fill."""
    try:
        for pattern, why in match.family.drops:
            rewriting.drop(pattern, why)
        match.layout.translate(rewriting)
        return match.layout.build(rewriting, facts)
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
        # Layouts read shapes freely; a tensor without the axes that its name promises ends here.
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"the tensors have not the shapes of a {match.layout.name} ({reason})") from error


def _reset_counters(rewriting: Rewriting, expected: Mapping[str, Tensor]) -> None:
    """Batch norm's counters, which old files lack and evaluation does not read."""
    for name, tensor in expected.items():
        if name.endswith("num_batches_tracked") and name not in rewriting:
            rewriting.add(name, torch.zeros((), dtype=tensor.dtype), "counter that evaluation does not read, set to 0")


def _as_float32(rewriting: Rewriting) -> None:
    for name, tensor in list(rewriting.tensors.items()):
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            rewriting.change(name, tensor.float(), f"{str(tensor.dtype).removeprefix('torch.')} to float32")


def checkpoint_arguments(content: Mapping[Any, Any]) -> dict[str, Any]:
    """The training arguments that DINO's and our own checkpoints carry, empty for others."""
    arguments = content.get("args")
    if isinstance(arguments, argparse.Namespace):
        arguments = vars(arguments)
    if not isinstance(arguments, Mapping):
        return {}
    return {str(key): value for key, value in arguments.items() if _plain(value)}


def _plain(value: object) -> bool:
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
    facts: dict[str, Any] = {ours: _whole(arguments.get(theirs)) for ours, theirs in names.items()}
    if match is not None:
        size = VIT_SIZES[match[1]]
        facts |= {"heads": facts["heads"] or size.heads, "depth": facts["depth"] or size.depth}
    if arguments.get("position_resize") in RESIZE_WAYS:
        facts["resize"] = arguments["position_resize"]
    if isinstance(arguments.get("norm_eps"), float):
        facts["norm_eps"] = arguments["norm_eps"]
    return facts


def _whole(value: object) -> int | None:
    """A positive whole number, or nothing."""
    return value if type(value) is int and value > 0 else None


def _triple(value: object) -> tuple[float, ...] | None:
    return tuple(map(float, value)) if isinstance(value, (list, tuple)) else None


def _preprocessing(
    family: Family, network: Network, facts: Facts, arguments: Mapping[str, Any], settings: ModelSettings
) -> Preprocessing:
    """The family's preprocessing, or the checkpoint's own, at the size that the weights are meant for."""
    base, wanted = family.preprocessing, settings.image_size
    size = wanted or int(facts.get("input_size", network.size, "the network's own"))
    mean, std = _triple(arguments.get("mean")) or base.mean, _triple(arguments.get("std")) or base.std
    result = replace(base, mean=mean, std=std).at(size)
    if size != _whole(arguments.get("input_size")):
        return result
    interpolation = "bilinear" if arguments.get("interpolation") == "bilinear" else "bicubic"
    return replace(result, resize=_whole(arguments.get("resize")) or result.resize, interpolation=interpolation)


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


def default_resize(size: int) -> int:
    """Shorter side before the center crop where nobody says: 256 for 224; small images are taken whole."""
    return Preprocessing().at(size).resize
