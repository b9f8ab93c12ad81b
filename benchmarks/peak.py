"""How close a forward pass and a training step come to this CPU's peak of float32 products.

    python benchmarks/peak.py [--threads 1] [--repeats 9] [--recipes mini cifar imagenette64]

The peak is what the libraries at hand reach for a product of 2048 x 2048 matrices: torch's own setting (MKL), torch
after dinobench's two CPU settings (oneDNN), and numpy's BLAS (OpenBLAS). Floating-point operations of the products are
counted by torch's `FlopCounterMode`, so the share of the peak is a lower bound: activations, norms and the optimizer
cost time and count nothing. Everything runs in turn in one process; CPU seconds are printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from dinobench.models.networks.build import build_backbone
from dinobench.runtime.cpu import tune_cpu
from dinobench.training.build import build_learner
from dinobench.training.recipe_files import load_recipe
from dinobench.training.step import StepSettings

SIDE, IMAGES = 2048, 16
CPU = torch.device("cpu")


def forward(architecture: str) -> Callable[[], object]:
    """Class tokens of a batch at 224 pixels, without gradients."""
    network = build_backbone(architecture).eval()
    images = torch.randn(IMAGES, 3, 224, 224)

    def run() -> object:
        with torch.inference_mode():
            return network.class_token(images)

    return run


def training_step(name: str) -> Callable[[], object]:
    """A step of a recipe on noise of its sizes."""
    recipe = load_recipe(name)
    learner = build_learner(recipe, CPU)
    settings = StepSettings(1e-4, 0.04, 0.996, 0.04, frozen=False)
    counts = (2, recipe.global_size), (recipe.local_crops, recipe.local_size)
    views = [torch.randn(count * recipe.batch_size, 3, side, side) for count, side in counts]
    return lambda: learner.step([views], settings).loss.item()


def linear_operations(rows: torch.Size, weight: torch.Size, *_: object, out_shape: torch.Size, **__: object) -> int:
    """Operations of oneDNN's linear layer with a fused activation, which torch's counter does not know."""
    return 2 * out_shape.numel() * weight[1]


def operations(run: Callable[[], object]) -> float:
    """Billions of floating-point operations of its products."""
    fused = {torch.ops.mkldnn._linear_pointwise: linear_operations}
    with FlopCounterMode(display=False, custom_mapping=fused) as counter:
        run()
    return counter.get_total_flops() / 1e9


def cpu_seconds(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--recipes", nargs="*", default=["mini", "cifar", "imagenette64"])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    matrix = torch.randn(SIDE, SIDE)
    array = matrix.numpy()
    own = torch.get_float32_matmul_precision()
    tune_cpu()
    tuned = torch.get_float32_matmul_precision()

    def by_setting(precision: str) -> object:
        torch.set_float32_matmul_precision(precision)
        try:
            return matrix @ matrix
        finally:
            torch.set_float32_matmul_precision(tuned)

    peaks: dict[str, Callable[[], object]] = {
        "torch": lambda: by_setting(own),
        "torch, tuned": lambda: by_setting(tuned),
        "numpy": lambda: array @ array,
    }
    measured = {"ViT-S/16 forward": forward("vit_small/16")}
    measured |= {f"step of {name}": training_step(name) for name in given.recipes}
    work = dict.fromkeys(peaks, 2 * SIDE**3 / 1e9) | {name: operations(run) for name, run in measured.items()}
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(given.repeats):
        for name, run in {**peaks, **measured}.items():
            seconds[name].append(cpu_seconds(run))
    speed = {name: work[name] / median(each) for name, each in seconds.items()}
    best = max(speed[name] for name in peaks)
    for name, reached in speed.items():
        print(f"  {name:<24} {work[name]:8.1f} GF {reached:7.1f} GF per CPU second   {reached / best:4.0%} of the peak")


if __name__ == "__main__":
    main()
