"""Fine-tuning beside timm: augmentation and whole training steps of the same network, batch and recipe.

    python benchmarks/finetune.py [--architecture vit_tiny/16] [--batch 16] [--repeats 5] [--clock cpu]

Three sides, interleaved, medians of all repeats, on the threads that OMP_NUM_THREADS allows:
- timm: its transforms, the normalization of its loader, mixup, network, loss and optimizer, in its training script's
  plain loop;
- timm, tuned: the same under the two process-wide settings that dinobench makes (allocator, oneDNN);
- dinobench: the loop of `dinobench eval --task finetune-*`.
Each side of a training step runs in a process of its own, for the settings cannot be taken back. On a busy machine
`--clock cpu` counts the process's own seconds, which waiting does not lengthen; on one thread both clocks agree.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from turns import medians, take_turns

SPEC = "rand-m9-mstd0.5-inc1"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
SIDES = ("timm", "timm, tuned", "dinobench")
CPU = torch.device("cpu")


def drawn_images(count: int, side: int) -> list[Image.Image]:
    """Drawn images of CIFAR's size, or of the size of a photograph."""
    from dinobench.data import mini

    return [Image.fromarray(mini.draw(n % 16, np.random.default_rng(n), side)) for n in range(count)]


def timm_transform() -> Callable[[Image.Image], np.ndarray]:
    """To 8-bit pixels, as its training script has it unless told otherwise; its loader normalizes whole batches."""
    from timm.data import auto_augment, create_transform

    # Pillow refuses the zero bits that timm now and then asks for; both sides keep one.
    posterize = ImageOps.posterize
    auto_augment.ImageOps.posterize = lambda image, bits: posterize(image, max(1, bits))
    return create_transform(
        224, is_training=True, auto_augment=SPEC, color_jitter=None, interpolation="bicubic", use_prefetcher=True
    )


def augmentations(images: list[Image.Image]) -> dict[str, Callable[[], torch.Tensor]]:
    from timm.data.loader import PrefetchLoader, fast_collate

    from dinobench.evaluators.finetune.augmentation import TrainAugmentation
    from dinobench.evaluators.finetune.batches import Normalizer
    from dinobench.evaluators.finetune.randaugment import parse_rand_augment
    from dinobench.models.networks.backbone import Preprocessing

    theirs = timm_transform()
    ours = TrainAugmentation(224, (0.08, 1.0), 0.5, parse_rand_augment(SPEC, (124, 116, 104)))
    normalize = Normalizer(Preprocessing(), torch.device("cpu"), channels_last=False)

    def dinobench() -> torch.Tensor:
        pixels = np.stack([ours(image, random.Random(f"0/{n}")) for n, image in enumerate(images)])
        return normalize(torch.from_numpy(pixels))

    def timm() -> torch.Tensor:
        batch = fast_collate([(theirs(image), 0) for image in images])
        return next(iter(PrefetchLoader([batch], mean=MEAN, std=STD, device=torch.device("cpu"))))[0]

    return {"timm": timm, "dinobench": dinobench}


def time_augmentation(side: int, repeats: int, clock: str) -> dict[str, float]:
    """Milliseconds per image on one thread, from a decoded image to a normalized batch; both under our settings."""
    from dinobench.runtime.cpu import tune_cpu

    tune_cpu()
    torch.set_num_threads(1)
    images = drawn_images(32, side)
    sides = augmentations(images)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(repeats + 1):
        for name, run in sides.items():
            random.seed(repeat)
            start = CLOCKS[clock]()
            run()
            seconds[name].append(CLOCKS[clock]() - start)
    return {name: 1e3 * statistics.median(times[1:]) / len(images) for name, times in seconds.items()}


