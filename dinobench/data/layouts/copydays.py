"""Copydays: originals, and blocks of copies made by strong edits, JPEG compression and cropping."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.decode import is_image_name
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError

DATASETS = ("copydays",)
EXPECTED_TREE = """ROOT/
  original/*.jpg                                       157 images
  strong/*.jpg                                         229 copies; the first 4 characters name the original
  jpegqual/{3,5,8,10,15,20,30,50,75}/*.jpg             157 each, named as the originals
  crops/{10,15,20,30,40,50,60,70,80}/*.jpg             157 each, named as the originals
original and strong may also lie in ROOT itself, as their archives unpack: names that end in 00 are originals.
Images: https://thoth.inrialpes.fr/~jegou/data.php. Table 4 also needs 10,000 distractors and 20,000 images to
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
    names = _images_of_block(root, split)
    if not names:
        raise InputError(f"no images in {root / split}; expected {BLOCKS[split]} as `dinobench data list` shows")
    return from_files(f"{root.resolve().name}/{split}", root, names, [UNLABELED] * len(names), ())


def check(root: Path) -> Findings:
    """Images per block; blocks that are missing or have another size than the published ones."""
    found = {block: _images_of_block(root, block) for block in BLOCKS}
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
    blocks = [block for block in BLOCKS if _images_of_block(root, block)]
    if "original" not in blocks or len(blocks) == 1:
        raise InputError(
            f"{root} needs original/ and at least one block of copies, such as strong/; found {blocks or 'none'}"
        )
    return blocks


@dataclass(frozen=True)
class Pairing:
    """Which originals each copy of a block was made from.

    Attributes:
        positives: indices of the originals, for every copy.
        note: one line where names are not those of the published set and a rule had to be assumed; else empty.
    """

    positives: list[list[int]]
    note: str = ""


def pair_copies(block: str, copies: Sequence[str], originals: Sequence[str]) -> Pairing:
    """Pair copies with originals by their file names.

    The published names: a strong copy belongs to every original that shares the first 4 characters of its name; the
    other blocks have the originals' names. Other names are paired by the original's name at their beginning, as in
    1_q10.jpg and 1.jpg, and in the last resort by their place in the sorted lists, as the released code does.

    Args:
        block: name of the block.
        copies: file names or paths of the block's images, sorted.
        originals: the same of the originals.

    Raises:
        InputError: a copy without an original.
    """
    published = _by_key(copies, originals, _block_prefix if block == "strong" else _file_stem)
    shared = _shared_key(originals) if block == "strong" else ""
    if published is not None and not shared:
        return Pairing(published)
    by_stem = _by_stem(copies, originals)
    if by_stem is not None:
        rule = f"the first {PREFIX} characters of names do not tell originals apart" if shared else "names differ"
        return Pairing(
            by_stem, f"{block}: {rule}; {_file_stem(copies[0])} is taken for a copy of the original that it names"
        )
    if published is not None:
        return Pairing(
            published, f"{block}: several originals begin with {shared}; a copy of one counts for all of them"
        )
    if block != "strong" and len(copies) == len(originals):
        place = f"{_file_stem(copies[0])} for {_file_stem(originals[0])}"
        note = f"{block}: no name tells the original; paired by place in the sorted lists ({place}, and so on)"
        return Pairing([[index] for index in range(len(copies))], note)
    keys = {(_block_prefix if block == "strong" else _file_stem)(name) for name in originals}
    orphans = [name for name in copies if (_block_prefix if block == "strong" else _file_stem)(name) not in keys]
    raise InputError(
        f"{len(orphans)} images of block {block} match no original, first {orphans[0]}; "
        "copies are matched by file name, strong ones by its first 4 characters"
    )


def _block_prefix(name: str) -> str:
    return Path(name).name[:PREFIX]


def _file_stem(name: str) -> str:
    return Path(name).stem


def _by_key(copies: Sequence[str], originals: Sequence[str], key: Callable[[str], str]) -> list[list[int]] | None:
    """Originals of the same key for every copy; None where a copy has none."""
    of: dict[str, list[int]] = {}
    for index, name in enumerate(originals):
        of.setdefault(key(name), []).append(index)
    return [of[key(name)] for name in copies] if all(key(name) in of for name in copies) else None


def _by_stem(copies: Sequence[str], originals: Sequence[str]) -> list[list[int]] | None:
    """The original whose name, the longest, begins each copy's name up to a sign; None where a copy has none."""
    places = {_file_stem(name): index for index, name in enumerate(originals)}
    found = []
    for name in copies:
        stem = _file_stem(name)
        ends = [end for end in range(len(stem), 0, -1) if end == len(stem) or not stem[end].isalnum()]
        index = next((places[stem[:end]] for end in ends if stem[:end] in places), None)
        if index is None:
            return None
        found.append([index])
    return found


def _shared_key(originals: Sequence[str]) -> str:
    """The first characters that several originals share; empty where they tell all apart."""
    counts = Counter(map(_block_prefix, originals))
    return next((key for key, count in counts.items() if count > 1), "")


def _images_of_block(root: Path, block: str) -> list[str]:
    folder = root / block
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [f"{block}/{name}" for name in names if is_image_name(name)]
    return found or (_unpacked_flat(root, block) if block in ("original", "strong") else [])


def _unpacked_flat(root: Path, block: str) -> list[str]:
    """Images of `original` or `strong` in the root itself, told by the published names: 200000.jpg is an original."""
    names = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    numbered = [name for name in names if is_image_name(name) and re.fullmatch(r"\d{6}", _file_stem(name))]
    return [name for name in numbered if _file_stem(name).endswith("00") == (block == "original")]
