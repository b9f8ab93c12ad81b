"""From the first mask of a video to a mask of every frame, through any backbone's patch features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinobench.data.decode import read_rgb
from dinobench.data.layouts.davis import Video
from dinobench.data.masks import Labels
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.video_segmentation.propagation import LabelPropagator, Propagation
from dinobench.evaluators.video_segmentation.settings import Settings
from dinobench.evaluators.video_segmentation.sizes import input_size
from dinobench.evaluators.video_segmentation.variants import input_of, variant_called
from dinobench.features.loading import map_ahead
from dinobench.models.networks.backbone import Preprocessing
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

IMAGENET_RED_STD, RELEASED_RED_STD = 0.229, 0.228
_NAMED = 5  # objects that one warning names
PLANTING = ("dino", "dinov3")
"""Variants that take objects that enter in a later frame."""


@dataclass(frozen=True)
class TrackingConfig:
    """One configuration of the propagation of masks.

    Attributes:
        layer: block whose patch features are compared, 1 for the last, 2 for the one before.
    """

    propagation: Propagation
    layer: int = 1


class PatchNetwork:
    """A frozen backbone as a function from a frame to the patch features of its last blocks.

    Args:
        context: of the evaluation.
        layers: how many blocks.
        normalized: whether features have length 1.
    """

    def __init__(self, context: EvaluationContext[Any], layers: int, *, normalized: bool = True) -> None:
        network = context.network()
        self.backbone = network.backbone
        if not 1 <= layers <= self.backbone.depth:
            raise InputError(
                f"patches.{layers} is not in a model of {self.backbone.depth} blocks; "
                f"set feature to patches.{self.backbone.depth} or a smaller number"
            )
        self.layers, self.normalized = layers, normalized
        self.device = context.device
        self._forward = network.passes(self._patch_layers)

    @torch.inference_mode()
    def __call__(self, frame: Tensor) -> list[Tensor]:
        """Normalized frame (3, H, W) to one (h, w, D) float32 per block, the last block first.

        Whatever computed them, features are compared in float32: rounding them further changes neighbors.
        """
        layers = self._forward(frame[None])
        if not all(bool(patches.float().square().sum(-1).isfinite().all()) for patches in layers):
            raise InputError("the model's patch features are not finite, or too large to compare; check its weights")
        frames = [patches[0].float() for patches in reversed(layers)]
        return [functional.normalize(each, dim=-1) for each in frames] if self.normalized else frames

    def _patch_layers(self, frames: Tensor) -> tuple[Tensor, ...]:
        return tuple(layer.patches for layer in self.backbone.intermediate_layers(frames, self.layers))


def normalization(preprocessing: Preprocessing, rule: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of the frames.

    Args:
        preprocessing: the model's own.
        rule: "released" divides ImageNet-normalized red by 0.228 instead of 0.229, as the released code does; "model"
            keeps the model's own.
    """
    mean, std = preprocessing.mean, preprocessing.std
    slip = rule == "released" and std[0] == IMAGENET_RED_STD
    return mean, ((RELEASED_RED_STD, *std[1:]) if slip else std)


