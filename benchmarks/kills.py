"""SIGKILL at random moments of every kind of work, each restarted and compared with the undisturbed run to the bit.

    python -m benchmarks.kills [--kills 200] [--seed 0] [--minutes 60] [WORK ...]     from the root of a checkout

A moment is drawn as a share of the processor time that the undisturbed run takes, so that a busy machine changes
nothing. A restart is itself killed one time in four. Then company: eight processes on one feature store and one folder
of records, `features prune` while another extracts, locks whose holders are killed.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from dinobench.results.records import RecordStore
from dinobench.runtime.locks import try_lock
from tests.forked import start, start_command, wait_for

EVAL = ["eval", "--data", "DATA", "--model", "random:vit_mini/4", "--output", "OUT/results", "--task"]
TRAIN = ["train", "--recipe", "mini", "--data", "DATA", "--output", "OUT/run", "--set", "epochs=2"]
TRAIN += ["--set", "warmup_epochs=0", "--set", "batch_size=8", "--set", "save_minutes=0.0001", "--set", "log_every=1"]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Work:
    """A command.

    Attributes:
        words: of the command line; DATA, DAVIS, CAMVID, CACHE and OUT are replaced by paths.
        processes: in how many it runs.
        cache: where features are kept.
        refuses_finished: whether it begins nothing where its output stands already.
    """

    words: list[str]
    processes: int = 1
    cache: str = "OUT/cache"
    refuses_finished: bool = False


COMPANY = "company"
WORKS = {
    "training": Work(TRAIN),
    "training, 2 processes": Work(TRAIN, processes=2),
    "extraction": Work([*EVAL, "knn", "--set", "batch_size=8"]),
    "extraction, 2 processes": Work([*EVAL, "knn", "--set", "batch_size=8"], processes=2),
    "linear": Work([*EVAL, "linear", "--set", "epochs=3", "--set", "lrs=[0.1,0.01]"]),
    "linear, cached": Work([*EVAL, "linear@cached", "--set", "epochs=6", "--set", "lrs=[0.1,0.01]"]),
    "fine-tuning": Work([*EVAL, "finetune-imagenet@quick", "--set", "epochs=3"]),
    "segmentation": Work([*EVAL, "seg-camvid@quick", "--data", "CAMVID"]),
    "DAVIS": Work([*EVAL, "davis@quick", "--data", "DAVIS"]),
    "records": Work([*EVAL, "knn,logistic"], cache="CACHE"),
    "reproduce": Work(
        ["reproduce", "--table", "3", "--models", "dino_vits16", "--rehearse", "--output", "OUT/results"]
    ),
    "twins": Work(["data", "make", "copydays", "--output", "OUT/copydays"], refuses_finished=True),
}


@dataclass
class Outcome:
    """What came of the kills of one kind of work.

    Attributes:
        hung: processes that outlived a killed partner by a minute.
        alone: how many outlived a killed partner, and by how many seconds the longest of them.
    """

    runs: int = 0
    kills: int = 0
    hung: int = 0
    alone: tuple[int, float] = (0, 0.0)
    wrong: list[str] = field(default_factory=list)

    def report(self, name: str) -> dict[str, list[str]]:
        """One line, and what is wrong."""
        left = f"; {self.alone[0]} left alone, for {self.alone[1]:.0f} s at most" if self.alone[0] else ""
        return {f"{name}: {self.kills} kills, {self.runs} runs, {self.hung} hung{left}": self.wrong}


def attacked(name: str, kills: int, fixed: dict[str, str], rng: random.Random, end: float) -> Outcome:
    """Kill and restart a kind of work until `kills` are spent or the time is over."""
    work, done = WORKS[name], Outcome()
    with tempfile.TemporaryDirectory() as place:
        start_time = _processor_seconds(os.getpid(), children=True)
        whole = _finished(work, Path(place), fixed, done)
        seconds = _processor_seconds(os.getpid(), children=True) - start_time
    while done.kills < kills and time.monotonic() < end and not done.wrong:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            done.runs += 1
            _kill_once(work, folder, fixed, rng.uniform(0, seconds / work.processes), done, rng)
            while rng.random() < 0.25:
                _kill_once(work, folder, fixed, rng.uniform(0, seconds / work.processes), done, rng)
            found = results_in(folder)
            if not (work.refuses_finished and found == whole):
                found = _finished(work, folder, fixed, done)
            done.wrong += [f"{key} differs" for key in sorted(whole | found) if whole.get(key) != found.get(key)]
            done.wrong += [f"{path.name} was left" for path in folder.rglob("*.tmp")]
    return done


def _kill_once(
    work: Work, folder: Path, fixed: dict[str, str], moment: float, done: Outcome, rng: random.Random
) -> None:
    """Start the work and kill it when its first process has had `moment` seconds of a processor."""
    processes = _started(work, folder, fixed)
    while _alive(processes[0]) and _processor_seconds(processes[0]) < moment:
        time.sleep(0.004)
    time.sleep(rng.uniform(0, 1 / TICKS))
    one = rng.choice([[process] for process in processes] + [processes])  # one of two, or both
    done.kills += any(map(_alive, processes))
    for process in one:
        os.kill(process, signal.SIGKILL)
    killed, others = time.monotonic(), [each for each in processes if each not in one]
    left = sum(map(_alive, others))
    done.hung += -signal.SIGALRM in _exit_codes(others, seconds=60)
    done.alone = done.alone[0] + left, max(done.alone[1], left * (time.monotonic() - killed))
    _exit_codes(one, seconds=60)


def _exit_codes(processes: list[int], seconds: float) -> list[int]:
    """Exit codes; of one that does not end in time the number of the alarm, negative, and it is killed."""
    end, late = time.monotonic() + seconds, set()
    while (alive := set(filter(_alive, processes))) and not late:
        late = alive if time.monotonic() > end else set()
        time.sleep(0.02)
    for process in late:
        os.kill(process, signal.SIGKILL)
    return [-signal.SIGALRM if process in late else wait_for(process) for process in processes]


def _finished(work: Work, folder: Path, fixed: dict[str, str], done: Outcome) -> dict[str, str]:
    """Run to the end, and give a digest of every result."""
    processes = _started(work, folder, fixed)
    codes = _exit_codes(processes, seconds=300)
    if any(codes):
        done.wrong.append(f"exit codes {codes}: {(folder / 'said').read_text()[-600:]}")
    return results_in(folder)


def _started(work: Work, folder: Path, fixed: dict[str, str]) -> list[int]:
    words = [_replaced(word, {**fixed, "OUT": str(folder)}) for word in work.words]
    port = _free_port()
    started = []
    for number in range(work.processes):
        environment = {"DINOBENCH_CACHE": _replaced(work.cache, {**fixed, "OUT": str(folder)})}
        if work.processes > 1:
            environment |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": str(work.processes)}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        with (folder / "said").open("w") as said:
            started.append(start_command(words, said, environment))
    return started


def _replaced(word: str, fixed: dict[str, str]) -> str:
    for name, value in fixed.items():
        word = word.replace(name, value)
    return word


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _alive(process: int) -> bool:
    """Whether it has not ended; one that has ended waits to be asked for its exit code."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def _processor_seconds(process: int, children: bool = False) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[13:15] if children else fields[11:13])) / TICKS


