"""Small runs for the tests of the loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dinobench.cards import load_tasks
from dinobench.data.dataset import ImageSet, from_arrays
from dinobench.data.transforms import evaluation_transform
from dinobench.evaluators.finetune.augmentation import TrainAugmentation
from dinobench.evaluators.finetune.batches import Normalizer, make_order
from dinobench.evaluators.finetune.classifier import build_classifier
from dinobench.evaluators.finetune.loop import FineTuning, Machine, Sets
from dinobench.evaluators.finetune.settings import Settings
from dinobench.models.networks.backbone import Backbone, Preprocessing
from dinobench.models.networks.vit import VisionTransformer, ViTShape
from dinobench.runtime.processes import world_size

SIDE = 16
CPU = torch.device("cpu")


def recipe(**changes: Any) -> Settings:
    quick = load_tasks()["finetune-cifar10"].protocol("quick").settings
    small = {"epochs": 3, "batch_size": 8, "warmup_epochs": 0}
    return dataclasses.replace(quick, **{**small, **changes})


def colored(count: int, seed: int, classes: int = 3) -> ImageSet:
    """Noise whose brightest channel is the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pixels = rng.integers(0, 120, (count, SIDE, SIDE, 3), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[..., label] += 100
    return from_arrays(
        f"colored/{seed}", pixels, labels, ("red", "green", "blue")[:classes], [f"{i}" for i in range(count)]
    )


def transformer() -> VisionTransformer:
    return VisionTransformer(ViTShape(4, 24, 2, 3, image_size=SIDE))


def run(
    how: Settings,
    *,
    batch_size: int = 64,
    seed: int = 0,
    held_out: bool = False,
    precision: str = "fp32",
    build: Callable[[], Backbone] = transformer,
) -> FineTuning:
    """A run of a tiny transformer on colored noise; 24 training images, 9 test images."""
    sets = Sets(colored(24, 0), colored(9, 1), colored(6, 2) if held_out else None)
    torch.manual_seed(seed)
    preprocessing = Preprocessing(size=SIDE, resize=SIDE)
    return FineTuning(
        build_classifier(build(), 3, how),
        how,
        sets,
        make_order(24, how.batch_size, how.repeats, seed, even=how.mixes, processes=world_size()),
        TrainAugmentation(SIDE, how.crop_scale, how.flip, None),
        evaluation_transform(SIDE, SIDE, "bicubic", preprocessing.mean, preprocessing.std),
        Normalizer(preprocessing, CPU, channels_last=how.channels_last),
        Machine(CPU, batch_size, 1, precision),
    )


def weights(done: FineTuning) -> torch.Tensor:
    """All parameters in one row."""
    return torch.cat([parameter.detach().flatten() for parameter in done.model.parameters()])


def train(how: Settings, folder: Path, **settings: Any) -> FineTuning:
    """A finished run."""
    tuned = run(how, **settings)
    tuned.run(folder / "checkpoint.pth", {}, resume=False)
    return tuned
