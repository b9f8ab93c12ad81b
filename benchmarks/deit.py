"""Fine-tuning beside DeiT's own training: rates, losses and accuracies of the same recipe from the same drawn network.

    git clone https://github.com/facebookresearch/deit
    python benchmarks/deit.py DEIT DATA [--epochs 3] [--seeds 3] [--images 256] [--size 48] [--batch 128]

DEIT is the clone, whose main() runs as it is, with its own sampler, transforms, mixing, optimizer and schedule. What is
replaced stands in `adapt`: the process group, calls that need a GPU, the count of classes, the factory of the network
(it takes words that timm no longer gives) and modules of other recipes. DATA holds train/ and val/ with class folders;
`images` of each class are trained on. DeiT's sampler rounds the images of an epoch down to a multiple of 256.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import statistics
import sys
import tempfile
import types
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import ImageOps
from torch import nn

LR, WARMUP = 1e-3, 0  # of the small run: high enough that three epochs learn something
COLUMNS = ("lr", "loss", "top-1")
History = list[tuple[float, float, float]]


def network(size: int, **options: Any) -> nn.Module:
    """ViT-Ti/16 as DeiT builds it, by timm."""
    from timm.models.vision_transformer import VisionTransformer

    norm = partial(nn.LayerNorm, eps=1e-6)
    shape = {"patch_size": 16, "embed_dim": 192, "depth": 12, "num_heads": 3, "qkv_bias": True, "norm_layer": norm}
    return VisionTransformer(img_size=size, **shape, **options)


def few_images(data: Path, folder: Path, images: int) -> Path:
    """A folder of links to the first `images` of each training class, and to the validation images."""
    for kind in sorted((data / "train").iterdir()):
        (folder / "train" / kind.name).mkdir(parents=True)
        for path in sorted(kind.iterdir())[:images]:
            (folder / "train" / kind.name / path.name).symlink_to(path.resolve())
    (folder / "val").symlink_to((data / "val").resolve())
    return folder


class Wrapped(nn.Module):
    """Stands for DistributedDataParallel in a group of one on the CPU."""

    def __init__(self, module: nn.Module, **ignored: object) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """As the network."""
        scores: torch.Tensor = self.module(images)
        return scores


def adapt(deit: Path) -> Any:
    """DeiT's `main` module, where a machine without a GPU and today's timm and Pillow would stop it."""
    sys.path.insert(0, str(deit))
    for unused in ("augment", "models", "models_v2"):
        sys.modules[unused] = types.ModuleType(unused)
        sys.modules[unused].new_data_aug_generator = None  # type: ignore[attr-defined]
    main = importlib.import_module("main")
    build, plain = main.build_dataset, main.utils

    def dataset(is_train: bool, args: argparse.Namespace) -> tuple[Any, int]:
        found, _ = build(is_train, args)
        return found, len(found.classes)

    def alone(args: argparse.Namespace) -> None:
        args.distributed, args.gpu = True, 0

    plain.init_distributed_mode, plain.get_world_size, plain.get_rank = alone, lambda: 1, lambda: 0
    main.build_dataset = dataset
    main.create_model = lambda name, pretrained, drop_rate, drop_block_rate, img_size, **rest: network(img_size, **rest)
    torch.nn.parallel.DistributedDataParallel = Wrapped  # type: ignore[assignment,misc]
    torch.cuda.synchronize = lambda *ignored: None
    posterize = ImageOps.posterize  # today's Pillow refuses the zero bits that timm now and then asks for
    ImageOps.posterize = lambda image, bits: posterize(image, max(1, bits))
    return main


def theirs(main: Any, data: Path, weights: Path, folder: Path, options: argparse.Namespace, seed: int) -> History:
    """DeiT's log of one run."""
    parser = argparse.ArgumentParser(parents=[main.get_args_parser()])
    words = {
        "batch-size": options.batch, "epochs": options.epochs, "input-size": options.size, "lr": LR,
        "warmup-epochs": WARMUP, "data-set": "IMNET", "data-path": data, "output_dir": folder, "device": "cpu",
        "seed": seed, "num_workers": 0, "finetune": weights,
    }  # fmt: skip
    given = [text for name, value in words.items() for text in (f"--{name}", str(value))]
    folder.mkdir()
    with contextlib.redirect_stdout(io.StringIO()):
        main.main(parser.parse_args([*given, "--unscale-lr", "--no-pin-mem"]))
    rows = [json.loads(line) for line in (folder / "log.txt").read_text(encoding="utf-8").splitlines()]
    return [(row["train_lr"], row["train_loss"], row["test_acc1"]) for row in rows]


