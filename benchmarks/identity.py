"""What it costs to know images by their content: reading and digesting against extraction, in one run.

    python benchmarks/identity.py FOLDER [--model random:vit_small/16] [--copies 1]

FOLDER holds class folders. Prints the seconds of the first digest (every file read), of a second one (nothing changed),
of the extraction that follows, and the first's share of it. Files are in the system's cache before anything is timed;
with --copies also the digests and the decoding of many files that are not (Linux).
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from dinobench.data.dataset import ImageSet, from_files
from dinobench.data.manifest import manifest_of
from dinobench.data.open import open_dataset
from dinobench.features.extract import extract_features
from dinobench.features.loading import map_ahead
from dinobench.pipeline.model import load_backbone


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def copied(images: ImageSet, folder: Path, copies: int) -> ImageSet:
    """`copies` copies of every file, so that a small set counts as a large one."""
    assert images.root is not None
    names = [
        f"{copy}/{number}{Path(name).suffix}" for copy in range(copies) for number, name in enumerate(images.names)
    ]
    for copy in range(copies):
        (folder / str(copy)).mkdir()
        for number, name in enumerate(images.names):
            shutil.copy(images.root / name, folder / str(copy) / f"{number}{Path(name).suffix}")
    return from_files("copies", folder, names, list(images.labels) * copies, images.classes)


def evict(images: ImageSet) -> None:
    """Take the files out of the system's cache."""
    os.sync()
    for path in images.files():
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def decode(images: ImageSet) -> None:
    """Every image in threads, as extraction does it."""
    for _ in map_ahead(images.read, range(len(images))):
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--model", default="random:vit_small/16")
    parser.add_argument("--copies", type=int, default=0, help="count the files so many times for the digests")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["DINOBENCH_CACHE"] = scratch
        images = open_dataset(options.folder, "val", "imagefolder")
        for index in range(len(images)):
            images.read(index)
        first, second = (seconds(lambda: manifest_of(images)) for _ in range(2))
        model = load_backbone(options.model)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        extraction = seconds(lambda: extract_features(model.backbone, model.preprocessing, images, device=device))
        print(f"{len(images)} images, {int(images.byte_sizes().sum()) / 1e6:.1f} MB, {options.model} on {device}")
        print(f"first digest {first:.3f} s, again {second:.3f} s, extraction {extraction:.2f} s")
        print(f"share of extraction: {100 * first / extraction:.2f}%, then {100 * second / extraction:.2f}%")
        if options.copies:
            folder = Path(scratch) / "copies"
            folder.mkdir()
            many = copied(images, folder, options.copies)
            once, again = (seconds(lambda: manifest_of(many)) for _ in range(2))
            print(f"{len(many)} files: {once:.2f} s, again {again:.2f} s")
            evict(many)
            read = seconds(lambda: many.digests(full=True))
            warm = seconds(lambda: decode(many))
            evict(many)
            cold = seconds(lambda: decode(many))
            print(f"from the disk: digests {read:.2f} s; decoding {cold:.2f} s, after the digests {warm:.2f} s")


if __name__ == "__main__":
    main()
