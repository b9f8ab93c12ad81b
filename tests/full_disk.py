"""`python -m tests.full_disk [COMMAND ...]` (root, Linux): commands that write, on disks that fail.

A disk is full but for 4 kB or 40 kB, has no inodes left, or is read-only. Right is one line and exit code 2, the
earlier file untouched, every new file whole, no temporary file left; or exit code 0 where the output had room.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import itertools
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from PIL import Image

from tests.forked import start_command, wait_for
from tests.whole_files import not_whole

EVAL = ["eval", "--data", "mini", "--output", "OUT", "--model"]
VIT = [*EVAL, "random:vit_mini/4", "--task"]
EXPORT_VIT = ["features", "export", "--model", "random:vit_mini/4", "--data", "mini"]
EXPORT = ["features", "export", "--model", "pixels", "--data", "mini", "--output"]
MINI = ["--set", "epochs=1", "--set", "warmup_epochs=0", "--set", "log_every=1"]
KINDS = {"full": 4096, "nearly full": 40_960, "no inodes": None, "read-only": None}


@dataclass(frozen=True)
class Case:
    """A command that writes below OUT, and the file of an earlier run that it would replace.

    Attributes:
        words: of the command line; OUT and what `prepared` makes, in capitals, are replaced by paths.
        earlier: name below OUT of a file that must survive.
        cache: whether the cache lies on the failing disk.
        rows: whether it runs rows of a table, where one that fails has a line of its own and the exit code is 1.
    """

    words: list[str]
    earlier: str = ""
    cache: bool = False
    rows: bool = False


CASES = {
    "features extract": Case([*EVAL, "pixels", "--task", "knn", "--output", "RECORDS"], cache=True),
    "export npy": Case([*EXPORT, "OUT/f.npy"], "f.npy"),
    "export safetensors": Case([*EXPORT, "OUT/f.safetensors"], "f.safetensors"),
    "export parquet": Case([*EXPORT, "OUT/f.parquet"], "f.parquet"),
    "export maps": Case([*EXPORT_VIT, "--feature", "patches", "--output", "OUT/m.npy"], "m.npy", cache=True),
    "export maps, fp16": Case(
        [*EXPORT_VIT, "--feature", "patches", "--numbers", "fp16", "--output", "OUT/m.safetensors"], "m.safetensors"
    ),
    "eval knn": Case([*VIT, "knn"]),
    "eval knn, figure to a file": Case([*VIT, "knn", "--output", "RECORDS", "--json", "OUT/k.json"], "k.json"),
    "eval logistic": Case([*VIT, "logistic"]),
    "eval linear": Case([*VIT, "linear@cached", "--set", "epochs=1", "--set", "lrs=[0.1,0.01]"]),
    "eval finetune": Case([*VIT, "finetune-cifar10@quick", "--set", "epochs=1"]),
    "eval davis": Case([*VIT, "davis@quick", "--set", "pictures=true"]),
    "eval retrieval": Case([*VIT, "roxford@native"]),
    "eval copydays": Case([*VIT, "copydays"]),
    "eval voc-attention": Case([*VIT, "voc-attention@quick"]),
    "eval segmentation": Case([*VIT, "seg-camvid@quick"]),
    "eval discovery": Case([*VIT, "discovery-voc07"]),
    "eval label-free": Case([*VIT, "label-free"]),
    "eval homography": Case([*VIT, "homography"]),
    "davis masks, scored": Case(
        ["score", "davis", "--results", "MASKS", "--data", "DAVIS", "--as", "stm_rn50", "--output", "OUT/r"]
    ),
    "picture pca": Case(["picture", "pca", "PICTURE", "--model", "random:vit_mini/4", "--output", "OUT/p"]),
    "picture nearest": Case(
        ["picture", "nearest", "PICTURE", "PICTURE", "--at", "8", "8", "--model", "random:vit_mini/4"]
        + ["--output", "OUT/p"]
    ),
    "models new": Case(["models", "new", "own", "--weights", "STATE", "--output", "OUT"]),
    "tasks new": Case(["tasks", "new", "own", "--from", "knn", "--output", "OUT/tasks", "--tables", "OUT/tables"]),
    "records import": Case(["records", "import", "LOG", "--as", "dino-log", "--model", "mine", "--results", "OUT"]),
    "attention": Case(["attention", "PICTURE", "--model", "random:vit_mini/4", "--output", "OUT/a"]),
    "tables markdown": Case(["tables", "--results", "RECORDS", "--output", "OUT/t.md"], "t.md"),
    "tables csv": Case(["tables", "--results", "RECORDS", "--format", "csv", "--output", "OUT/t.csv"], "t.csv"),
    "report": Case(["report", "--results", "RECORDS/records", "--runs", "RUNS", "--output", "OUT"], "index.html"),
    "records csv": Case(["records", "export", "--results", "RECORDS", "--output", "OUT/r.csv"], "r.csv"),
    "records parquet": Case(
        ["records", "export", "--results", "RECORDS", "--format", "parquet", "--output", "OUT/r.parquet"], "r.parquet"
    ),
    "records json": Case(
        ["records", "export", "--results", "RECORDS", "--format", "json", "--output", "OUT/r.json"], "r.json"
    ),
    "publish": Case(["publish", "RECORDS", "--model-repo", "me/model", "--output", "OUT/p"]),
    "data make": Case(["data", "make", "davis", "--output", "OUT/d"]),
    "twins in the cache": Case([*VIT, "copydays", "--output", "RECORDS", "--dry-run"], cache=True),
    "train": Case(["train", "--recipe", "mini", "--data", "DATA", "--output", "OUT/run", *MINI]),
    "models fetch": Case(["models", "--models-dir", "CARDS", "fetch", "mine", "--output", "OUT"]),
    "timm index": Case(["inspect", "STATE"], cache=True),
    "reproduce": Case(
        ["reproduce", "--table", "3", "--models", "dino_vits16", "--rehearse", "--output", "OUT"], rows=True
    ),
}


@contextlib.contextmanager
def mounted(kind: str, earlier: str) -> Iterator[Path]:
    """A small file system of one of the kinds, with the file of an earlier run."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        options = "size=2m,nr_inodes=12" if kind == "no inodes" else "size=2m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", name], check=True)
        try:
            if earlier:
                (place / earlier).write_bytes(b"earlier")
            _use_up(place, kind)
            yield place
        finally:
            subprocess.run(["umount", name], check=True)


