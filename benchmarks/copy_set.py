"""Make a copy-detection set in Copydays' layout from any folder of photographs, by real attacks.

    python benchmarks/copy_set.py --images imagenette/val --others imagenette/train --output /tmp/copies
    dinobench eval --task copydays --data /tmp/copies --model CHECKPOINT

jpegqual/ is JPEG compression, crops/ cuts from the sides, and strong/ one edit (turn, blur, tones, strokes, mirror,
crop) and one print-and-photograph (halftone, paper, perspective, noise) of each original. The other folder's images
serve in halves as distractors and to learn whitening from. A relative folder that is not here is sought below
$DINOBENCH_DATA.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from dinobench.data.decode import is_image_name, read_rgb
from dinobench.data.layouts.copydays import BLOCKS
from dinobench.data.open import DATA_VARIABLE
from dinobench.data.twins.copydays import cropped, edited
from dinobench.runtime.errors import InputError

ORIGINALS = 100


def main() -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder of photographs, searched at any depth")
    parser.add_argument("--others", type=Path, required=True, help="folder of further photographs")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        write(folder_of(given.images), folder_of(given.others), given.output, given.seed)
    except InputError as error:
        parser.exit(2, f"Error: {error}\n")
    print(f"{given.output}: {', '.join(f'{block} {len(list((given.output / block).iterdir()))}' for block in BLOCKS)}")


def write(images: Path, others: Path, output: Path, seed: int = 0, originals: int = ORIGINALS) -> None:
    """Write every block and both folders of further images under `output`.

    Args:
        images: where the originals are drawn from, evenly over the sorted files.
        others: where distractors and whitening images come from.
        output: made if need be; must be empty, as files of another run would join the set.
        seed: of the attacks.
        originals: at most this many.

    Raises:
        InputError: no images, or an output that is not empty.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} is not empty; give a new folder as --output, or empty it")
    rng = np.random.default_rng(seed)
    paths = files_below(images)
    chosen = [paths[index] for index in np.linspace(0, len(paths) - 1, min(originals, len(paths))).astype(int)]
    for number, path in enumerate(chosen):
        picture, stem = read_rgb(path), f"{1000 + number}"
        for block, copy, quality in copies(picture, rng):
            save(copy, output / block / f"{stem}00.jpg", quality)
        save(edited(picture, rng), output / "strong" / f"{stem}01.jpg", 70)
        save(printed(picture, rng), output / "strong" / f"{stem}02.jpg", 70)
    for number, path in enumerate(files_below(others)):
        save(read_rgb(path), output / ("distractors", "whitening")[number % 2] / f"{number:06d}.jpg", 92)


def copies(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, Image.Image, int]]:
    """Block, image and JPEG quality of every copy but the strong ones."""
    for block in BLOCKS:
        kind, _, degree = block.partition("/")
        if kind == "original":
            yield block, picture, 95
        elif kind == "jpegqual":
            yield block, picture, int(degree)
        elif kind == "crops":
            yield block, cropped(picture, int(degree), rng), 92


def printed(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture printed in halftone on tinted paper and photographed at a slant."""
    size = picture.size
    screen = picture.resize((2 * size[0], 2 * size[1]), Image.Resampling.BICUBIC)
    dots = Image.merge("RGB", [band.convert("1").convert("L") for band in screen.split()])
    soft = dots.filter(ImageFilter.GaussianBlur(rng.uniform(1.2, 2.2))).resize(size, Image.Resampling.BICUBIC)
    paper = np.asarray(soft, np.float64) / 255 * rng.uniform(0.55, 0.85) + rng.uniform(0.1, 0.2)
    paper = paper * rng.uniform(0.85, 1.0, 3) + rng.normal(0, 0.02, paper.shape)
    sheet = Image.fromarray((255 * np.clip(paper, 0, 1)).astype(np.uint8))
    corners = np.array([(0, 0), (0, size[1]), size, (size[0], 0)], np.float64)
    slant = corners + rng.uniform(-0.12, 0.06, (4, 2)) * np.where(corners > 0, -1, 1) * size
    return sheet.transform(size, Image.Transform.QUAD, slant.ravel().tolist(), Image.Resampling.BICUBIC)


def folder_of(given: Path) -> Path:
    """The folder itself, or the one of that relative path below $DINOBENCH_DATA.

    Raises:
        InputError: neither is there.
    """
    base = os.environ.get(DATA_VARIABLE, "")
    places = [given.expanduser(), *([Path(base).expanduser() / given] if base else [])]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise InputError(f"no folder {' nor '.join(map(str, places))}; check the path, or set {DATA_VARIABLE}")
    return found


def files_below(folder: Path) -> list[Path]:
    """Image files at any depth, sorted; InputError where there is none."""
    files = sorted(path for path in folder.rglob("*") if is_image_name(path.name))
    if not files:
        raise InputError(f"{folder} holds no images at any depth; give a folder of photographs")
    return files


def save(picture: Image.Image, path: Path, quality: int) -> None:
    """Write a JPEG, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=quality)


if __name__ == "__main__":
    main()
