"""What a dry run promises beside what the run then takes: time, CPU time and peak memory of pairs of model and task.

    python benchmarks/plan.py DATA [--only knn-flowers,davis] [--repeats 1]

DATA has one folder per data set: flowers-102, davis, camvid. Each pair is first estimated, with nothing kept from
before, then run by its command with an empty cache; both see the same machine shortly after one another. On a shared
machine wall time says more of the others than of the program: CPU time is what to compare there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A model and a task with the data and the settings of its command."""

    model: str
    task: str
    data: str
    settings: tuple[str, ...] = ()


PAIRS = (
    Pair("random:vit_tiny/16", "seg-camvid@quick", "camvid"),
    Pair("random:resnet18", "logistic-flowers", "flowers-102", ("image_size=160",)),
    Pair("random:vit_tiny/16", "davis@quick", "davis"),
    Pair("random:vit_tiny/16", "knn-flowers", "flowers-102", ("image_size=160",)),
    Pair("random:resnet50", "roxford@dino", "mini"),
    Pair(
        "random:vit_tiny/16",
        "finetune-flowers@quick",
        "flowers-102",
        ("epochs=1", "warmup_epochs=0", "image_size=160"),
    ),
)

ESTIMATE = """
import json, sys
from dinobench.cards import load_models
from dinobench.pipeline import ModelRequest, make_plan
from dinobench.pipeline.estimates import estimate_jobs
from dinobench.pipeline.plan import asked_settings
from dinobench.runtime.settings import parse_pairs

if __name__ == "__main__":
    task, model, data, *settings = sys.argv[1:]
    plan = make_plan(task, model, data, None, parse_pairs(settings))
    (found,) = estimate_jobs(ModelRequest(model, asked_settings(plan)), plan.jobs, load_models(), quiet=True)
    if found.because:
        sys.exit(found.because)
    print(json.dumps([found.total, found.total_cpu, found.memory, found.passes]))
"""


def run(command: list[str], cache: Path) -> tuple[float, float, str]:
    """Wall and CPU seconds of a command, and its standard output."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    variables = {**os.environ, "DINOBENCH_CACHE": str(cache)}
    done = subprocess.run(command, env=variables, text=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def compare(pair: Pair, root: Path) -> dict[str, float]:
    """Figures of one pair."""
    data = pair.data if pair.data == "mini" else str(root / pair.data)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "estimate.py").write_text(ESTIMATE)
        arguments = [pair.task, pair.model, data, *pair.settings]
        probe, probe_cpu, text = run([sys.executable, str(place / "estimate.py"), *arguments], place / "cache")
        promised = json.loads(text)
        again, _, _ = run([sys.executable, str(place / "estimate.py"), *arguments], place / "cache")
        command = [sys.executable, "-m", "dinobench", "eval", "--task", pair.task, "--model", pair.model]
        command += ["--data", data, "--output", str(place / "records")]
        for setting in pair.settings:
            command += ["--set", setting]
        wall, cpu, _ = run(command, place / "cache")
        (record,) = (json.loads(path.read_text()) for path in (place / "records").glob("*.json"))
    return {
        "probe_wall": probe,
        "probe_cpu": probe_cpu,
        "again_wall": again,
        "wall_promised": promised[0],
        "wall": wall,
        "cpu_promised": promised[1],
        "cpu": cpu,
        "memory_promised": promised[2] / 1e9,
        "memory": record["peak_memory_bytes"] / 1e9,
    }


def error(found: dict[str, float], what: str) -> float:
    """In percent of what the run took."""
    return 100 * (found[f"{what}_promised"] / found[what] - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="", help="tasks, by their names without protocol")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    chosen = [pair for pair in PAIRS if not options.only or pair.task.split("@")[0] in options.only.split(",")]
    print(
        "| model | task | CPU s promised | took | error | wall s promised | took | error | GB promised | took | error |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    errors: dict[str, list[float]] = {"cpu": [], "wall": [], "memory": []}
    for pair in chosen * options.repeats:
        found = compare(pair, options.data)
        cells = []
        for what in errors:
            errors[what].append(abs(error(found, what)))
            cells += [f"{found[f'{what}_promised']:.3g}", f"{found[what]:.3g}", f"{error(found, what):+.0f}%"]
        print(f"| {pair.model} | {pair.task} | {' | '.join(cells)} |", flush=True)
        print(
            f"  probe {found['probe_wall']:.0f} s ({found['probe_cpu']:.0f} of CPU), again {found['again_wall']:.1f} s",
            file=sys.stderr,
            flush=True,
        )
    print(f"\nmedian errors: {', '.join(f'{what} {statistics.median(each):.0f}%' for what, each in errors.items())}")


if __name__ == "__main__":
    main()
