"""Seconds and memory of a training step, ours and the released code's in turn, from equal weights on equal views.

    python benchmarks/training.py --reference DINO_CHECKOUT [--architecture vit_tiny/16] [--batch 16] [--rounds 3]
    python benchmarks/training.py --reference DINO_CHECKOUT --data IMAGENETTE     end to end: photographs, read by each
    python benchmarks/training.py ... --device cuda --batch 64 --sides "released;ours, bf16;ours, bf16, compiled"

Sides: the released step; the released step with our two process settings (allocator, oneDNN), so that settings
are not sold as code; ours in float32; ours in bf16; either with compiled blocks, where --sides names it. Each side runs
in a process of its own, in turn, several rounds.
Without drop path, so that the losses can be compared. `--clock cpu` with `--threads 1` counts the process's own
seconds, which a busy machine disturbs little. With `--data`, a folder with `train/CLASS/*.jpg`, a step begins with
reading its images and drawing their views, each side by its own code in the process that trains; losses then differ.
On CUDA the released step has its float16 mixed precision, and memory is the device's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from turns import in_fresh_process

from dinobench.training.recipe import Recipe

SIDES = ("released", "released, tuned", "ours", "ours, bf16")
LR, DECAY, MOMENTUM, TEMPERATURE = 1e-4, 0.04, 0.996, 0.04


def views_of(step: int, options: argparse.Namespace) -> list[Tensor]:
    """Equal noise for all sides: ten tensors (B, 3, H, W)."""
    generator = torch.Generator().manual_seed(step)
    sizes = [224] * 2 + [96] * options.local_crops
    return [torch.randn(options.batch, 3, size, size, generator=generator) for size in sizes]


def noise(options: argparse.Namespace) -> Iterator[list[Tensor]]:
    """The same views for all sides."""
    return (views_of(number, options) for number in itertools.count())


def released_views(options: argparse.Namespace) -> Iterator[list[Tensor]]:
    """Photographs through the released transform and the loader that the released script makes."""
    sys.path.insert(0, str(options.reference))
    torch.hub.list = lambda *_, **__: []
    import main_dino
    from torchvision.datasets import ImageFolder

    transform = main_dino.DataAugmentationDINO((0.4, 1.0), (0.05, 0.4), options.local_crops)
    images = ImageFolder(str(options.data / "train"), transform=transform)
    loader = torch.utils.data.DataLoader(images, options.batch, shuffle=True, drop_last=True, num_workers=0)
    return (views for _ in itertools.count() for views, _ in loader)


def our_views(options: argparse.Namespace) -> Iterator[list[Tensor]]:
    """Photographs as a run of dinobench reads them: every file anew, as ImageNet's do not fit into memory."""
    from dinobench.data.open import open_dataset
    from dinobench.training import batches

    recipe = our_recipe(options)
    images = batches.DecodedImages(open_dataset(str(options.data), "train"), memory=0)
    drawn = batches.ViewBatches(images, batches.multi_crop(recipe), seed=0)
    plan = batches.BatchPlan(len(images), options.batch, epochs=1000, seed=0)
    normalize = batches.Normalize(recipe.mean, recipe.std, torch.device("cpu"))
    for groups in batches.load_views(drawn, plan.requests(), workers=0, pin_memory=False):
        yield [normalize(group) for group in groups]


def released_step(options: argparse.Namespace) -> Callable[[list[Tensor]], float]:
    """The released modules in the released order, on one gloo process."""
    sys.path.insert(0, str(options.reference))
    os.environ.update(RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(29600 + os.getpid() % 1000))
    device = torch.device(options.device)
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    torch.hub.list = lambda *_, **__: []
    import main_dino
    import utils
    import vision_transformer as vits

    name, patch = options.architecture.split("/")

    def network() -> torch.nn.Module:
        backbone = vits.__dict__[name](patch_size=int(patch))
        return utils.MultiCropWrapper(backbone, vits.DINOHead(backbone.embed_dim, options.out_dim)).to(device)

    torch.manual_seed(0)
    student, teacher = network(), network()
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False)
    torch.save(student.state_dict(), options.weights)
    student = torch.nn.parallel.DistributedDataParallel(student)
    loss_of = main_dino.DINOLoss(options.out_dim, 2 + options.local_crops, TEMPERATURE, TEMPERATURE, 0, 1).to(device)
    mixed = device.type == "cuda"
    scaler = torch.amp.GradScaler(device.type, enabled=mixed)
    optimizer = torch.optim.AdamW(utils.get_params_groups(student))

    def step(views: list[Tensor]) -> float:
        for index, group in enumerate(optimizer.param_groups):
            group["lr"] = LR
            if index == 0:
                group["weight_decay"] = DECAY
        with torch.autocast(device.type, torch.float16, enabled=mixed):
            loss = loss_of(student(views), teacher(views[:2]), 0)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        utils.clip_gradients(student, 3.0)
        utils.cancel_gradients_last_layer(0, student, 1)
        scaler.step(optimizer)
        scaler.update()
        with torch.no_grad():
            for mine, other in zip(student.module.parameters(), teacher.parameters(), strict=True):
                other.data.mul_(MOMENTUM).add_((1 - MOMENTUM) * mine.detach().data)
        return loss.item()

    return step


