"""`python tests/full_disk.py` (root, Linux): commands that write, on a disk that is full, has no inodes, is read-only.

Right is one line and exit code 2, and no temporary file left. Commands whose output fits are said to have room.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

EVAL = ["eval", "--model", "random:vit_mini/4", "--data", "mini", "--output", "OUT", "--task"]
EXPORT = ["features", "export", "--model", "pixels", "--data", "mini", "--output"]
QUICK = ["--set", "epochs=1"]
COMMANDS: dict[str, list[str]] = {
    "export npy": [*EXPORT, "OUT/f.npy"],
    "export safetensors": [
        "features",
        "export",
        "--model",
        "pixels",
        "--data",
        "mini",
        "--output",
        "OUT/f.safetensors",
    ],
    "export parquet": [*EXPORT, "OUT/f.parquet"],
    "eval knn": [*EVAL, "knn", "--set", "predictions=true"],
    "eval linear": [*EVAL, "linear@cached", *QUICK],
    "eval finetune": [*EVAL, "finetune-cifar10@quick", "--data", "cifar10-mini", *QUICK],
    "attention": ["attention", "PICTURE", "--model", "random:vit_mini/4", "--output", "OUT/a"],
    "tables": ["tables", "--results", "RECORDS", "--output", "OUT/t.md"],
    "report": ["report", "--results", "RECORDS", "--output", "OUT/r"],
    "records export csv": ["records", "export", "--results", "RECORDS", "--output", "OUT/r.csv"],
    "data make": ["data", "make", "davis", "--output", "OUT/d"],
    "train": ["train", "--recipe", "mini", "--output", "OUT/run", *QUICK],
}


@contextlib.contextmanager
def mounted(kind: str) -> Iterator[Path]:
    """A small file system that is full but for 4 kB, has no inodes left, or is read-only."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        options = "size=2m,nr_inodes=8" if kind == "inodes" else "size=1m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", name], check=True)
        try:
            _use_up(place, kind)
            yield place
        finally:
            subprocess.run(["umount", name], check=True)


def _use_up(place: Path, kind: str) -> None:
    if kind == "full":
        with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        os.truncate(place / "filler", (place / "filler").stat().st_size - 4096)
    elif kind == "inodes":
        with contextlib.suppress(OSError):
            for number in range(100):
                (place / f"filler{number}").touch()
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)


def verdict(name: str, kind: str, fixed: dict[str, str]) -> str:
    """What one command does there: "one line", "room", or what is wrong."""
    with mounted(kind) as place:
        before = sorted(place.rglob("*"))
        words = [word.replace("OUT", str(place)) for word in COMMANDS[name]]
        command = [sys.executable, "-m", "dinobench", *(fixed.get(word, word) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500)
        left = [path.name for path in sorted(place.rglob("*")) if path not in before and path.is_file()]
        lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        if "Traceback" in done.stderr or done.returncode not in (0, 2) or (done.returncode == 2 and len(lines) != 1):
            return f"WRONG, exit code {done.returncode}: {done.stderr.strip()[-300:]}"
        if any(part.endswith(".tmp") for part in left):
            return f"WRONG, left {left}"
        return "room" if done.returncode == 0 else f"one line: {lines[0][:160]}"


def main() -> None:
    """Print the verdict of each command on each disk; exit code 1 where one is wrong."""
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        fixed = {"RECORDS": f"{name}/records", "PICTURE": f"{name}/picture.png"}
        setting_up = [*EVAL, "knn", "--output", fixed["RECORDS"]]
        subprocess.run([sys.executable, "-m", "dinobench", *setting_up], check=True, capture_output=True)
        from PIL import Image

        Image.effect_noise((64, 64), 90).convert("RGB").save(fixed["PICTURE"])
        for command in sys.argv[1:] or COMMANDS:
            for kind in ("full", "inodes", "read-only"):
                said = verdict(command, kind, fixed)
                wrong += said.startswith("WRONG")
                sys.stdout.write(f"{command}, {kind}: {said}\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