def results_in(folder: Path) -> dict[str, str]:
    """A digest of every result below a folder by its name, without times and dates."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or path.name in NO_RESULTS or "locks/" in name:
            continue
        found[name] = hashlib.sha256(_content(path, name)).hexdigest()
    return found


def _content(path: Path, name: str) -> bytes:
    if path.suffix == ".pth":
        return b"".join(_tensor_bytes(torch.load(path, weights_only=True)))
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return json.dumps([{k: v for k, v in line.items() if k not in TIMES} for line in lines]).encode()
    if name.startswith("results/") and path.suffix == ".json" and path.parent.name == "results":
        record = json.loads(path.read_text())
        kept = ("task", "metrics", "intervals", "warnings", "settings", "images", "files", "digests", "comparable")
        return json.dumps([record[key] for key in kept]).encode()
    if name.startswith("cache/features/") and path.suffix == ".json":
        return json.dumps(
            {key: value for key, value in json.loads(path.read_text()).items() if key != "stamps"}
        ).encode()
    return path.read_bytes()


NO_RESULTS = ("said", ".lock", "entry.json", "content.sqlite")
TIMES = ("seconds", "images_per_second", "time", "peak_memory_bytes", "memory_bytes")


def _tensor_bytes(value: Any) -> Iterator[bytes]:
    """The bytes of every tensor in a checkpoint, in order."""
    if isinstance(value, torch.Tensor):
        yield value.numpy().tobytes()
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from _tensor_bytes(value[key])
    elif isinstance(value, list | tuple):
        yield from itertools.chain.from_iterable(map(_tensor_bytes, value))


def company(fixed: dict[str, str], folder: Path) -> dict[str, list[str]]:
    """What is wrong where processes share their folders."""
    return {
        "8 processes on one store and one folder": eight_on_one(fixed, folder / "eight"),
        "prune while another extracts, 5 rounds": pruned_meanwhile(fixed, folder / "pruned", 5),
        "locks of killed holders, 20 rounds": locks_of_killed(folder, 20),
    }


def eight_on_one(fixed: dict[str, str], folder: Path) -> list[str]:
    """What is wrong when eight processes use one store and one folder of records: two of each of four tasks."""
    tasks = ("knn", "logistic", "linear@cached", "knn-10pct")
    words = [[*EVAL, task, "--set", "seed=0", *(["--set", "epochs=2"] if "linear" in task else [])] for task in tasks]
    alone, whole = Outcome(), {}
    for place in ("alone", "together"):
        (folder / place).mkdir(parents=True)
    for each in words:
        whole = _finished(Work(each), folder / "alone", fixed, alone)
    started = [_started(Work(each), folder / "together", fixed)[0] for each in words * 2]
    wrong = [f"exit code {code}" for code in map(wait_for, started) if code] + alone.wrong
    found = results_in(folder / "together")
    return wrong + [f"{key} differs" for key in sorted(whole | found) if whole.get(key) != found.get(key)]


def pruned_meanwhile(fixed: dict[str, str], folder: Path, rounds: int) -> list[str]:
    """What is wrong when the store is pruned again and again while others extract into it."""
    wrong, figures = [], set()
    for number in range(rounds):
        place = folder / str(number)
        place.mkdir(parents=True)
        (extracting,) = _started(WORKS["extraction"], place, fixed)
        while _alive(extracting):
            prune = Work(["features", "prune", "--all"])
            code = wait_for(_started(prune, place, fixed)[0])
            wrong += [f"prune: exit code {code}: {(place / 'said').read_text()[-300:]}"] if code else []
        code = wait_for(extracting)
        wrong += [f"extraction: exit code {code}: {(place / 'said').read_text()[-300:]}"] if code else []
        figures |= {str(record.metrics) for record in RecordStore(place / "results").runs()}
    return wrong + ([f"{len(figures)} different figures"] if len(figures) != 1 else [])


def locks_of_killed(folder: Path, rounds: int) -> list[str]:
    """Which locks were not free at once when their holders had been killed."""
    wrong = []
    for number in range(rounds):
        path = folder / "locks" / str(number)

        def hold(path: Path = path) -> None:
            lock = try_lock(path)
            path.with_suffix(".held").touch()
            while lock is not None:
                time.sleep(1)

        with (folder / "said").open("w") as said:
            holder = start(hold, said, {})
        while not path.with_suffix(".held").exists():
            time.sleep(0.005)
        held = try_lock(path) is None
        os.kill(holder, signal.SIGKILL)
        wait_for(holder)
        if not held or try_lock(path) is None:
            wrong.append(f"lock {number}: {'not free' if held else 'not held'}")
    return wrong


def prepared(folder: Path) -> dict[str, str]:
    """Class folders of 96 drawn images, a small DAVIS, and a cache in which the features of `records` lie."""
    for split, count in (("train", 24), ("val", 8)):
        for label, name in enumerate("abc"):
            (folder / "data" / split / name).mkdir(parents=True)
            for number in range(count):
                rng = np.random.default_rng([label, number, len(split)])
                pixels = rng.integers(0, 256, (32, 32, 3)) // 2 + 40 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / "data" / split / name / f"{number}.png")
    fixed = {
        "DATA": str(folder / "data"),
        "DAVIS": str(folder / "davis"),
        "CAMVID": str(folder / "camvid"),
        "CACHE": str(folder / "cache"),
    }
    setting_up = Outcome()
    for name in ("davis", "camvid"):
        _finished(Work(["data", "make", name, "--output", name.upper()]), folder, fixed, setting_up)
    (folder / "first").mkdir()
    _finished(WORKS["records"], folder / "first", fixed, setting_up)
    if setting_up.wrong:
        raise RuntimeError(setting_up.wrong)
    return fixed


def main() -> None:
    """Print what came of each kind of work; exit code 1 where a restart failed or a result differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of all kinds of work together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="after which no further kill is made")
    parser.add_argument("works", nargs="*", metavar="WORK", help=", ".join([*WORKS, COMPANY]))
    options = parser.parse_args()
    torch.set_num_threads(1)
    names, end, wrong = options.works or [*WORKS, COMPANY], time.monotonic() + 60 * options.minutes, 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fixed = prepared(folder)
        for number, name in enumerate(names):
            share = time.monotonic() + (end - time.monotonic()) / (len(names) - number)
            kills, rng = -(-options.kills // len(names)), random.Random(f"{options.seed} {name}")
            found = (
                company(fixed, folder / "company")
                if name == COMPANY
                else attacked(name, kills, fixed, rng, share).report(name)
            )
            for line, faults in found.items():
                wrong += len(faults)
                print(f"{line}: {faults or 'right'}", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
