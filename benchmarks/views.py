"""Images per second and core of the multi-crop pipeline, ours and the released code's in turn.

    python benchmarks/views.py --reference DINO_CHECKOUT --data IMAGENETTE [--rounds 5]

Both draw 2 x 224 + 8 x 96 views of the same photographs on one thread. "decoded" leaves out decoding on our side, as a
run on a small data set does; "normalized" includes the conversion to float.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from dinobench.training.batches import Normalize, multi_crop
from dinobench.training.recipe import Recipe
from dinobench.training.views import generator_of


def released_views(checkout: Path) -> Callable[[Image.Image], object]:
    """The released transform with its default scales."""
    sys.path.insert(0, str(checkout))
    torch.hub.list = lambda *_, **__: []
    import main_dino

    transform: Callable[[Image.Image], object] = main_dino.DataAugmentationDINO((0.4, 1.0), (0.05, 0.4), 8)
    return transform


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    paths = sorted(options.data.glob("train/*/*"))[
        :: max(1, len(list(options.data.glob("train/*/*"))) // options.images)
    ]
    decoded = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    recipe = Recipe()
    crops, normalize = multi_crop(recipe), Normalize(recipe.mean, recipe.std, torch.device("cpu"))
    released = released_views(options.reference)

    def ours(image: np.ndarray, index: int) -> list[np.ndarray]:
        return crops(image, generator_of(0, 0, index))

    def to_float(views: list[np.ndarray]) -> None:
        for group in (views[:2], views[2:]):
            normalize(torch.from_numpy(np.stack(group)))

    def decode(index: int) -> np.ndarray:
        return np.asarray(Image.open(paths[index]).convert("RGB"))

    sides: dict[str, Callable[[int], object]] = {
        "released": lambda index: released(Image.open(paths[index]).convert("RGB")),
        "ours, decoding": lambda index: ours(decode(index), index),
        "ours, decoding, normalized": lambda index: to_float(ours(decode(index), index)),
        "ours, decoded": lambda index: ours(decoded[index], index),
        "ours, decoded, normalized": lambda index: to_float(ours(decoded[index], index)),
    }
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(options.rounds):
        for side, draw in sides.items():
            start = time.process_time()
            for index in range(len(paths)):
                draw(index)
            times[side].append((time.process_time() - start) / len(paths))
    base = statistics.median(times["released"])
    print(f"{'side':<28}{'ms/image':>10}{'images/s':>10}{'ratio':>8}")
    for side, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{side:<28}{1e3 * median:>10.2f}{1 / median:>10.0f}{base / median:>8.2f}")


if __name__ == "__main__":
    main()
