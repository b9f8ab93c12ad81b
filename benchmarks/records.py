"""How long the commands on results take with many records, and whether a frame's time grows in line with them.

    python benchmarks/records.py [--counts 1000 10000 100000] [--commands-at 10000]

Records of three tasks, with eight metrics each, are drawn into a folder of their own. The commands run in processes of
their own, import time included; `frame` is `dinobench.records` in this process. The frame's seconds per 1,000 records
are to stay the same from one count to the next. CPU seconds stand beside wall time, and tell more where others use the
machine.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dinobench
from dinobench.cards import load_tasks
from dinobench.results.records import DataInfo, ModelInfo, ProtocolRef, RecordStore, RunRecord, SplitInfo

TASKS = ("knn", "linear", "roxford")
COMMANDS = {
    "records ls": ["records", "ls"],
    "records best": ["records", "best"],
    "tables --table all": ["tables", "--table", "all"],
}


def main() -> None:
    """Print one line per count and command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--commands-at", type=int, default=10_000, help="records for the commands")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        written = 0
        records = draw_records()
        for count in sorted({*given.counts, given.commands_at}):
            write_records(Path(name), records, count - written)
            written = count
            if count == given.commands_at:
                time_commands(Path(name), count)
            if count in given.counts:
                time_frame(Path(name), count)


def draw_records() -> Iterator[RunRecord]:
    """Records without end: 200 models by three tasks, then the same again with other seeds."""
    cards = load_tasks()
    number = 0
    while True:
        card = cards[TASKS[number % len(TASKS)]]
        protocol = card.protocol()
        model = f"model_{number // len(TASKS) % 200:03d}"
        digest = hashlib.sha256(model.encode()).hexdigest()
        metrics = {card.main_metric: 50 + number % 400 / 10} | {f"metric_{other}": 50.0 for other in range(7)}
        yield RunRecord(
            task=card.name,
            protocol=ProtocolRef(protocol.name, protocol.version, protocol.hash),
            main_metric=card.main_metric,
            model=ModelInfo(model, digest, spec=f"{model}.pth", architecture="vit_small/16", family="dino"),
            data=DataInfo("imagenet", "imagefolder", "imagenet", {"val": SplitInfo("cd" * 32, 50_000, 1_000)}),
            settings={"seed": number, "ks": [10, 20, 100, 200], **{f"setting_{other}": other for other in range(40)}},
            date=f"2026-01-01T00:00:{number % 60:02d}+00:00",
            device="cpu",
            environment={"python": "3.11", "packages": {f"package_{other}": "1.0" for other in range(15)}},
            metrics=metrics,
            intervals=dict.fromkeys(metrics, (49.0, 51.0)),
            deviations={"seed": number},
            because=(f"seed = {number} differs from the protocol",),
        )
        number += 1


def write_records(folder: Path, records: Iterator[RunRecord], count: int) -> None:
    """Write the next `count` records, sealed as runs seal theirs, without a flush to disk each."""
    store = RecordStore(folder)
    for _, record in zip(range(count), records, strict=False):
        (folder / f"{record.name}.json").write_text(store._sealed(record).to_json())


def time_commands(folder: Path, count: int) -> None:
    """Run each command once."""
    for title, arguments in COMMANDS.items():
        start, before = time.perf_counter(), os.times()
        command = [sys.executable, "-m", "dinobench", *arguments, "--results", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - start, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        print(f"{title:<20} {count:>7} records  {wall:6.2f} s  CPU {cpu:.2f} s", flush=True)


def time_frame(folder: Path, count: int) -> None:
    """Build the long frame once."""
    start, before = time.perf_counter(), time.process_time()
    frame = dinobench.records(folder)
    wall, cpu = time.perf_counter() - start, time.process_time() - before
    rate = f"{1000 * cpu / count:.3f} s per 1,000"
    print(f"{'frame':<20} {count:>7} records  {wall:6.2f} s  CPU {cpu:.2f} s, {rate}", flush=True)
    assert frame["path"].nunique() == count


if __name__ == "__main__":
    main()
