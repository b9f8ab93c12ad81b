"""DAVIS side by side with the released code and the official kit: propagation, set-up, whole frames, J and F.

    git clone https://github.com/facebookresearch/dino /tmp/dino
    git clone https://github.com/davisvideochallenge/davis2017-evaluation /tmp/kit
    pip install opencv-python-headless scikit-image       # for the two of them alone
    python benchmarks/video.py --reference /tmp/dino [--kit /tmp/kit] [--only step] [--repeats 5]

`step` propagates labels to one frame of 480p at patch 8 (60 x 104 tokens of 384 numbers, 8 context frames); `setup` is
what each video needs before (the released window mask); `frame` adds the ViT-S/8 features of the frame to a step;
`scores` is J and F of 10 full-size masks. `+settings` is the other side's code with our two process-wide settings
(allocator, oneDNN), `-settings` ours without them, so that settings are not sold as code. Each figure is the median of
fresh processes, the routes taking turns, each after a warm-up; MiB is what a process grew by beyond its inputs. On a
busy machine `--threads 1 --clock cpu` counts the seconds that the processor spent, whatever else ran.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from turns import in_fresh_process

from dinobench.runtime.clock import peak_memory_bytes, resident_bytes

GRID, DIM, CONTEXT, CHANNELS, PATCH, RADIUS = (60, 104), 384, 8, 4, 8, 12
MASKS, SIZE = 10, (480, 854)
ARCHITECTURE = f"vit_small/{PATCH}"
CLOSE = 1e-5


def main() -> None:
    """Run every route in turn and print a table of ratios; or one route, for the parent process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="checkout of facebookresearch/dino")
    parser.add_argument("--kit", type=Path, help="checkout of davis2017-evaluation")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=["step", "setup", "frame", "scores"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--route", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.route:
        run_route(given)
        return
    with tempfile.TemporaryDirectory() as name:
        write_inputs(Path(name))
        wanted = [route for route in ROUTES if given.only in (None, route.split()[0])]
        routes = [route for route in wanted if given.kit or not route.startswith("scores")]
        found: dict[str, list[list[float]]] = {route: [] for route in routes}
        for _ in range(given.repeats):
            for route in routes:
                found[route].append(run(route, given, Path(name)))
        report(found, Path(name))


def run(route: str, given: argparse.Namespace, folder: Path) -> list[float]:
    """Seconds and MiB of one route in a fresh process."""
    arguments = ["--reference", str(given.reference), "--route", route, "--folder", str(folder)]
    arguments += ["--threads", str(given.threads), "--clock", given.clock]
    arguments += ["--kit", str(given.kit)] if given.kit else []
    return list(in_fresh_process(__file__, arguments))


def run_route(given: argparse.Namespace) -> None:
    """Warm up, run once more by the clock, print seconds and MiB, keep the result."""
    sys.path[:0] = [str(path.resolve()) for path in (given.reference, given.kit) if path]
    torch.Tensor.cuda = lambda tensor, *args, **kwargs: tensor
    side = given.route.split()[1]
    if side.endswith("+settings") or side in ("ours", "ours-bf16"):
        from dinobench.runtime.cpu import tune_cpu

        tune_cpu()
    torch.set_num_threads(given.threads)
    clock = time.perf_counter if given.clock == "wall" else time.process_time
    work = ROUTES[given.route](given.folder)
    before = resident_bytes()
    with torch.inference_mode():
        work()
        began = clock()
        result = work()
        seconds = clock() - began
    np.save(given.folder / f"{given.route}.npy", np.asarray(result))
    print(json.dumps([seconds, (peak_memory_bytes() - before) / 2**20]))


def report(found: dict[str, list[list[float]]], folder: Path) -> None:
    """Medians, ratios to the first route of each kind, and how far the results lie apart."""
    print(f"{'route':<28}{'seconds':>10}{'speed-up':>10}{'MiB':>8}{'largest difference':>20}{'further than 1e-5':>19}")
    for route, runs in found.items():
        base = next(name for name in found if name.split()[0] == route.split()[0])
        seconds, mebibytes = (statistics.median(column) for column in zip(*runs, strict=True))
        ratio = statistics.median(run[0] for run in found[base]) / seconds
        apart = np.abs(np.load(folder / f"{route}.npy") - np.load(folder / f"{base}.npy"))
        further = (apart > CLOSE).mean()
        print(f"{route:<28}{seconds:>10.4f}{ratio:>9.1f}x{mebibytes:>8.0f}{apart.max():>20.1e}{further:>19.1e}")


def write_inputs(folder: Path) -> None:
    """Features, labels, weights, a frame and masks that every route reads."""
    from dinobench.models.networks.build import build_backbone

    generator = torch.Generator().manual_seed(0)
    scene = torch.randn(*GRID, DIM, generator=generator)
    frames = [scene + 0.7 * torch.randn(*GRID, DIM, generator=generator) for _ in range(CONTEXT + 1)]
    labels = torch.rand(CONTEXT, *GRID, CHANNELS, generator=generator)
    pixels = torch.randn(3, GRID[0] * PATCH, GRID[1] * PATCH, generator=generator)
    torch.save(
        {"frames": functional.normalize(torch.stack(frames), dim=-1), "labels": labels, "pixels": pixels},
        folder / "inputs.pt",
    )
    torch.manual_seed(0)
    torch.save(build_backbone(ARCHITECTURE).state_dict(), folder / "weights.pt")
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    angle, distance = np.arctan2(y - 240, x - 400), np.hypot(y - 240, x - 400)
    blobs = [[distance < r * (1 + 0.25 * np.sin(7 * angle + t)) for t in range(MASKS)] for r in (120, 130)]
    np.savez(folder / "masks.npz", truth=blobs[0], result=blobs[1])


def inputs(folder: Path) -> dict[str, torch.Tensor]:
    """What `write_inputs` wrote."""
    return dict(torch.load(folder / "inputs.pt"))


def released_module() -> Any:
    """The released script, its arguments set to their defaults."""
    import eval_video_segmentation as script

    script.args = types.SimpleNamespace(size_mask_neighborhood=RADIUS, topk=5)
    return script


class Given:
    """Stands for the released network where features are given."""

    patch_embed = types.SimpleNamespace(patch_size=PATCH)

    def __init__(self, features: torch.Tensor) -> None:
        self.features = features

    def get_intermediate_layers(self, images: torch.Tensor, n: int) -> list[torch.Tensor]:
        """A row for the class token, then the given features."""
        return [torch.cat([self.features[:1], self.features])[None]]


def released_step(folder: Path, *, network: bool = False) -> Callable[[], Any]:
    """The released `label_propagation`; its mask, which the script builds once per video, is built beforehand."""
    script, given = released_module(), inputs(folder)
    row, column = torch.arange(GRID[0])[:, None].expand(GRID), torch.arange(GRID[1]).expand(GRID)
    away = [(axis.flatten()[:, None] - axis.flatten()).abs() for axis in (row, column)]
    mask = (torch.maximum(*away) <= RADIUS).float()[None].repeat(CONTEXT, 1, 1)
    sources = [frame.flatten(0, 1).T for frame in given["frames"][:CONTEXT]]
    labels = [each.permute(2, 0, 1)[None] for each in given["labels"]]
    model = released_network(folder) if network else Given(given["frames"][-1].flatten(0, 1))

    def work() -> Any:
        soft, _, _ = script.label_propagation(script.args, model, given["pixels"], sources, labels, mask)
        return soft[0].permute(1, 2, 0)

    return work


def released_network(folder: Path) -> Any:
    """The released ViT-S/8 with our random weights."""
    import vision_transformer

    model = vision_transformer.vit_small(patch_size=PATCH, num_classes=0).eval()
    model.load_state_dict(torch.load(folder / "weights.pt"))
    return model


def our_step(folder: Path) -> Callable[[], Any]:
    """`propagate`, windows only."""
    from dinobench.evaluators.video_segmentation.propagation import Propagation, propagate

    given = inputs(folder)
    frames, labels = list(given["frames"]), list(given["labels"])
    return lambda: propagate(frames[-1], frames[:CONTEXT], labels, Propagation())


def our_frame(folder: Path, *, precision: str = "fp32") -> Callable[[], Any]:
    """Features, then `propagate`."""
    from dinobench.evaluators.video_segmentation.propagation import Propagation, propagate
    from dinobench.models.networks.build import build_backbone

    given = inputs(folder)
    model = build_backbone(ARCHITECTURE).eval()
    model.load_state_dict(torch.load(folder / "weights.pt"))

    def work() -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            patches = model(given["pixels"][None]).patches[0]
        target = functional.normalize(patches.float(), dim=-1)
        return propagate(target, list(given["frames"][:CONTEXT]), list(given["labels"]), Propagation())

    return work


def released_setup(folder: Path) -> Callable[[], Any]:
    """The window mask of one video."""
    script = released_module()
    return lambda: script.restrict_neighborhood(*GRID)[:1, :1]


def our_setup(folder: Path) -> Callable[[], Any]:
    """Nothing but the propagator itself: windows are cut as tiles need them."""
    from dinobench.evaluators.video_segmentation.propagation import LabelPropagator, Propagation

    given = inputs(folder)

    def work() -> Any:
        LabelPropagator(given["frames"][0], given["labels"][0], Propagation())
        return np.ones((1, 1))

    return work


def kit_scores(folder: Path) -> Callable[[], Any]:
    """The official kit's J and F of one object."""
    from davis2017.metrics import db_eval_boundary, db_eval_iou

    masks = dict(np.load(folder / "masks.npz"))
    pair = masks["truth"], masks["result"]
    return lambda: np.stack([db_eval_iou(*pair), db_eval_boundary(*pair)])


def our_scores(folder: Path) -> Callable[[], Any]:
    """Our J and F of one object."""
    from dinobench.metrics.segmentation import score_objects

    masks = dict(np.load(folder / "masks.npz"))
    truth, result = (masks[name].astype(np.uint8) for name in ("truth", "result"))

    def work() -> Any:
        scores = score_objects(truth, result, 1)[1]
        return np.stack([scores.j, scores.f])

    return work


ROUTES: dict[str, Callable[[Path], Callable[[], Any]]] = {
    "step released": released_step,
    "step released+settings": released_step,
    "step ours": our_step,
    "step ours-settings": our_step,
    "setup released": released_setup,
    "setup ours": our_setup,
    "frame released": partial(released_step, network=True),
    "frame released+settings": partial(released_step, network=True),
    "frame ours": our_frame,
    "frame ours-bf16": partial(our_frame, precision="bf16"),
    "scores kit": kit_scores,
    "scores ours": our_scores,
}

if __name__ == "__main__":
    os.environ.setdefault("TQDM_DISABLE", "1")
    main()
