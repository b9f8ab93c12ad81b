"""From a recipe to networks, objective and optimizer."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from dinobench.models.networks.build import build_backbone
from dinobench.runtime.console import announce
from dinobench.runtime.device import kind_of, memory_bytes
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import world_size
from dinobench.runtime.seeds import seed_everything
from dinobench.training.compiled import compile_blocks
from dinobench.training.feature_anchor import FeatureAnchor
from dinobench.training.head import DinoHead, mlp
from dinobench.training.low_rank import add_adapters
from dinobench.training.objective import CrossEntropy, InfoNce, MeanSquaredError, TrainingObjective
from dinobench.training.optimizers import build_optimizer
from dinobench.training.recipe import Recipe
from dinobench.training.schedules import FloatArray, cosine_schedule, temperature_schedule
from dinobench.training.start import RunStart, started_backbones, take_heads, take_rest
from dinobench.training.step import Learner, StepSettings, has_batch_norm
from dinobench.training.student_teacher import HeadedNetwork, freeze_blocks, freeze_unused, teacher_of
from dinobench.training.targets import Centered, Sinkhorn, Targets


def build_learner(recipe: Recipe, device: torch.device, start: RunStart | None = None) -> Learner:
    """Student and teacher with equal weights on `device`: those of `start`, else drawn from the recipe's seed."""
    seed_everything(recipe.seed)
    student, teacher = build_networks(recipe, start)
    if world_size() > 1 and has_batch_norm(student):
        if kind_of(device).synchronizes_norms:
            student, teacher = (_synchronize_norms(network) for network in (student, teacher))
        else:
            announce(
                f"warning: on {device.type} batch norms see the share of one process: {world_size()} processes "
                "train another network than one does; use one process, or GPUs"
            )
    _rest_weights(student, recipe, start)
    optimizer = build_optimizer(recipe.optimizer, student, recipe.layer_decay)
    objective = build_objective(recipe, device)
    if start is not None:
        take_rest(start, student, objective, optimizer)
    if world_size() > 1:
        side = recipe.local_size if recipe.local_crops else recipe.global_size
        freeze_unused(student, torch.zeros(1, recipe.in_channels, side, side))
    anchor = FeatureAnchor(copy.deepcopy(teacher.backbone).to(device), recipe.anchor) if recipe.anchor else None
    if recipe.compile:
        compile_blocks(student, device)
        compile_blocks(teacher, device)
    return Learner(
        student.to(device),
        teacher.to(device),
        objective.to(device),
        optimizer,
        clip=recipe.clip_grad,
        teacher_from=recipe.teacher,
        precision=recipe.precision,
        anchor=anchor,
    )


def _rest_weights(student: HeadedNetwork, recipe: Recipe, start: RunStart | None) -> None:
    """Leave out of the training what the recipe says: blocks, and with adapters all else of the backbone."""
    if recipe.adapter_rank and start is not None:
        count = add_adapters(student.backbone, recipe.adapter_rank)
        start.notes.append(f"adapters: of rank {recipe.adapter_rank} on {count} weights; the rest stays as it is")
    freeze_blocks(student, recipe.frozen_blocks)


def build_networks(recipe: Recipe, start: RunStart | None) -> tuple[HeadedNetwork, HeadedNetwork]:
    """Student and teacher on the CPU."""
    if start is not None:
        backbone, other = started_backbones(start)
    else:
        size = {"image_size": recipe.global_size, "in_channels": recipe.in_channels}
        backbone = build_backbone(recipe.architecture, drop_path=recipe.drop_path, **size)
    student = HeadedNetwork(backbone, build_head(recipe, backbone.dim), build_predictor(recipe))
    if start is None:
        return student, teacher_of(student, build_backbone(recipe.architecture, **size))
    teacher = teacher_of(student, other)
    take_heads(start, student, teacher)
    return student, teacher


def _synchronize_norms(network: HeadedNetwork) -> HeadedNetwork:
    converted: HeadedNetwork = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return converted


def build_head(recipe: Recipe, dim: int) -> DinoHead:
    """The projection head behind a backbone of width `dim`."""
    return DinoHead(
        dim,
        recipe.out_dim if recipe.head_outputs else 0,
        hidden_dim=recipe.head_hidden,
        bottleneck_dim=recipe.head_bottleneck,
        layers=recipe.head_layers,
        learn_gain=recipe.learn_gain,
        batch_norm=recipe.head_batch_norm,
    )