def _use_up(place: Path, kind: str) -> None:
    if (free := KINDS[kind]) is not None:
        with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        os.truncate(place / "filler", (place / "filler").stat().st_size - free)
    elif kind == "no inodes":
        with contextlib.suppress(OSError):
            for number in range(100):
                (place / f"filler{number}").touch()
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)


def verdict(case: Case, kind: str, fixed: dict[str, str]) -> str:
    """What one command does there: "one line", "room", or what is wrong."""
    with mounted(kind, case.earlier) as place:
        before = set(place.rglob("*"))
        words = [_replaced(word, {**fixed, "OUT": str(place)}) for word in case.words]
        code, said = _run(words, cache=str(place / "cache") if case.cache else fixed["CACHE"])
        new = [path for path in sorted(place.rglob("*")) if path not in before and path.is_file()]
        lines = [line for line in said.splitlines() if line.startswith("failed: " if case.rows else "Error: ")]
        right = code == 0 or (code == 1 and lines if case.rows else code == 2 and len(lines) == 1)
        if "Traceback" in said or not right:
            return f"WRONG, exit code {code}: {said.strip()[-400:]}"
        if code and (silent := [line for line in lines if str(place) not in line]):
            return f"WRONG, the line names no place: {silent[0]}"
        if left := [path.name for path in new if path.suffix == ".tmp"]:  # .part goes on at the next fetch
            return f"WRONG, left {left}"
        if code and case.earlier and (place / case.earlier).read_bytes() != b"earlier":
            return "WRONG, the earlier file is another"
        if damaged := [f"{path.name}: {fault}" for path in new if (fault := not_whole(path))]:
            return f"WRONG, half-written: {damaged}"
        return "room" if code == 0 else f"one line: {lines[0].replace(str(place), 'OUT')[:150]}"


def _replaced(word: str, fixed: dict[str, str]) -> str:
    for name, value in fixed.items():
        word = word.replace(name, value)
    return word


def _run(words: list[str], cache: str) -> tuple[int, str]:
    """Exit code and what was said."""
    with tempfile.TemporaryFile("w+") as said:
        code = wait_for(start_command(words, said, {"DINOBENCH_CACHE": cache}))
        said.seek(0)
        return code, said.read()


def prepared(folder: Path) -> dict[str, str]:
    """What the commands read: records with pictures, a run, a photograph, a card whose weights a server has."""
    names = ("RECORDS", "CACHE", "CARDS", "RUNS", "PICTURE", "STATE", "DATA", "DAVIS", "LOG")
    fixed = {name: str(folder / name.lower()) for name in names}
    fixed["MASKS"] = f"{fixed['DAVIS']}/Annotations/480p"
    (folder / "log").write_text('{"train_lr": 0.1, "test_acc1": 61.5, "epoch": 1}\n')
    fixed["PICTURE"] += ".png"
    fixed["STATE"] += ".pth"
    Image.effect_noise((64, 64), 90).convert("RGB").save(fixed["PICTURE"])
    torch.save(timm.create_model("test_convnext").state_dict(), fixed["STATE"])
    for split, label, number in itertools.product(("train", "val"), "ab", range(32)):
        (folder / "data" / split / label).mkdir(parents=True, exist_ok=True)
        Image.effect_noise((32, 32), 90).convert("RGB").save(folder / "data" / split / label / f"{number}.png")
    (folder / "cards").mkdir()
    (folder / "cards" / "mine.toml").write_text(
        'title = "t"\nmethod = "DINO"\narchitecture = "vit_mini/4"\nsource = "s"\nlicense = "MIT"\nfamily = "dino"\n'
        f'weights = "{_served(folder)}/state.pth"\n'
    )
    for words in (
        [*VIT, "knn,voc-attention@quick", "--output", fixed["RECORDS"]],
        ["train", "--recipe", "mini", "--data", fixed["DATA"], "--output", f"{fixed['RUNS']}/one", *MINI],
        ["data", "make", "davis", "--output", fixed["DAVIS"]],
    ):
        code, said = _run(words, fixed["CACHE"])
        if code:
            raise RuntimeError(said)
    return fixed


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class _QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A download that a full disk ends is not an error of the server."""


def _served(folder: Path) -> str:
    server = _QuietServer(("127.0.0.1", 0), functools.partial(_QuietHandler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def main() -> None:
    """Print the verdict of each command on each disk; exit code 1 where one is wrong."""
    torch.set_num_threads(1)
    names = ["test_convnext", "test_resnet"]
    timm.list_models = lambda *_, **__: names  # an index of all takes minutes
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        fixed = prepared(Path(folder))
        for name in sys.argv[1:] or CASES:
            for kind in KINDS:
                said = verdict(CASES[name], kind, fixed)
                wrong += said.startswith("WRONG")
                sys.stdout.write(f"{name}, {kind}: {said}\n")
                sys.stdout.flush()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
