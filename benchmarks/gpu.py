"""Every figure of speed on one GPU, with nothing to download: `make gpu`.

    python benchmarks/gpu.py [--device cuda] [--reference DINO_CHECKOUT] [--output results/benchmarks] [PART ...]

Each part runs in a process of its own, and what it measured is kept beside the page: a run that was cut off goes on
where it stopped. Parts: the training step (released with its mixed precision, ours in bf16, ours compiled) and its peak
memory, extraction, k-NN among 1.28 million rows (released, faiss, ours), the linear probe's heads, a fine-tuning step
beside timm, whole DAVIS sequences of the drawn twin, figures beside those of the CPU, and the tests that need a GPU.
Without --reference the released sides are left out. --sizes tiny shows in a minute that each part runs, on any device.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the benchmarks whose sides are measured here
REPEATS = 5


@dataclass(frozen=True)
class Sizes:
    """How large each part is."""

    architecture: str
    image_size: int
    out_dim: int
    batches: tuple[int, ...]
    extraction_batch: int
    bank_rows: int
    queries: int
    compiled: bool


SIZES = {
    "full": Sizes("vit_small/16", 224, 65536, (64, 256), 256, 1_281_167, 5000, True),
    "tiny": Sizes("vit_tiny/16", 224, 64, (2,), 2, 300, 40, False),
}


@dataclass(frozen=True)
class Setup:
    """Where and how large to measure.

    Attributes:
        reference: checkout of the released code; None leaves its sides out.
    """

    device: torch.device
    sizes: Sizes
    reference: Path | None = None


@dataclass(frozen=True)
class Measured:
    """What one part found: units a second and peak memory, or a text."""

    rate: float = 0.0
    unit: str = ""
    peak_bytes: int = 0
    text: str = ""


Part = Callable[[Setup], Measured]


def timed_rate(run: Callable[[], object], count: int, unit: str, setup: Setup) -> Measured:
    """Units a second of `run`, which waits for the device itself, by the median of several runs after a first one."""
    from dinobench.runtime.device import peak_device_memory

    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return Measured(count / statistics.median(seconds[1:]), unit, peak_device_memory(setup.device))


def training_step(side: str, batch: int, setup: Setup) -> Measured:
    """Steps on equal noise, two crops of 224 and eight of 96 pixels."""
    from training import our_step, released_step, views_of

    with tempfile.TemporaryDirectory() as folder:
        options = argparse.Namespace(
            device=str(setup.device), side=side, batch=batch, architecture=setup.sizes.architecture, local_crops=8,
            out_dim=setup.sizes.out_dim, weights=Path(folder) / "weights.pth", reference=setup.reference, data=None,
        )  # fmt: skip
        step = (released_step if side == "released" else our_step)(options)
        views = [view.to(setup.device) for view in views_of(0, options)]
        return timed_rate(lambda: step(views), batch, "images/s", setup)


def extraction(side: str, setup: Setup) -> Measured:
    """Class tokens of noise that lies on the device already."""
    from extraction import ours, released

    architecture, batch = setup.sizes.architecture.split("/")[0], setup.sizes.extraction_batch
    if side == "released":
        run = released(architecture, str(setup.reference), setup.device)
    else:
        run = ours(architecture, "bf16" if "bf16" in side else "fp32", "cls", "compiled" in side, setup.device)
    images = torch.randn(batch, 3, setup.sizes.image_size, setup.sizes.image_size).to(setup.device)
    return timed_rate(lambda: run(images).sum().item(), batch, "images/s", setup)


def nearest_neighbors(side: str, setup: Setup) -> Measured:
    """Queries among made-up features of 384 numbers, four k at once."""
    from knn import CLASSES, KS, TEMPERATURE, flat_index, load, make_features, released

    from dinobench.metrics.knn import knn_classify

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_features(folder, setup.sizes.bank_rows, setup.sizes.queries)
        if side == "released":
            run = released(folder, str(setup.reference), KS, setup.device)
        elif side == "faiss":
            run = flat_index(folder, "", KS, setup.device)
        else:
            train, labels, test, _ = (part.to(setup.device) for part in load(folder))
            search = partial(knn_classify, ks=KS, temperature=TEMPERATURE, num_classes=CLASSES, device=setup.device)

            def run() -> object:
                return search(train, labels, test).top[KS[0]].sum().item()

        return timed_rate(run, setup.sizes.queries, "queries/s", setup)


def linear_heads(side: str, setup: Setup) -> Measured:
    """One pass of heads over stored features of four class tokens."""
    from linear import CLASSES, DIM

    from dinobench.evaluators.linear.heads import LinearHeads

    count = 13 if "13" in side else 1
    heads = LinearHeads(4 * DIM, CLASSES, [0.001] * count, setup.device)
    rows = setup.sizes.bank_rows // 100
    features = torch.randn(rows, 4 * DIM).to(setup.device)
    labels = (torch.arange(rows) % CLASSES).to(setup.device)

    def run() -> None:
        for start in range(0, rows, 1024):
            heads.step(features[start : start + 1024], labels[start : start + 1024], 1.0)
        float(next(iter(heads.state().values())).sum())

    return timed_rate(run, rows, "rows/s", setup)


def fine_tuning_step(side: str, setup: Setup) -> Measured:
    """Steps with mixing and soft targets; images are augmented beforehand."""
    from finetune import our_step, timm_step

    batch = setup.sizes.batches[0]
    step = (timm_step if side == "timm" else our_step)(setup.sizes.architecture, batch, setup.device)
    return timed_rate(step, batch, "images/s", setup)


def command_seconds(task: str, setup: Setup) -> Measured:
    """Seconds of a whole evaluation of a drawn network on the drawn twin, from start to record."""
    start = time.perf_counter()
    scores_of(task, setup.sizes, str(setup.device))
    return Measured(text=f"{time.perf_counter() - start:.1f} s")


def scores_of(task: str, sizes: Sizes, device: str) -> Mapping[str, float]:
    """The scores of a drawn network on the drawn twin of a task's data."""
    import dinobench

    with tempfile.TemporaryDirectory() as folder:
        records = dinobench.evaluate(
            task, model=f"random:{sizes.architecture}", data="mini", output=Path(folder), settings={"device": device}
        )
        return dict(records[0].metrics)


