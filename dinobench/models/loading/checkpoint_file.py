"""Checkpoint files: where they lie, how they would load, and loading them with nothing left to chance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dinobench.models.key_layouts.timm_any import built_family, timm_family
from dinobench.models.key_layouts.vit import ASSUMED_HEADS
from dinobench.models.loading.adapters import lora_scale
from dinobench.models.loading.choices import Choice
from dinobench.models.loading.configuration import configuration_of
from dinobench.models.loading.container import CheckpointContents
from dinobench.models.loading.family import Family, family_called, family_from_file
from dinobench.models.loading.known_networks import heads_by_network
from dinobench.models.loading.load_plan import LoadPlan, checkpoint_arguments, make_plan
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.loading.model_paths import CHECKPOINTS, checkpoint_path
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.loading.shards import open_checkpoint
from dinobench.models.loading.state_dict import first_names, flatten, unchunk, without_wrappers
from dinobench.models.networks.backbone import Backbone
from dinobench.models.networks.build import owners
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path


def training_data(spec: str) -> str | None:
    """The data SPEC that a run was trained on, if `spec` is a run's directory or checkpoint and says so."""
    path = user_path(spec)
    if not path.exists():
        return None
    data = checkpoint_arguments(open_checkpoint(checkpoint_path(spec)).content).get("data")
    return str(data) if data else None


_ENDINGS = re.compile(r"(\.(pth|pt|th|pkl|bin|ckpt|safetensors|npz|tar|gz|zip|onnx))+$", re.IGNORECASE)


def plan_file(path: Path, settings: ModelSettings | None = None) -> LoadPlan:
    """How a checkpoint file would load; nothing is refused but what is not a network at all.

    Raises:
        InputError: the file cannot be opened, or no family fits; the message begins with the path.
    """
    settings = settings or ModelSettings()
    contents = open_checkpoint(path)
    beside, remark = configuration_of(path.parent / "config.json", contents)
    if scale := lora_scale(path.parent / "adapter_config.json"):
        beside |= {"lora_scale": scale}
    try:
        plan = _plan_or_reason(contents, settings, beside)
        described = (
            _named_by_user(settings) or settings.heads or settings.depth
        )  # which a network of timm would not heed
        if not described and (isinstance(plan, InputError) or plan.report.of_another_network):
            from dinobench.models.loading.identification import timm_plan  # timm takes seconds, and few files need it

            plan = timm_plan(contents, settings) or plan
        if beside and (isinstance(plan, InputError) or plan.report.refusal):
            alone = _plan_or_reason(contents, settings, {"lora_scale": scale})
            if not isinstance(alone, InputError) and not alone.report.refusal:
                plan, remark = alone, Choice("config.json", "left out: with it the file would not load", "beside it")
        if isinstance(plan, InputError):
            raise plan
        _refuse_doubtful_heads(plan, contents, settings)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    plan = replace(plan, epoch=_epoch_of(contents.content))
    if remark is None:
        return plan
    return replace(plan, report=replace(plan.report, choices=(*plan.report.choices, remark)))


def _refuse_doubtful_heads(plan: LoadPlan, contents: CheckpointContents, settings: ModelSettings) -> None:
    """Refuse to assume a number of heads where timm has a network of exactly these tensors with another."""
    heads = next((choice for choice in plan.report.choices if choice.what == "heads"), None)
    if heads is None or _named_by_user(settings) or heads.source not in ASSUMED_HEADS:
        return
    known = heads_by_network(unchunk(without_wrappers(flatten(contents.content))))
    if any(count != int(heads.value) for count in known.values()):
        listed = ", ".join(f"{name} ({count})" for name, count in known.items())
        raise InputError(
            f"the number of heads is not in the file, and its tensors are those of timm's {listed}, where "
            f"{heads.source} would give {heads.value}; say which by --set architecture=NAME or --set heads=N"
        )


def _epoch_of(content: object) -> int | None:
    """The epoch that a training wrote beside the weights."""
    epoch = content.get("epoch") if isinstance(content, Mapping) else None
    return epoch if isinstance(epoch, int) and not isinstance(epoch, bool) else None