def our_step(options: argparse.Namespace) -> Callable[[list[Tensor]], float]:
    """The same through dinobench, from the weights that the released side left, if it ran."""
    from dinobench.training.build import build_learner
    from dinobench.training.step import StepSettings

    learner = build_learner(our_recipe(options), torch.device(options.device))
    if options.weights.exists():
        state = torch.load(options.weights, map_location="cpu", weights_only=True)
        for network in (learner.student, learner.teacher):
            network.load_state_dict(state)
    settings = StepSettings(LR, DECAY, MOMENTUM, TEMPERATURE, frozen=True)

    def step(views: list[Tensor]) -> float:
        groups = views if options.data else [torch.cat(group) for group in (views[:2], views[2:]) if group]
        return learner.step([groups], settings).loss.item()

    return step


def our_recipe(options: argparse.Namespace) -> Recipe:
    return Recipe(
        architecture=options.architecture,
        drop_path=0.0,
        out_dim=options.out_dim,
        local_crops=options.local_crops,
        precision="bf16" if "bf16" in options.side else "fp32",
        compile="compiled" in options.side,
    )


def measure(options: argparse.Namespace) -> None:
    """One side: prints seconds, losses and peak memory as JSON."""
    from dinobench.runtime.clock import peak_memory_bytes
    from dinobench.runtime.device import prepare_device

    device = torch.device(options.device)
    if options.side != "released":
        prepare_device(device)
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    released = options.side.startswith("released")
    step = (released_step if released else our_step)(options)
    read = (released_views if released else our_views) if options.data else noise
    batches, seconds, losses = read(options), [], []
    for _ in range(options.steps + 1):
        start = clock()
        views = [view.to(device) for view in next(batches)]
        if not options.data:
            start = clock()  # noise is no part of a step
        losses.append(step(views))  # which reads the loss, and so waits for the device
        seconds.append(clock() - start)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_memory_bytes()
    result = {"seconds": seconds[1:], "losses": losses, "peak": peak}
    print(json.dumps(result))


def rounds(arguments: list[str], options: argparse.Namespace) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Every side in a fresh process, in turn."""
    for _ in range(options.rounds):
        for side in options.sides.split(";"):
            yield side, in_fresh_process(__file__, [*arguments, "--side", side])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--architecture", default="vit_tiny/16")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out-dim", type=int, default=65536)
    parser.add_argument("--local-crops", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--sides", default=";".join(SIDES))
    parser.add_argument("--weights", type=Path, default=Path("/tmp/dinobench-benchmark-weights.pth"))
    parser.add_argument("--data", type=Path, help="photographs, for steps end to end")
    parser.add_argument("--side", choices=SIDES)
    options = parser.parse_args()
    if options.side:
        measure(options)
        return
    runs: dict[str, list[dict[str, list[float]]]] = {}
    for side, result in rounds(sys.argv[1:], options):
        runs.setdefault(side, []).append(result)
    report(runs, comparable=not options.data)


def report(runs: dict[str, list[dict[str, list[float]]]], *, comparable: bool) -> None:
    """A table of medians and ratios to the first side."""
    median = {side: statistics.median(s for run in of for s in run["seconds"]) for side, of in runs.items()}
    peak = {side: statistics.median(run["peak"] for run in of) for side, of in runs.items()}
    first = next(iter(runs))
    print(f"{'side':<18}{'s/step':>8}{'ratio':>7}{'peak GiB':>10}{'ratio':>7}{'largest loss difference':>25}")
    for side, of in runs.items():
        apart = max(abs(a - b) for a, b in zip(of[0]["losses"], runs[first][0]["losses"], strict=True))
        print(
            f"{side:<18}{median[side]:>8.2f}{median[first] / median[side]:>7.2f}"
            f"{peak[side] / 2**30:>10.2f}{peak[side] / peak[first]:>7.2f}{f'{apart:.1e}' if comparable else '-':>25}"
        )


if __name__ == "__main__":
    main()
