"""Seconds of training to a k-NN accuracy, the released code's and ours: one recipe, several seeds, real images.

    python benchmarks/accuracy.py --reference DINO_CHECKOUT --data IMAGE_FOLDER [--epochs 8] [--seeds 3] [--target 30]
    python benchmarks/accuracy.py --recipe imagenette64 --epochs 60 --every 5 ...

IMAGE_FOLDER has `train` and `val` with a folder per class. Both sides train recipe `cifar` (or --recipe) on one thread,
in one process each, by turns; each writes a checkpoint per epoch, and `dinobench eval --task knn` scores every
--every-th teacher of both alike. What counts is the process's own seconds from its start, imports and checkpoints
included, which a busy machine disturbs little. The released train loop runs as it is, with two things of the recipe put
in its way, since it has no switches for them: the widths of a small ViT and head, and the sizes and colors of views.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from turns import in_fresh_process

SIDES = ("released", "ours")


def note_seconds(note: Callable[[str], None]) -> None:
    """Call `note` with the file's name before anything is saved by torch."""
    import torch

    save = torch.save

    def noting(state: Any, target: Any, *rest: Any, **named: Any) -> None:
        note(str(target))
        save(state, target, *rest, **named)

    torch.save = noting


def train_ours(given: argparse.Namespace, folder: Path) -> None:
    import dinobench

    settings = {"epochs": given.epochs, "seed": given.seed, "workers": 0, "knn_every": 0, "keep_every": 1}
    dinobench.train(given.recipe, data=str(given.data), output=folder, settings=settings)


def train_released(given: argparse.Namespace, folder: Path) -> None:
    import torch

    from dinobench.training.recipe_files import load_recipe

    recipe = load_recipe(given.recipe)
    pretend_cuda(torch)
    sys.path.insert(0, str(given.reference))
    import main_dino

    main_dino.utils.SmoothedValue.synchronize_between_processes = lambda _: None  # asks for a tensor on CUDA
    main_dino.vits.vit_mini = functools.partial(
        main_dino.vits.VisionTransformer, img_size=[recipe.global_size], embed_dim=96, depth=4, num_heads=3,
        qkv_bias=True, norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6),
    )  # fmt: skip
    main_dino.DINOHead = functools.partial(
        main_dino.DINOHead, hidden_dim=recipe.head_hidden, bottleneck_dim=recipe.head_bottleneck
    )
    main_dino.DataAugmentationDINO = lambda *_: released_views(recipe, main_dino.utils.GaussianBlur)
    settings = {
        "arch": "vit_mini", "patch_size": int(recipe.architecture.partition("/")[2]), "out_dim": recipe.out_dim,
        "momentum_teacher": recipe.momentum_teacher,
        "warmup_teacher_temp": recipe.warmup_teacher_temp, "teacher_temp": recipe.teacher_temp,
        "warmup_teacher_temp_epochs": recipe.warmup_teacher_temp_epochs, "use_fp16": False, "drop_path_rate": 0.0,
        "weight_decay": recipe.weight_decay, "weight_decay_end": recipe.weight_decay_end, "lr": recipe.lr,
        "clip_grad": recipe.clip_grad, "freeze_last_layer": recipe.freeze_last_layer_epochs, "min_lr": recipe.min_lr,
        "warmup_epochs": recipe.warmup_epochs, "batch_size_per_gpu": recipe.batch_size, "epochs": given.epochs,
        "local_crops_number": recipe.local_crops, "saveckp_freq": 1, "num_workers": 0, "seed": given.seed,
        "data_path": str(given.data / "train"), "output_dir": str(folder),
    }  # fmt: skip
    parsed = main_dino.get_args_parser().parse_args([])
    parsed.__dict__.update(settings)
    main_dino.train_dino(parsed)


def pretend_cuda(torch: Any) -> None:
    """Let code that asks for one GPU and NCCL run on the CPU and gloo."""
    import os

    import torch._dynamo  # tables functions by identity, so it must see them before they are replaced

    os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1")
    os.environ["MASTER_PORT"] = str(29700 + os.getpid() % 200)
    torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *_, **__: self
    torch.cuda.set_device = torch.cuda.synchronize = lambda *_, **__: None
    torch.hub.list = lambda *_, **__: []
    group, parallel = torch.distributed.init_process_group, torch.nn.parallel.DistributedDataParallel
    torch.distributed.init_process_group = lambda backend=None, **named: group("gloo", **named)
    torch.nn.parallel.DistributedDataParallel = lambda module, **_: parallel(module)