def _plan_or_reason(
    contents: CheckpointContents, settings: ModelSettings, beside: Mapping[str, Any]
) -> LoadPlan | InputError:
    """The plan of a file, or why there is none; a network that its own arguments name is built by that name."""
    arguments = checkpoint_arguments(contents.content)
    try:
        family = _find_family(settings, beside, arguments)
        plan = make_plan(contents, settings, family, beside)
        if family is not None or not plan.report.refusal or not _is_built(arguments):
            return plan
    except InputError as error:
        if settings.family or settings.family_file or not _is_built(arguments):
            return error
    try:
        return make_plan(contents, settings, built_family(str(arguments["architecture"])), beside)
    except InputError as error:
        return error


def _named_by_user(settings: ModelSettings) -> bool:
    return bool(settings.family or settings.family_file or settings.architecture)


def _is_built(arguments: Mapping[str, Any]) -> bool:
    """Whether a checkpoint of ours names a torchvision or timm network."""
    return bool(owners(str(arguments.get("architecture", ""))))


def _find_family(settings: ModelSettings, beside: Mapping[str, Any], arguments: Mapping[str, Any]) -> Family | None:
    """The one family that the user, a hub's configuration or the checkpoint itself named."""
    if settings.family_file:
        return family_from_file(user_path(settings.family_file))
    if settings.family:
        return family_called(settings.family)
    architecture = settings.architecture or beside.get("architecture")
    if not architecture and arguments.get("family") == "timm":
        architecture = arguments.get("architecture")
    return timm_family(str(architecture)) if architecture else None


def fill(plan: LoadPlan, source: str) -> Backbone:
    """Carry out a plan: every tensor of the backbone from the file, none left to chance.

    Raises:
        InputError: the report refuses, or a weight is not finite.
    """
    if plan.report.refusal:
        raise InputError(
            f"{source} looks like {plan.report.title} ({plan.report.architecture}), but {plan.report.refusal}"
        )
    expected = plan.network.backbone.state_dict()
    strange = [name for name, tensor in plan.tensors.items() if not _same_storage(tensor, expected[name])]
    if strange:
        raise InputError(f"{source}: {first_names(strange)} are no plain floating point tensors")
    for name, tensor in plan.tensors.items():
        if not _is_finite(tensor):
            raise InputError(f"{source}: {name} holds values that are not finite; these weights are damaged")
    backbone = plan.network.backbone
    backbone.load_state_dict(plan.tensors, strict=True, assign=True)
    return backbone.eval()


def from_file(spec: str, path: Path, settings: ModelSettings) -> LoadedBackbone:
    """Load a checkpoint file strictly.

    Raises:
        InputError: see `plan_file` and `fill`.
    """
    plan = plan_file(path, settings)
    return LoadedBackbone(
        backbone=fill(plan, str(path)),
        name=_short_name(path, of_folder=user_path(spec).is_dir()),
        spec=spec,
        family=plan.report.family,
        architecture=plan.report.architecture,
        preprocessing=plan.preprocessing,
        source=str(path),
        report=plan.report,
        choices=plan.report.choices,
        epoch=plan.epoch,
        identity_facts=plan.facts,
    )


def _short_name(path: Path, *, of_folder: bool) -> str:
    of_folder = of_folder or path.name in CHECKPOINTS.values()
    stem = path.parent.resolve().name if of_folder else _ENDINGS.sub("", path.name)
    return re.sub(r"[^\w.+-]+", "_", stem) or "model"


def _same_storage(tensor: Tensor, expected: Tensor) -> bool:
    return tensor.dtype == expected.dtype and tensor.layout == torch.strided and not tensor.is_meta


def _is_finite(tensor: Tensor) -> bool:
    """Cheap first: a sum is finite unless a term is not, or the terms are huge."""
    if not tensor.is_floating_point() or torch.isfinite(tensor.sum()):
        return True
    return bool(torch.isfinite(tensor).all())