def ours(data: Path, weights: Path, folder: Path, options: argparse.Namespace, seed: int) -> History:
    """The history of dinobench's run of the same recipe."""
    from dinobench.pipeline.run import evaluate

    settings = {
        "image_size": options.size, "epochs": options.epochs, "batch_size": options.batch, "lr": LR,
        "warmup_epochs": WARMUP, "mix_group": 0, "erasing": 0.25, "head_scale": 1.0, "seed": seed, "device": "cpu",
        "workers": 1, "forward_batch": options.batch, "family": "vit",
    }  # fmt: skip
    with contextlib.redirect_stderr(io.StringIO()):
        (record,) = evaluate("finetune-cifar10", str(weights), str(data), "paper", folder, settings)
    return [(row["lr"], row["loss"], row["test"]) for row in record.details["history"]]


def schedule_gap(main: Any) -> float:
    """The largest difference of the rates of both sides, over all epochs of the paper's recipes of Table 6."""
    from dinobench.cards import load_tasks
    from dinobench.evaluators.finetune.optimization import Schedule

    gaps = []
    for card in load_tasks().values():
        recipe = card.protocols["paper"].settings if card.evaluator == "finetune" else None
        if recipe is None or recipe.schedule != "epoch":
            continue
        pair = [torch.optim.SGD([nn.Parameter(torch.zeros(1))], recipe.lr) for _ in range(2)]
        words = [
            f"--{name}={getattr(recipe, name.replace('-', '_'))}" for name in ("epochs", "warmup-epochs", "min-lr")
        ]
        args = argparse.ArgumentParser(parents=[main.get_args_parser()]).parse_args([*words, f"--lr={recipe.lr}"])
        scheduler, _ = main.create_scheduler(args, pair[0])
        mine = Schedule(pair[1], recipe, steps_per_epoch=1)
        for epoch in range(recipe.epochs):
            gaps.append(abs(pair[0].param_groups[0]["lr"] - mine.set(epoch)))
            scheduler.step(epoch)
    return max(gaps)


def table(runs: dict[str, list[History]]) -> str:
    """Mean and range over the seeds, by epoch and side."""
    lines = ["| epoch | side | " + " | ".join(COLUMNS) + " |", "|---|---|" + "---|" * len(COLUMNS)]
    for epoch in range(len(runs["DeiT"][0])):
        for side, histories in runs.items():
            cells = []
            for column in range(len(COLUMNS)):
                values = [history[epoch][column] for history in histories]
                spread = f" ({min(values):.4g} to {max(values):.4g})" if column else ""
                cells.append(f"{statistics.mean(values):.6g}{spread}")
            lines.append(f"| {epoch + 1} | {side} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("deit", type=Path)
    parser.add_argument("data", type=Path)
    for name, default in (("epochs", 3), ("seeds", 3), ("images", 256), ("size", 48), ("batch", 128)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    module = adapt(options.deit)
    print(f"largest difference of the rates over all epochs of Table 6's recipes: {schedule_gap(module):.3g}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["DINOBENCH_CACHE"] = str(folder / "cache")
        data, weights = few_images(options.data, folder / "data", options.images), folder / "drawn.pth"
        torch.manual_seed(0)
        torch.save({"model": network(options.size, num_classes=0).state_dict()}, weights)
        runs: dict[str, list[History]] = {"DeiT": [], "dinobench": []}
        for seed in range(options.seeds):
            runs["DeiT"].append(theirs(module, data, weights, folder / f"deit{seed}", options, seed))
            runs["dinobench"].append(ours(data, weights, folder / f"ours{seed}", options, seed))
    print(table(runs))


if __name__ == "__main__":
    main()
