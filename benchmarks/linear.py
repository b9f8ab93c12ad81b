"""The linear probe: what thirteen heads cost beside one, on images and on stored features.

    python benchmarks/linear.py [--images 64] [--repeats 5] [--threads 1]

Sizes are ImageNet's: ViT-S/16 at 224 px, class tokens of four blocks, 1000 classes. One and thirteen rates take
turns on the same made-up images; wall and CPU seconds are printed, the latter for busy machines (with --threads 1).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from dinobench.data.dataset import from_arrays
from dinobench.evaluators.frozen.heads import LinearHeads
from dinobench.evaluators.frozen.probe import augmented_epochs, cached_epochs
from dinobench.features.extract import Extractor
from dinobench.features.names import parse_feature
from dinobench.models.load import load_backbone
from dinobench.runtime.cpu import tune_cpu

CLASSES, FEATURE = 1000, "cls.4+cls.3+cls.2+cls.1"
CPU = torch.device("cpu")


def timed(run: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(label: str, epochs, dim: int, images: int, repeats: int) -> None:
    """Time of an epoch with one head and with thirteen, taking turns."""

    def epoch(heads: LinearHeads, number: int) -> None:
        for features, labels in epochs(number):
            heads.step(features[FEATURE], labels, 1.0)

    counts = (1, 13)
    heads = {count: LinearHeads(dim, CLASSES, [0.001] * count, CPU) for count in counts}
    seconds: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    for number in range(repeats):
        for count in counts:
            seconds[count].append(timed(lambda count=count, number=number: epoch(heads[count], number)))
    medians = {n: [statistics.median(run[place] for run in seconds[n]) for place in (0, 1)] for n in counts}
    for count in counts:
        wall, cpu = medians[count]
        print(f"  {label:<16} {count:2} heads  {images / wall:9.1f} im/s  {images / cpu:9.1f} im per CPU second")
    ratio = [medians[13][place] / medians[1][place] for place in (0, 1)]
    print(f"  {label:<16} 13 heads cost {ratio[0]:.3f} (wall) {ratio[1]:.3f} (CPU) times one")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--stored", type=int, default=8192, help="rows of stored features")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0 for one per core")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    tune_cpu()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (given.images, 256, 256, 3), dtype=np.uint8)
    names = [str(index) for index in range(given.images)]
    labels = rng.integers(0, CLASSES, given.images)
    images = from_arrays("noise", pixels, labels, [str(index) for index in range(CLASSES)], names)
    model = load_backbone("random:vit_small/16")
    network = Extractor(model.backbone, model.preprocessing, parse_feature(FEATURE), CPU)
    epochs = augmented_epochs(
        network, images, [FEATURE], given.images, 0, forward_batch=32, workers=1, skip_unreadable=False
    )
    dim = 4 * model.backbone.dim
    compare("random crops", epochs, dim, given.images, given.repeats)
    stored = torch.randn(given.stored, dim)
    cached = cached_epochs({FEATURE: stored}, torch.randint(CLASSES, (given.stored,)), 1024, 0)
    compare("stored features", cached, dim, given.stored, given.repeats)


if __name__ == "__main__":
    main()
