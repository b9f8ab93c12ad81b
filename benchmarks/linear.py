"""The linear probe: what thirteen heads cost beside one, on images and on stored features.

    python benchmarks/linear.py [--images 64] [--repeats 5] [--threads 1]
    python benchmarks/linear.py --images 0 --stored 400000 --repeats 1   memory: more than it may take

Sizes are ImageNet's: ViT-S/16 at 224 px, class tokens of four blocks, 1000 classes. One and thirteen rates take
turns on the same made-up images; wall and CPU seconds are printed, the latter for busy machines (with --threads 1).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dinobench.data.dataset import from_arrays
from dinobench.evaluators.linear.epochs import Epoch, augmented_epochs, cached_epochs
from dinobench.evaluators.linear.heads import LinearHeads
from dinobench.features.entry import Entry
from dinobench.features.extract import Extractor
from dinobench.features.names import parse_feature
from dinobench.features.store import SHARD_ROWS
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.clock import peak_memory_bytes, resident_bytes
from dinobench.runtime.cpu import tune_cpu

CLASSES, DIM, FEATURE = 1000, 384, "cls.4+cls.3+cls.2+cls.1"
CPU = torch.device("cpu")


def timed(run: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(label: str, epochs: Epoch, dim: int, images: int, repeats: int) -> None:
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
    parser.add_argument("--images", type=int, default=64, help="for random crops, 0 to leave them out")
    parser.add_argument("--stored", type=int, default=8192, help="rows of stored features")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0 for one per core")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    tune_cpu()
    if given.images:
        compare("random crops", *random_crops(given.images), given.repeats)
    with tempfile.TemporaryDirectory() as folder:
        epochs = on_disk(Path(folder), given.stored)
        before = resident_bytes() or 0
        compare("stored features", epochs, 4 * DIM, given.stored, given.repeats)
    sizes = ((peak_memory_bytes() - before) / 2**30, 16 * DIM * given.stored / 2**30)
    print(f"  the process grew by at most {sizes[0]:.2f} GiB over {sizes[1]:.2f} GiB of stored features")


def random_crops(count: int) -> tuple[Epoch, int, int]:
    """Epochs over made-up images, width of the feature, images."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 256, 256, 3), dtype=np.uint8)
    names = [str(index) for index in range(count)]
    labels = rng.integers(0, CLASSES, count)
    images = from_arrays("noise", pixels, labels, [str(index) for index in range(CLASSES)], names)
    model = load_backbone("random:vit_small/16")
    network = Extractor(model.backbone, model.preprocessing, parse_feature(FEATURE), CPU)
    how = {"forward_batch": 32, "workers": 1, "skip_unreadable": False, "left_out": {}}
    epochs = augmented_epochs(network, images, [FEATURE], count, 0, **how)
    return epochs, 4 * model.backbone.dim, count


def on_disk(folder: Path, count: int) -> Epoch:
    """Epochs over made-up features in a store."""
    rng = np.random.default_rng(0)
    entry = Entry.create(folder, {"images": count, "shard_rows": SHARD_ROWS})
    columns = parse_feature(FEATURE)
    for shard in entry.shards:
        rows = len(entry.rows(shard))
        entry.write(shard, {column: rng.standard_normal((rows, DIM), np.float32) for column in columns}, {})
    labels = torch.from_numpy(rng.integers(0, CLASSES, count))
    return cached_epochs(entry.matrix(columns), np.arange(count), labels, [FEATURE], 1024, 0)


if __name__ == "__main__":
    main()