def track_objects(
    video: Video,
    network: PatchNetwork,
    configs: Sequence[TrackingConfig],
    settings: Settings,
    preprocessing: Preprocessing,
    workers: int = 0,
) -> tuple[list[Labels], list[str]]:
    """Masks of every frame by every configuration, from one pass of the network over the frames.

    Args:
        video: the first mask of each object is given, in the frame where it enters; the others are not looked at.
        network: gives at least as many blocks as the configurations ask for.
        configs: each follows on its own; they share the features.
        settings: the size and the normalization of frames.
        preprocessing: the model's own.
        workers: threads that decode frames ahead of the network, 0 for one per core.

    Returns:
        For each configuration (T, H, W) object numbers, the first masks included; and warnings.

    Raises:
        InputError: no object in the first mask, an unreadable frame, or frames of different sizes.
    """
    entries = video.entries()
    if not entries:
        video.refuse_no_object(video.labels(video.annotated[0]))
    if len(entries) > 1 and settings.variant not in PLANTING:
        raise InputError(
            f"sequence {video.name}: objects enter later, and variant={settings.variant} follows those of the first "
            f"frame alone; set variant to one of {', '.join(PLANTING)}"
        )
    begin, channels = min(entries), 1 + max(number for entered in entries.values() for number in entered)
    first = video.labels(begin)
    frames = replace(video, frames=video.frames[begin:])
    features = _frame_features(frames, network, first.shape, settings, preprocessing, workers)
    start = next(features)
    height, width, _ = start[0].shape
    frame = (first.shape[0], first.shape[1])
    size = input_size(settings.variant, frame, settings.image_size, network.backbone.patch_size)
    variant = variant_called(settings.variant, frame, size, (height, width), network.backbone.patch_size)
    one_hot = variant.reduce(first).to(network.device)
    if len(entries) > 1:
        one_hot = _widened(one_hot, channels)
    propagators = [variant.begin(start[config.layer - 1], one_hot, config.propagation) for config in configs]
    masks = [[*[np.zeros_like(first)] * begin, first] for _ in configs]
    steps = progress(features, f"frames of {video.name}", len(frames.frames) - 1)
    for place, layers in enumerate(steps, start=begin + 1):
        entered = _entered_labels(video, place, entries) if place in entries else None
        for config, propagator, done in zip(configs, propagators, masks, strict=True):
            mask = variant.enlarge(propagator.step(layers[config.layer - 1]))
            if entered is not None and isinstance(propagator, LabelPropagator):
                propagator.plant(_widened(variant.reduce(entered).to(network.device), channels))
                mask = np.where(entered > 0, entered, mask)
            done.append(mask)
    warnings = [*_vanished_warning(video.name, first, one_hot), *_entry_notes(video, entries, begin)]
    return [np.stack(done) for done in masks], warnings


def _entered_labels(video: Video, place: int, entries: Mapping[int, tuple[int, ...]]) -> Labels:
    """The labels of a frame, those objects alone that enter there."""
    labels = video.labels(place)
    return np.where(np.isin(labels, entries[place]), labels, 0).astype(np.uint8)


def _widened(one_hot: Tensor, channels: int) -> Tensor:
    """(h, w, C) with empty channels for the objects that are not there."""
    return functional.pad(one_hot, (0, channels - one_hot.shape[-1]))


def _entry_notes(video: Video, entries: Mapping[int, tuple[int, ...]], begin: int) -> list[str]:
    """A line that says which objects are seeded in a later frame, where there are any."""
    later = [
        f"{number} (frame {video.frames[place].stem})"
        for place, entered in entries.items()
        if place > begin
        for number in entered
    ]
    if not later:
        return []
    noun = "object" if len(later) == 1 else "objects"
    return [f"sequence {video.name}: {noun} {first_few(later, _NAMED)} first seen in a later frame, and seeded there"]


def _frame_features(
    video: Video,
    network: PatchNetwork,
    shape: tuple[int, ...],
    settings: Settings,
    preprocessing: Preprocessing,
    workers: int,
) -> Iterator[list[Tensor]]:
    size = input_size(settings.variant, (shape[0], shape[1]), settings.image_size, network.backbone.patch_size)
    if min(size) < network.backbone.patch_size:
        raise InputError(f"sequence {video.name}: its frames become {size[0]} x {size[1]}; raise --set image_size")
    mean, std = normalization(preprocessing, settings.normalization)

    def read(path: Path) -> Tensor:
        pixels = np.asarray(read_rgb(path))
        if pixels.shape[:2] != shape:
            raise InputError(
                f"frame {path} is {pixels.shape[1]} x {pixels.shape[0]}, but the first mask of its sequence "
                f"{shape[1]} x {shape[0]}; use frames and annotations of one resolution"
            )
        return input_of(settings.variant, pixels, size, mean, std)

    for frame in map_ahead(read, video.frames, workers):
        yield network(frame)


def _vanished_warning(name: str, first: Labels, one_hot: Tensor) -> list[str]:
    """A warning that names the objects of the first mask that no token kept, where there are any."""
    height, width, channels = one_hot.shape
    numbers, pixels = np.unique(first[first > 0], return_counts=True)
    gone = [
        f"{number} ({count} pixels)"
        for number, count in zip(numbers.tolist(), pixels.tolist(), strict=True)
        if number >= channels or not bool(one_hot[..., number].any())
    ]
    if not gone:
        return []
    named = first_few(gone, _NAMED)
    subject = f"object {named} vanishes" if len(gone) == 1 else f"objects {named} vanish"
    return [
        f"sequence {name}: {subject} when its first mask is reduced to {height} x {width} tokens; what has no token "
        "cannot be followed"
    ]