def timm_step(architecture: str, batch: int, device: torch.device = CPU) -> Callable[[], float]:
    """One step of timm's training script: AdamW, mixup, soft targets; the images are augmented beforehand."""
    import timm
    from timm.data.mixup import Mixup
    from timm.loss import SoftTargetCrossEntropy
    from timm.optim import create_optimizer_v2

    name = architecture.replace("/", "_patch") + "_224"
    model = timm.create_model(name, num_classes=100, drop_path_rate=0.1).train().to(device)
    optimizer = create_optimizer_v2(model, "adamw", lr=7.5e-5, weight_decay=0.05)
    mixup = Mixup(0.8, 1.0, label_smoothing=0.1, num_classes=100)
    loss_function = SoftTargetCrossEntropy()
    images, labels = torch.randn(batch, 3, 224, 224).to(device), (torch.arange(batch) % 100).to(device)

    def step() -> float:
        mixed, targets = mixup(images.clone(), labels)
        loss = loss_function(model(mixed), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def our_step(architecture: str, batch: int, device: torch.device = CPU) -> Callable[[], float]:
    """One step of dinobench's loop with the same parts."""
    import dataclasses

    from dinobench.cards import load_tasks
    from dinobench.data.dataset import from_arrays
    from dinobench.data.transforms import evaluation_transform
    from dinobench.evaluators.finetune.augmentation import TrainAugmentation
    from dinobench.evaluators.finetune.batches import Batch, Normalizer, make_order
    from dinobench.evaluators.finetune.classifier import build_classifier
    from dinobench.evaluators.finetune.loop import FineTuning, Machine, Sets
    from dinobench.models.networks.backbone import Preprocessing
    from dinobench.models.networks.build import build_backbone

    recipe = load_tasks()["finetune-inat18"].protocol("paper").settings
    recipe = dataclasses.replace(recipe, batch_size=batch, erasing=0.0, repeats=1)
    classes = [str(number) for number in range(100)]
    pixels = np.zeros((batch, 32, 32, 3), np.uint8)
    images = from_arrays("none", pixels, np.arange(batch) % 100, classes, [str(n) for n in range(batch)])
    how = Preprocessing()
    run = FineTuning(
        build_classifier(build_backbone(architecture), 100, recipe),
        recipe,
        Sets(images, images),
        make_order(batch, batch, 1, 0, even=True, processes=1),
        TrainAugmentation(224, (0.08, 1.0), 0.5, None),
        evaluation_transform(224, 256, "bicubic", how.mean, how.std),
        Normalizer(how, device, channels_last=False),
        Machine(device, batch, 1, "fp32"),
    )
    ready = torch.randint(0, 256, (batch, 224, 224, 3), dtype=torch.uint8)
    labels = torch.arange(batch) % 100

    def step() -> float:
        run._accumulate_gradients(Batch(run.progress.step, ready, labels))
        run._optimizer_step()
        return run.progress.loss_sum

    return step


def prepared(side: str, architecture: str, batch: int) -> Callable[[], float]:
    if side != "timm":
        from dinobench.runtime.cpu import tune_cpu

        tune_cpu()
    step = (our_step if side == "dinobench" else timm_step)(architecture, batch)
    step()
    return step


def time_steps(architecture: str, batch: int, repeats: int, clock: str) -> dict[str, float]:
    """Median seconds per training step of each side, their steps interleaved."""
    turns = take_turns({side: partial(prepared, side, architecture, batch) for side in SIDES}, repeats)
    return {side: medians(runs)[list(CLOCKS).index(clock)] for side, runs in turns.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--architecture", default="vit_tiny/16")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    figures: dict[str, dict[str, float]] = {}
    title = f"training step, {arguments.architecture}, batch {arguments.batch}, fp32, s"
    figures[title] = time_steps(arguments.architecture, arguments.batch, arguments.repeats, arguments.clock)
    for side, what in ((32, "32 px"), (400, "400 px")):
        figures[f"augmentation of {what} images to 224 px, one thread, ms"] = time_augmentation(
            side, 2 * arguments.repeats, arguments.clock
        )
    threads = os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())
    print(f"{threads} threads for training steps, {arguments.clock} clock")
    for name, sides in figures.items():
        print(name)
        for side, value in sides.items():
            print(f"  {side:<12} {value:8.3f}   dinobench is {value / sides['dinobench']:.2f}x as fast")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
