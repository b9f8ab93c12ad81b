"""A run that begins from a loaded network instead of drawn weights."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dinobench.models.loading.load_plan import describe
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.loading.shards import open_checkpoint
from dinobench.models.loading.state_dict import flatten
from dinobench.models.networks.backbone import Backbone, input_channels
from dinobench.models.networks.network_names import canonical_architecture
from dinobench.models.networks.vit import Block, DropPath, VisionTransformer
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.processes import agree
from dinobench.training.head import DinoHead
from dinobench.training.objective import TrainingObjective
from dinobench.training.optimizers import parameter_groups
from dinobench.training.recipe import Recipe
from dinobench.training.student_teacher import HeadedNetwork

_CHANCES = ("p", "drop_prob", "rate")  # of dropout and stochastic depth, in torch, timm, transformers and here
_WEIGHT_NORM = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


class LoadStart(Protocol):
    """As `load_backbone`."""

    def __call__(self, spec: str, *, settings: Mapping[str, Any] | None = None) -> LoadedBackbone:
        """The network of a SPEC."""


@dataclass
class RunStart:
    """The network that a run begins from, and what was taken from it.

    Attributes:
        loaded: as `eval` loads it.
        recipe: the run's, with the architecture and the normalization of the start.
        notes: what was taken and what was drawn, one line each.
    """

    loaded: LoadedBackbone
    recipe: Recipe
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def file(self) -> Path | None:
        """The checkpoint that the network came from, if it is a file."""
        path = Path(self.loaded.source)
        return path if path.is_file() else None

    def arguments(self, backbone: Backbone) -> dict[str, Any]:
        """What a checkpoint of the run must say so that `eval` loads it: see `describe`."""
        expected = dataclasses.replace(
            self.loaded.preprocessing.at(self.recipe.global_size), mean=self.recipe.mean, std=self.recipe.std
        )
        return describe(self.loaded.architecture, self.loaded.family, backbone, expected)

    def refuse_other(self, sha256: str, folder: Path) -> None:
        """InputError where the run in `folder` began from weights of another digest."""
        if sha256 != self.loaded.sha256:
            raise InputError(
                f"the run in {folder} began from other weights than init = {self.recipe.init} holds now; "
                "give those, another --output, or --set reschedule=true"
            )


def open_start(recipe: Recipe, folder: Path, load: LoadStart) -> RunStart | None:
    """Load the network that `recipe.init` names; None where the recipe draws its weights.

    Raises:
        InputError: the start is the run itself, cannot be loaded, has another architecture than the recipe, or differs
            between processes.
    """
    if not recipe.init and not recipe.architecture:
        raise InputError(f"recipe {recipe.name} begins from a trained network; say --set init=SPEC")
    if not recipe.init:
        return None
    path, run = user_path(recipe.init).resolve(), folder.resolve()
    if path == run or path.parent == run:
        raise InputError(f"init = {recipe.init} is the run that --output names; give another --output or another init")
    loaded = _loaded_start(recipe, load)
    agree(loaded.identity, "the network that init names")
    settled = _settled(recipe, loaded)
    notes = [f"start: {loaded.name}, {loaded.architecture}, {loaded.parameters:,} parameters from {loaded.source}"]
    return RunStart(loaded, settled, [*notes, *_unread_pixels(settled, loaded.backbone)])


def _loaded_start(recipe: Recipe, load: LoadStart) -> LoadedBackbone:
    """The start; a file for other channels than RGB that says no normalization of its own takes the recipe's."""
    try:
        return load(recipe.init)
    except InputError:
        if recipe.in_channels == 3:
            raise
        return load(recipe.init, settings={"mean": list(recipe.mean), "std": list(recipe.std)})


def _unread_pixels(recipe: Recipe, backbone: Backbone) -> list[str]:
    """A line for each size of views whose last pixels belong to no whole patch of a transformer."""
    if not isinstance(backbone, VisionTransformer):
        return []
    patch, sizes = backbone.patch_size, {"global_size": recipe.global_size}
    if recipe.local_crops:
        sizes["local_size"] = recipe.local_size
    return [
        f"{name} = {size}: patches of {patch} leave {size % patch} pixels of a side unread; "
        f"{round(size / patch) * patch} would use all"
        for name, size in sizes.items()
        if size % patch and size > patch
    ]


def _settled(recipe: Recipe, loaded: LoadedBackbone) -> Recipe:
    """The recipe with the architecture of the start, and with its normalization unless the recipe has its own."""
    named, own = recipe.architecture, loaded.architecture
    if named and canonical_architecture(named) != canonical_architecture(own):
        raise InputError(
            f"recipe {recipe.name} has architecture = {named} and init = {recipe.init} is {own}; "
            f"use --recipe continue, or set architecture={own}"
        )
    changes: dict[str, Any] = {"architecture": own}
    for name in ("mean", "std"):
        value = tuple(getattr(loaded.preprocessing, name))
        if getattr(recipe, name) == getattr(Recipe(), name) and len(value) == recipe.in_channels:
            changes[name] = value
    return dataclasses.replace(recipe, **changes)


def started_backbones(start: RunStart) -> tuple[Backbone, Backbone]:
    """Backbones of student and teacher: copies of the start, for the recipe's channels.

    Position tables stay at their own size and are resized in each pass, as `eval` does it.
    """
    recipe = start.recipe
    backbone = copy.deepcopy(start.loaded.backbone).train().requires_grad_(True)
    before = input_channels(backbone)
    if before != recipe.in_channels:
        fit_channels(backbone, recipe.in_channels)
        start.notes.append(f"stem: {before} channels spread over {recipe.in_channels}")
    student, teacher = backbone, copy.deepcopy(backbone)
    _draw_nothing(teacher)
    if recipe.drop_path:
        _set_drop_path(student, recipe.drop_path)
    return student, teacher