def equal_figures(task: str, setup: Setup) -> Measured:
    """The largest difference between a score on the device and on the CPU."""
    there, here = (scores_of(task, setup.sizes, device) for device in (str(setup.device), "cpu"))
    return Measured(text=f"{max(abs(there[name] - here[name]) for name in here):.2g} points")


def device_tests(setup: Setup) -> Measured:
    """The last line of the tests that need a GPU."""
    tests = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", str(HERE.parent / "tests")]
    done = subprocess.run(tests, stdout=subprocess.PIPE, text=True, check=False)
    return Measured(text=done.stdout.splitlines()[-1].strip("= "))


def all_parts(sizes: Sizes, *, with_released: bool) -> dict[str, dict[str, Part]]:
    """Sides of each table, the side to compare with first."""
    theirs = ["released"] if with_released else []
    compiled = ["ours, bf16, compiled"] if sizes.compiled else []
    return {
        **{
            f"training step, batch {batch}": {
                side: partial(training_step, side, batch) for side in (*theirs, "ours", "ours, bf16", *compiled)
            }
            for batch in sizes.batches
        },
        "extraction": {side: partial(extraction, side) for side in (*theirs, "ours", "ours, bf16", *compiled)},
        f"k-NN among {sizes.bank_rows:,} rows": {
            side: partial(nearest_neighbors, side) for side in (*theirs, "faiss", "ours")
        },
        "linear probe": {side: partial(linear_heads, side) for side in ("1 head", "13 heads")},
        f"fine-tuning step, batch {sizes.batches[0]}": {
            side: partial(fine_tuning_step, side) for side in ("timm", "ours")
        },
        "whole evaluation of a drawn twin": {
            task: partial(command_seconds, task) for task in ("davis@paper", "finetune-flowers@quick")
        },
        "scores beside the CPU's": {
            task: partial(equal_figures, task) for task in ("knn", "linear@cached", "davis@quick", "copydays")
        },
        "tests": {"pytest -m gpu": device_tests},
    }


def page_lines(title: str, tables: Mapping[str, Mapping[str, Measured]]) -> Iterator[str]:
    """The page in Markdown: a table each, with ratios to its first side."""
    yield f"# {title}\n"
    for name, rows in tables.items():
        yield f"## {name}\n\n| side | measured | ratio | peak GiB | ratio |\n|---|---|---|---|---|"
        first = next(iter(rows.values()))
        for side, row in rows.items():
            if row.text:
                yield f"| {side} | {row.text} | | | |"
                continue
            memory = (
                f"{row.peak_bytes / 2**30:.2f} | {row.peak_bytes / first.peak_bytes:.2f}" if row.peak_bytes else "|"
            )
            yield f"| {side} | {row.rate:,.1f} {row.unit} | {row.rate / first.rate:.2f} | {memory} |"
        yield ""


def measure_all(
    arguments: list[str], parts: Mapping[str, Mapping[str, Part]], kept: Path
) -> dict[str, dict[str, Measured]]:
    """Every part in a process of its own; what `kept` has is not measured again."""
    found: dict[str, dict[str, dict[str, object]]] = json.loads(kept.read_text()) if kept.exists() else {}
    for table, sides in parts.items():
        for side in sides:
            if side in found.get(table, {}):
                continue
            command = [sys.executable, __file__, *arguments, "--side", table, side]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            failed = {"text": f"failed, exit code {done.returncode}"}
            row = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else failed
            found.setdefault(table, {})[side] = row
            kept.write_text(json.dumps(found, indent=1))
            print(f"{table}: {side}: {row}", flush=True)
    return {
        table: {side: Measured(**found[table][side]) for side in sides}  # type: ignore[arg-type]
        for table, sides in parts.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--reference", type=Path, help="checkout of facebookresearch/dino")
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / "benchmarks")
    parser.add_argument("--sizes", choices=SIZES, default="full")
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("tables", nargs="*", metavar="PART", help="beginnings of the names of tables; default all")
    given = parser.parse_args()
    from dinobench.runtime.device import device_name, pick_device, prepare_device

    device = pick_device(given.device)
    parts = all_parts(SIZES[given.sizes], with_released=given.reference is not None)
    if given.side:
        prepare_device(device)
        table, side = given.side
        print(json.dumps(asdict(parts[table][side](Setup(device, SIZES[given.sizes], given.reference)))))
        return
    if given.tables:
        parts = {name: sides for name, sides in parts.items() if name.startswith(tuple(given.tables))}
    given.output.mkdir(parents=True, exist_ok=True)
    hardware = re.sub(r"[^a-z0-9]+", "-", device_name(device).lower()).strip("-")
    name = f"{datetime.date.today().isoformat()}-{hardware}"
    arguments = ["--device", given.device, "--sizes", given.sizes]
    arguments += ["--reference", str(given.reference)] if given.reference else []
    found = measure_all(arguments, parts, given.output / f".{name}.json")
    title = f"Speed on {device_name(device)}, torch {torch.__version__}, {os.cpu_count()} CPU cores"
    (given.output / f"{name}.md").write_text("\n".join(page_lines(title, found)))
    print(given.output / f"{name}.md")


if __name__ == "__main__":
    main()
