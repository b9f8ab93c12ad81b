"""Retrieval side by side with the released code: mAP among a million images, and multi-scale extraction.

    git clone https://github.com/facebookresearch/dino /tmp/dino
    python benchmarks/retrieval.py --released /tmp/dino [--repeats 5]

`map` ranks 70 queries among 1,005,000 descriptors of 384 numbers and scores easy, medium and hard, similarities
included; memory is what the process grows by beyond the descriptors. `extract` describes photographs of several shapes
at 512 px and three scales by ViT-S/16, decoding included; `released+settings` is the released route with our two
process-wide settings (allocator, oneDNN), so that what remains is due to code. Every figure is the median of fresh
processes, the routes taking turns; CPU seconds add up all cores, and tell more where others use the machine. Each
route's result is compared with the released one's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from turns import in_fresh_process

from dinobench.runtime.clock import peak_memory_bytes, resident_bytes

DATABASE, IMAGES, QUERIES, DIM = 4_993, 1_005_000, 70, 384
SHAPES = ((1024, 768), (768, 1024), (1024, 683), (1024, 768))
SIZE = 512
NORMALIZATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def main() -> None:
    """Run every route in turn and print a table of ratios; or one route, for the parent process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--released", type=Path, required=True, help="checkout of facebookresearch/dino")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--photographs", type=int, default=32, help="to describe")
    parser.add_argument("--only", choices=["map", "extract"])
    parser.add_argument("--route", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.route:
        sys.path.insert(0, str(given.released))
        ROUTES[given.route](given.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        write_photographs(Path(name), given.photographs)
        routes = [route for route in ROUTES if given.only in (None, route.split()[0])]
        if "map ours" in routes:
            write_descriptors(Path(name))
        found = {route: [] for route in routes}
        for _ in range(given.repeats):
            for route in routes:
                found[route].append(run(route, given.released, Path(name)))
        report(found, Path(name))


def run(route: str, released: Path, folder: Path) -> list[float]:
    """Seconds, CPU seconds and MiB of one route in a fresh process."""
    arguments = ["--released", str(released), "--route", route, "--folder", str(folder)]
    return list(in_fresh_process(__file__, arguments))


def report(found: dict[str, list[list[float]]], folder: Path) -> None:
    """Print medians, ratios to the released route, and how far the results lie apart."""
    print(
        f"{'route':<28}{'seconds':>9}{'speed-up':>10}{'CPU s':>8}{'speed-up':>10}{'MiB':>8}{'largest difference':>20}"
    )
    for route, runs in found.items():
        base = f"{route.split()[0]} released"
        seconds, busy, mebibytes = (statistics.median(column) for column in zip(*runs, strict=True))
        faster, lighter = (statistics.median(run[place] for run in found[base]) for place in (0, 1))
        apart = np.abs(np.load(folder / f"{route}.npy") - np.load(folder / f"{base}.npy")).max()
        times = f"{seconds:>9.2f}{faster / seconds:>9.1f}x{busy:>8.2f}{lighter / busy:>9.1f}x"
        print(f"{route:<28}{times}{mebibytes:>8.0f}{apart:>20.1e}", flush=True)


def write_descriptors(folder: Path) -> None:
    """A million descriptors, the queries and their ground truth."""
    rng = np.random.default_rng(0)
    database = rng.standard_normal((IMAGES, DIM), dtype=np.float32)
    database /= np.linalg.norm(database, axis=1, keepdims=True)
    np.save(folder / "database.npy", database)
    queries = database[:QUERIES] + 0.05 * rng.standard_normal((QUERIES, DIM), dtype=np.float32)
    np.save(folder / "queries.npy", queries / np.linalg.norm(queries, axis=1, keepdims=True))
    truth = [rng.choice(DATABASE, 150, replace=False).tolist() for _ in range(QUERIES)]
    groups = [{"easy": ids[:50], "hard": ids[50:100], "junk": ids[100:]} for ids in truth]
    (folder / "truth.json").write_text(json.dumps(groups))


def write_photographs(folder: Path, count: int) -> None:
    """Images of a few shapes."""
    rng = np.random.default_rng(1)
    for index in range(count):
        width, height = SHAPES[index % len(SHAPES)]
        small = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        small.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{index:03d}.jpg", quality=90)


def measured(folder: Path, route: str, work: Callable[[], np.ndarray]) -> None:
    """Run `work`, keep its result, and print its seconds, its CPU seconds and by how many MiB the process grew."""
    before, began, worked = resident_bytes(), time.perf_counter(), time.process_time()
    result = work()
    seconds, busy = time.perf_counter() - began, time.process_time() - worked
    print(json.dumps([seconds, busy, (peak_memory_bytes() - before) / 2**20]))
    np.save(folder / f"{route}.npy", result)


def descriptors(folder: Path) -> tuple[np.ndarray, np.ndarray, list[dict[str, list[int]]]]:
    """The searched descriptors in memory, the queries, and the ground truth."""
    truth = json.loads((folder / "truth.json").read_text())
    return np.load(folder / "database.npy"), np.load(folder / "queries.npy"), truth


def map_ours(folder: Path) -> None:
    """Positions counted, not sorted."""
    from dinobench.evaluators.common.ranking.database import Database
    from dinobench.evaluators.retrieval.evaluate import split_groups
    from dinobench.metrics.ranking import SETUPS, score_setup

    database, queries, truth = descriptors(folder)
    groups = [{name: np.array(ids) for name, ids in query.items()} for query in truth]

    def work() -> np.ndarray:
        judged = [np.concatenate(list(query.values())) for query in groups]
        positions = Database(database).positions(queries, judged)
        located = [split_groups(found, query) for found, query in zip(positions, groups, strict=True)]
        return np.array([score_setup(located, setup).ap for setup in SETUPS])

    measured(folder, "map ours", work)


def map_released(folder: Path) -> None:
    """All similarities, argsort, then the kit's scoring."""
    np.in1d = np.isin  # the released code uses a name that numpy dropped
    from utils import compute_map

    database, queries, truth = descriptors(folder)

    def work() -> np.ndarray:
        ranks = torch.argsort(-torch.mm(torch.from_numpy(database), torch.from_numpy(queries).T), dim=0).numpy()
        setups = ((("easy",), ("junk", "hard")), (("easy", "hard"), ("junk",)), (("hard",), ("junk", "easy")))
        found = []
        for positives, ignored in setups:
            judged = [{"ok": joined(query, positives), "junk": joined(query, ignored)} for query in truth]
            found.append(compute_map(ranks, judged, [1, 5, 10])[1])
        return np.array(found)

    measured(folder, "map released", work)


def joined(query: dict[str, list[int]], names: Sequence[str]) -> list[int]:
    """The ids of several groups."""
    return [image for name in names for image in query[name]]


def extract_ours(folder: Path) -> None:
    """Shape buckets, decoding ahead, only the class token in the last block."""
    from dinobench.data.decode import read_rgb
    from dinobench.features.buckets import described
    from dinobench.models.networks.build import build_backbone
    from dinobench.models.networks.multi_scale import multi_scale_class_token
    from dinobench.runtime.cpu import tune_cpu

    tune_cpu()
    backbone = build_backbone("vit_small/16").eval()
    backbone.load_state_dict(weights())
    files = sorted(folder.glob("*.jpg"))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in NORMALIZATION)

    def prepare(index: int) -> Image.Image:
        image = read_rgb(files[index])
        image.thumbnail((SIZE, SIZE), Image.Resampling.LANCZOS)
        return image

    def describe(pixels: torch.Tensor) -> torch.Tensor:
        images = pixels.permute(0, 3, 1, 2).contiguous().float().div_(255).sub_(mean).div_(std)
        return multi_scale_class_token(backbone, images)

    def work() -> np.ndarray:
        rows = np.empty((len(files), DIM), np.float32)
        for indices, part in described(describe, prepare, np.arange(len(files))):
            rows[indices] = part.numpy()
        return rows

    measured(folder, "extract ours", work)


def extract_released(folder: Path, route: str = "extract released") -> None:
    """One image at a time."""
    import utils
    import vision_transformer
    from torchvision import transforms

    model = vision_transformer.vit_small(patch_size=16, num_classes=0).eval()
    model.load_state_dict(weights())
    to_input = transforms.Compose([transforms.ToTensor(), transforms.Normalize(*NORMALIZATION)])

    @torch.no_grad()
    def work() -> np.ndarray:
        rows = []
        for path in sorted(folder.glob("*.jpg")):
            image = Image.open(path).convert("RGB")
            image.thumbnail((SIZE, SIZE), Image.Resampling.LANCZOS)
            rows.append(utils.multi_scale(to_input(image)[None], model))
        return torch.cat(rows).numpy()

    measured(folder, route, work)


def extract_released_tuned(folder: Path) -> None:
    """The released route under our process-wide settings."""
    from dinobench.runtime.cpu import tune_cpu

    tune_cpu()
    extract_released(folder, "extract released+settings")


def weights() -> dict[str, torch.Tensor]:
    """The same random weights for every route; larger than at initialization, so that differences would show."""
    from dinobench.models.networks.build import build_backbone

    torch.manual_seed(0)
    return {name: 2 * value for name, value in build_backbone("vit_small/16").state_dict().items()}


ROUTES: dict[str, Callable[[Path], None]] = {
    "map released": map_released,
    "map ours": map_ours,
    "extract released": extract_released,
    "extract released+settings": extract_released_tuned,
    "extract ours": extract_ours,
}

if __name__ == "__main__":
    main()