def fit_channels(backbone: nn.Module, channels: int) -> None:
    """Give the first convolution another number of channels: each is the mean of the old, at equal total weight."""
    name, old = next((name, each) for name, each in backbone.named_modules() if isinstance(each, nn.Conv2d))
    new = copy.deepcopy(old)
    mean = old.weight.detach().mean(1, keepdim=True) * (old.in_channels / channels)
    new.in_channels, new.weight = channels, nn.Parameter(mean.repeat(1, channels, 1, 1))
    backbone.set_submodule(name, new)
    if isinstance(backbone, VisionTransformer):
        backbone.shape = dataclasses.replace(backbone.shape, in_channels=channels)


def _draw_nothing(teacher: Backbone) -> None:
    """Leave out the dropout and stochastic depth that the start may have: targets are those of the whole network."""
    for module in teacher.modules():
        for name in _CHANCES:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def _set_drop_path(backbone: Backbone, rate: float) -> None:
    blocks = [module for module in backbone.modules() if isinstance(module, Block)]
    if not blocks:
        raise InputError(f"drop_path = {rate} acts on vision transformers of this package; set drop_path=0")
    for block, own in zip(blocks, torch.linspace(0, rate, len(blocks), device="cpu").tolist(), strict=True):
        block.drop_path = DropPath(own)


def take_heads(start: RunStart, student: HeadedNetwork, teacher: HeadedNetwork) -> None:
    """Put the checkpoint's heads into student and teacher where they have the same shape; `notes` say which.

    Raises:
        InputError: `init_all` asks for heads that the file has not, or that have another shape.
    """
    state = {} if start.file is None else flatten(open_checkpoint(start.file).content)
    heads = {role: _head_of(state, role) for role in ("student", "teacher")}
    reason = _misfit(heads, teacher.head)
    if reason and start.recipe.init_all:
        raise InputError(f"init_all: {reason}; set init_all=false to draw the head anew, or change the recipe's head")
    if reason:
        start.notes.append(f"head: drawn anew, {reason}")
        return
    for role, network in (("student", student), ("teacher", teacher)):
        network.head.load_state_dict(heads[role])
    start.notes.append(f"head: student's and teacher's from the checkpoint, {start.recipe.out_dim} outputs")


def _head_of(state: Mapping[str, Tensor], role: str) -> dict[str, Tensor]:
    """The tensors of one network's head under our names."""
    found = ((re.fullmatch(rf"{role}\.(?:module\.)?head\.(.+)", name), tensor) for name, tensor in state.items())
    head = {match[1]: tensor for match, tensor in found if match}
    for theirs, ours in _WEIGHT_NORM.items():
        head = {name.replace(theirs, ours): tensor for name, tensor in head.items()}
    return head


def _misfit(heads: Mapping[str, Mapping[str, Tensor]], head: DinoHead) -> str:
    """Why the heads of a file do not fit the recipe's, "" where they do."""
    expected = {name: tensor.shape for name, tensor in head.state_dict().items()}
    for role, own in heads.items():
        if not own:
            return f"the checkpoint has no head of the {role}"
        shapes = {name: tensor.shape for name, tensor in own.items()}
        if shapes != expected:
            return f"its head has another shape ({_sizes(shapes)}; the recipe's has {_sizes(expected)})"
    return ""


def _sizes(shapes: Mapping[str, torch.Size]) -> str:
    """What the settings of a head say, read from the shapes of its tensors."""
    last = shapes.get("last_layer.weight_v", torch.Size())
    layers = [shape for name, shape in shapes.items() if re.match(r"mlp\..*weight$", name) and len(shape) == 2]
    if len(last) != 2 or not layers:
        return "no such layers"
    hidden = f", hidden {layers[0][0]}" if len(layers) > 1 else ""
    return f"{last[0]} outputs, {len(layers)} layers{hidden}, bottleneck {last[1]}"


def take_rest(start: RunStart, student: HeadedNetwork, objective: TrainingObjective, optimizer: Optimizer) -> None:
    """Take the center and the optimizer's moments too, where the recipe says `init_all`.

    Raises:
        InputError: the file has none, or they do not fit.
    """
    if not start.recipe.init_all:
        return
    content = {} if start.file is None else open_checkpoint(start.file).content
    try:
        objective.load_checkpoint_state(content["dino_loss"])
        moments = content["optimizer"]["state"]
        numbered = [each for group in parameter_groups(student) for each in group["params"]]
        for number, parameter in enumerate(numbered):
            if number in moments:
                optimizer.state[parameter] = _fitting(moments[number], parameter)
    except (KeyError, TypeError, RuntimeError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"init_all: the optimizer or center of {start.file} does not fit ({reason})") from error
    start.notes.append("optimizer and center: from the checkpoint")


def _fitting(moments: Mapping[str, Any], parameter: Tensor) -> dict[str, Any]:
    copied = {name: value.clone() if isinstance(value, Tensor) else value for name, value in moments.items()}
    for name, value in copied.items():
        if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
            raise ValueError(f"{name} of shape {tuple(value.shape)} for a weight of {tuple(parameter.shape)}")
    return copied
