"""Feature extraction beside the released code: images per second of the forward pass, of decoding, and of both.

    python benchmarks/extraction.py --reference DIR [--data FOLDER] [--architecture vit_small] [--repeats 5]

DIR is a checkout of facebookresearch/dino, FOLDER an ImageFolder split of photographs (default: none, forward only).
Random weights, the same in both. The released code runs as it is and with dinobench's two CPU settings; dinobench in
fp32 (class token only, all tokens, and compiled) and in bf16 (and compiled). Features must agree to 1e-5 in fp32.
Variants take turns in one process each; wall and CPU seconds are printed, the latter for busy machines (--threads 1).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from turns import medians, take_turns

PATCH, SIZE = 16, 224
CPU = torch.device("cpu")


def weights(architecture: str) -> dict[str, Tensor]:
    from dinobench.models.networks.build import build_backbone

    torch.manual_seed(0)
    return build_backbone(f"{architecture}/{PATCH}").state_dict()


def released(architecture: str, reference: str, device: torch.device = CPU) -> Callable[[Tensor], Tensor]:
    sys.path.insert(0, reference)
    import vision_transformer

    model = getattr(vision_transformer, architecture)(patch_size=PATCH, num_classes=0).eval()
    model.load_state_dict(weights(architecture))
    return torch.no_grad()(model.to(device))


def ours(
    architecture: str, precision: str, column: str, compiled: bool = False, device: torch.device = CPU
) -> Callable[[Tensor], Tensor]:
    from dinobench.features.extract import Extractor
    from dinobench.features.names import parse_feature
    from dinobench.models.networks.backbone import Preprocessing
    from dinobench.models.networks.build import build_backbone

    model = build_backbone(f"{architecture}/{PATCH}")
    model.load_state_dict(weights(architecture))
    columns = parse_feature(column)
    network = Extractor(model, Preprocessing(), columns, device, precision, compiled)
    return torch.inference_mode()(lambda images: network.of_images(images)[columns[0]])


# name: what runs, and whether with dinobench's CPU settings
VARIANTS: dict[str, tuple[Callable[[str, str], Callable[[Tensor], Tensor]], bool]] = {
    "released": (released, False),
    "released, same CPU settings": (released, True),
    "dinobench fp32, class token": (lambda name, _: ours(name, "fp32", "cls"), True),
    "dinobench fp32, all tokens": (lambda name, _: ours(name, "fp32", "cls+mean"), True),
    "dinobench bf16, class token": (lambda name, _: ours(name, "bf16", "cls"), True),
    "dinobench fp32, compiled": (lambda name, _: ours(name, "fp32", "cls", True), True),
    "dinobench bf16, compiled": (lambda name, _: ours(name, "bf16", "cls", True), True),
}


def prepared(name: str, architecture: str, reference: str, batch: int, threads: int) -> Callable[[], Tensor]:
    make, tuned = VARIANTS[name]
    if threads:
        torch.set_num_threads(threads)
    if tuned:
        from dinobench.runtime.cpu import tune_cpu

        tune_cpu()
    run = make(architecture, reference)
    images = torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    run(images)
    return lambda: run(images)


def forward(given: argparse.Namespace) -> None:
    """Images per second of the forward pass, variant by variant, and how far the features are apart."""
    names = [name for name in VARIANTS if given.reference or not name.startswith("released")]
    shared = (given.architecture, given.reference, given.batch, given.threads)
    turns = take_turns({name: partial(prepared, name, *shared) for name in names}, given.repeats)
    first = medians(turns[names[0]])
    for name, runs in turns.items():
        wall, cpu = medians(runs)
        apart = (runs[0].result - turns[names[0]][0].result).abs().max().item()
        print(
            f"  {name:<28} {given.batch / wall:7.1f} im/s  {given.batch / cpu:7.1f} im per CPU second   "
            f"{first[0] / wall:4.2f}x  {first[1] / cpu:4.2f}x   largest difference {apart:.1e}"
        )


def pipeline(given: argparse.Namespace) -> None:
    """Images per second of decoding alone, of the forward pass alone, and of the pipeline that overlaps them."""
    from dinobench.data.open import open_dataset
    from dinobench.features.extract import Extractor, feature_batches
    from dinobench.features.loading import in_chunks, pixel_batches
    from dinobench.features.names import parse_feature
    from dinobench.features.preparation import evaluation
    from dinobench.models.loading.spec import load_backbone
    from dinobench.runtime.cpu import tune_cpu

    tune_cpu()
    images = open_dataset(str(given.data), given.split)
    model = load_backbone(f"random:{given.architecture}/{PATCH}")
    network = Extractor(model.backbone, model.preprocessing, parse_feature("cls"), CPU)
    chunks = in_chunks(torch.arange(min(given.images, len(images))).numpy(), given.batch)
    pixels = [batch.pixels for batch in pixel_batches(images, chunks, evaluation(network.transform))]
    runs: dict[str, Callable[[], object]] = {
        "decoding alone": lambda: list(pixel_batches(images, chunks, evaluation(network.transform))),
        "forward alone": lambda: [network(torch.from_numpy(part)) for part in pixels],
        "both, overlapped": lambda: list(feature_batches(network, images, chunks, 0)),
    }
    count = sum(map(len, chunks))
    for name, run in runs.items():
        seconds = []
        for _ in range(given.repeats):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        print(f"  {name:<28} {count / statistics.median(seconds):7.1f} im/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", default="", help="checkout of facebookresearch/dino")
    parser.add_argument("--data", type=Path, help="folder with a split of photographs in class folders")
    parser.add_argument("--split", default="val")
    parser.add_argument("--images", type=int, default=256, help="photographs to decode")
    parser.add_argument("--architecture", default="vit_small", help="vit_tiny, vit_small or vit_base")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="per process, 0 for one per core")
    given = parser.parse_args()
    print(f"{given.architecture}/{PATCH} at {SIZE} px, batch {given.batch}")
    forward(given)
    if given.data:
        pipeline(given)


if __name__ == "__main__":
    main()
