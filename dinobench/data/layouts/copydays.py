"""Copydays: originals, and blocks of copies made by strong edits, JPEG compression and cropping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dinobench.data.dataset import ImageSet, UNLabeled, from_files
from dinobench.data.decode import is_image_name
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError

DATASETS = ("copydays",)
EXPECTED_TREE = """ROOT/
  original/*.jpg                                       157 images
  strong/*.jpg                                         229 copies; the first 4 characters name the original
  jpegqual/{3,5,8,10,15,20,30,50,75}/*.jpg             157 each, named as the originals
  crops/{10,15,20,30,40,50,60,70,80}/*.jpg             157 each, named as the originals
Images: https://lear.inrialpes.fr/~jegou/data.php#copydays. Table 4 also needs 10,000 distractors and 20,000 images to
learn whitening from (random YFCC100M images): any two folders, given as settings `distractors` and `whitening`."""

PREFIX = 4
BLOCKS: Mapping[str, int] = {
    "original": 157,
    "strong": 229,
    **{f"jpegqual/{quality}": 157 for quality in (3, 5, 8, 10, 15, 20, 30, 50, 75)},
    **{f"crops/{share}": 157 for share in (10, 15, 20, 30, 40, 50, 60, 70, 80)},
}
"""Every block and how many images it has in the published set."""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of one block, sorted by name, unlabeled.

    Raises:
        InputError: no such block, or an empty one.
    """
    if split not in BLOCKS:
        raise InputError(f"Copydays has no block '{split}'; it has {', '.join(BLOCKS)}")
    names = _images(root, split)
    if not names:
        raise InputError(f"no images in {root / split}; expected {BLOCKS[split]} as `dinobench data list` shows")
    return from_files(f"{root.resolve().name}/{split}", root, names, [UNLabeled] * len(names), ())


def check(root: Path) -> Findings:
    """Images per block; blocks that are missing or have another size than the published ones."""
    found = {block: _images(root, block) for block in BLOCKS}
    problems = [
        f"{root / block} holds {len(names)} images, the published block {BLOCKS[block]}"
        for block, names in found.items()
        if len(names) != BLOCKS[block]
    ]
    counts = {f"{block} images": len(names) for block, names in found.items()}
    return Findings(counts, tuple(problems), tuple(root / name for names in found.values() for name in names))


def present_blocks(root: Path) -> list[str]:
    """The blocks that hold images, in the published order.

    Raises:
        InputError: there are no originals, or no copies at all.
    """
    blocks = [block for block in BLOCKS if _images(root, block)]
    if "original" not in blocks or len(blocks) == 1:
        raise InputError(
            f"{root} needs original/ and at least one block of copies, such as strong/; found {blocks or 'none'}"
        )
    return blocks


def positives_of(block: str, copies: Sequence[str], originals: Sequence[str]) -> list[list[int]]:
    """Which originals each copy was made from.

    A strong copy matches every original that shares the first 4 characters of its file name; the other blocks match by
    file name, or by order where the names differ and the counts agree.

    Args:
        block: name of the block.
        copies: file names or paths of the block's images.
        originals: the same of the originals.

    Returns:
        Indices into `originals`, for every copy.

    Raises:
        InputError: a copy without an original.
    """
    keys = [Path(name).name[:PREFIX] if block == "strong" else Path(name).stem for name in originals]
    wanted = [Path(name).name[:PREFIX] if block == "strong" else Path(name).stem for name in copies]
    by_key: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        by_key.setdefault(key, []).append(index)
    orphans = [name for name, key in zip(copies, wanted, strict=True) if key not in by_key]
    if block != "strong" and orphans and len(copies) == len(originals):
        return [[index] for index in range(len(copies))]
    if orphans:
        raise InputError(
            f"{len(orphans)} images of block {block} match no original, first {orphans[0]}; "
            "copies are matched by file name, strong ones by its first 4 characters"
        )
    return [by_key[key] for key in wanted]


def _images(root: Path, block: str) -> list[str]:
    folder = root / block
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [f"{block}/{name}" for name in names if is_image_name(name)]