def released_views(recipe: Any, blur: Callable[..., Any]) -> Callable[[Any], list[Any]]:
    """The recipe's views by the released code's operations: torchvision's and its own blur, on Pillow images."""
    from torchvision import transforms as T

    def crops(size: int, scale: list[float], blurred: float) -> T.Compose:
        jitter = T.ColorJitter(recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue)
        return T.Compose([
            T.RandomResizedCrop(size, scale=tuple(scale), interpolation=T.InterpolationMode.BICUBIC),
            T.RandomHorizontalFlip(recipe.flip_probability),
            T.RandomApply([jitter], recipe.jitter_probability),
            T.RandomGrayscale(recipe.grayscale_probability),
            blur(blurred, *recipe.blur_radius),
            T.ToTensor(),
            T.Normalize(recipe.mean, recipe.std),
        ])  # fmt: skip

    assert not recipe.solarize_probability
    *large, blurred = recipe.blur_probability
    first, second = (crops(recipe.global_size, recipe.global_scale, probability) for probability in large)
    small = crops(recipe.local_size, recipe.local_scale, blurred)
    return lambda image: [first(image), second(image), *(small(image) for _ in range(recipe.local_crops))]


def run_side(given: argparse.Namespace) -> None:
    """Train one side; prints the process's seconds at each file saved, as JSON."""
    import torch

    torch.set_num_threads(1)
    saved: dict[str, float] = {}
    note_seconds(lambda name: saved.update({name: time.process_time()}))
    (train_ours if given.side == "ours" else train_released)(given, given.folder)
    print("\n" + json.dumps(saved))


def accuracies(given: argparse.Namespace, folder: Path) -> list[float]:
    """Top-1 of 20-NN of every `given.every`-th teacher."""
    import dinobench
    from dinobench.training.recipe_files import load_recipe

    found, settings = [], {"heads": 3, "image_size": load_recipe(given.recipe).global_size}
    for path in sorted(folder.glob("checkpoint?*.pth"))[: given.epochs][given.every - 1 :: given.every]:
        records = dinobench.evaluate(
            "knn", model=str(path), data=str(given.data), output=folder / "records", settings=settings
        )
        found.append(records[0].metrics["top1"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="checkout of facebookresearch/dino")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", default="cifar", help="without solarization, of a vit_mini")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--every", type=int, default=1, help="epochs from one score to the next")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--target", type=float, default=30.0, help="20-NN top-1 in percent")
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    (run_side if given.side else compare)(given)


def compare(given: argparse.Namespace) -> None:
    """Train every seed on both sides by turns, and print the curves and the seconds to the target."""
    reached: dict[str, list[float]] = {side: [] for side in SIDES}
    for seed in range(given.seeds):
        for side in SIDES:
            with tempfile.TemporaryDirectory() as place:
                arguments = [*sys.argv[1:], "--side", side, "--seed", str(seed), "--folder", place]
                saved = in_fresh_process(__file__, arguments)
                curve = accuracies(given, Path(place))
            seconds = seconds_per_epoch(saved, given.epochs)[given.every - 1 :: given.every]
            passed = [second for second, top1 in zip(seconds, curve, strict=True) if top1 >= given.target]
            reached[side].append(passed[0] if passed else float("nan"))
            line = "  ".join(f"{second:.0f} s {top1:.1f}" for second, top1 in zip(seconds, curve, strict=True))
            print(f"seed {seed}  {side:<9} {line}", flush=True)
    medians = {side: statistics.median(values) for side, values in reached.items()}
    print(f"CPU seconds to {given.target}% (median of {given.seeds} seeds): {medians}")
    print(f"ratio {medians['released'] / medians['ours']:.2f}")


def seconds_per_epoch(saved: dict[str, float], epochs: int) -> list[float]:
    """The seconds at which the numbered checkpoint of each epoch was begun."""
    numbered = sorted(second for name, second in saved.items() if re.search(r"checkpoint\d{4}", name))
    return numbered[:epochs]


if __name__ == "__main__":
    main()