def build_predictor(recipe: Recipe) -> nn.Module | None:
    """The student's predictor on the projection: one hidden layer, with a batch norm where the head has them."""
    widths = [recipe.head_bottleneck, recipe.predictor_hidden, recipe.head_bottleneck]
    return mlp(widths, batch_norm=recipe.head_batch_norm) if recipe.predictor else None


def build_objective(recipe: Recipe, device: torch.device) -> TrainingObjective:
    """What the student minimizes.

    Raises:
        InputError: the queue of "infonce" does not fit into memory.
    """
    if recipe.objective == "mse":
        return MeanSquaredError(build_center(recipe) if recipe.centering == "ema" else None)
    if recipe.objective == "infonce":
        _refuse_large_queue(recipe, device)
        return InfoNce(recipe.head_width, recipe.queue, recipe.infonce_temperature)
    return CrossEntropy(build_targets(recipe), recipe.student_temp)


def _refuse_large_queue(recipe: Recipe, device: torch.device) -> None:
    """InputError where a queue, twice while it is drawn, does not fit into the memory of machine or device."""
    need = 2 * recipe.queue * recipe.head_width * 4
    for place in (torch.device("cpu"), device):
        memory = memory_bytes(place)
        if memory is not None and need > memory:
            raise InputError(
                f"a queue of {recipe.queue} x {recipe.head_width} numbers needs {need / 1e9:.1f} GB and {place} has "
                f"{memory / 1e9:.1f} GB; lower queue, or set head_outputs=false to compare projections of "
                f"{recipe.head_bottleneck}"
            )


def build_center(recipe: Recipe) -> Centered:
    """The running mean of the teacher's outputs."""
    return Centered(recipe.head_width, recipe.center_momentum)


def build_targets(recipe: Recipe) -> Targets:
    """How teacher outputs become targets."""
    if recipe.centering == "ema":
        return build_center(recipe)
    if recipe.centering == "none":
        return Targets()
    iterations = recipe.sinkhorn_iterations if recipe.centering == "sinkhorn" else 1
    return Sinkhorn(iterations, per_view=recipe.sinkhorn_per_view)


class RecipeSchedules:
    """What the recipe's schedules say, step by step."""

    def __init__(self, recipe: Recipe, steps_per_epoch: int) -> None:
        length = {"epochs": recipe.epochs, "steps_per_epoch": steps_per_epoch}
        self.recipe = recipe
        self.steps_per_epoch = steps_per_epoch
        self.frozen_epochs = recipe.freeze_last_layer_epochs
        peak = recipe.lr * recipe.batch_size / 256
        self.lr = cosine_schedule(peak, recipe.min_lr, warmup_epochs=recipe.warmup_epochs, **length)
        self.weight_decay = cosine_schedule(recipe.weight_decay, recipe.weight_decay_end, **length)
        self.momentum = cosine_schedule(recipe.momentum_teacher, 1.0, **length)
        self.temperature = _teacher_temperatures(recipe)
        self.set_head_epochs(recipe.head_epochs)

    def set_head_epochs(self, epochs: int) -> None:
        """Let the head alone learn in so many epochs; the rate of all begins to rise after them."""
        self.head_epochs = epochs
        if not epochs:
            return
        recipe, peak = self.recipe, self.recipe.batch_size / 256
        rest = cosine_schedule(
            recipe.lr * peak,
            recipe.min_lr,
            warmup_epochs=recipe.warmup_epochs,
            epochs=recipe.epochs - epochs,
            steps_per_epoch=self.steps_per_epoch,
        )
        self.lr = np.concatenate([np.full(epochs * self.steps_per_epoch, recipe.head_lr * peak), rest])

    def at(self, step: int) -> StepSettings:
        """The settings of one step of the run."""
        epoch = step // self.steps_per_epoch
        return StepSettings(
            lr=float(self.lr[step]),
            weight_decay=float(self.weight_decay[step]),
            momentum=float(self.momentum[step]),
            temperature=float(self.temperature[epoch]),
            frozen=epoch < self.frozen_epochs,
            head_alone=epoch < self.head_epochs,
        )


def _teacher_temperatures(recipe: Recipe) -> FloatArray:
    if not recipe.sharpening:
        return np.full(recipe.epochs, recipe.student_temp)
    return temperature_schedule(
        recipe.warmup_teacher_temp,
        recipe.teacher_temp,
        epochs=recipe.epochs,
        warmup_epochs=recipe.warmup_teacher_temp_epochs,
    )
