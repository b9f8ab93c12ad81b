"""AmsterTime: places in Amsterdam as archives and as street views show them, one pair of images a place."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from dinobench.data.check import check_splits
from dinobench.data.dataset import ImageSet, from_files
from dinobench.data.layouts._places import folder_with
from dinobench.data.layouts._walk import Walk
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

DATASETS = ("amstertime",)
FOLDERS = {"AmsterTime": "amstertime"}
SPLITS = ("old", "new")
EXPECTED_TREE = """ROOT/                    (or the folder above it)
  old/0000.jpg ...       archival images
  new/0000.png ...       street views; equal names show the same place
1,231 pairs: https://doi.org/10.4121/19580806"""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images "old" or "new", labeled by their place.

    Raises:
        InputError: another split, no image, or an image without partner.
    """
    if split not in SPLITS:
        raise InputError(f"AmsterTime has no split '{split}'; give old or new")
    base = folder_with(root, SPLITS)
    found = {name: _named_images(base, name) for name in SPLITS}
    if alone := sorted(set(found["old"]) ^ set(found["new"])):
        raise InputError(f"{len(alone)} images of {base} lack their partner in old/ or new/: {first_few(alone)}")
    if not found[split]:
        raise InputError(f"{root} has no images in old/ and new/; `dinobench data check amstertime` prints the tree")
    places = sorted(found[split])
    names = [found[split][place] for place in places]
    return from_files(f"amstertime/{split}", base, names, range(len(places)), places)


def check(root: Path) -> Findings:
    """Images of both kinds, and what is missing."""
    return check_splits(open, root, SPLITS)


def _named_images(base: Path, folder: str) -> dict[str, str]:
    if not (base / folder).is_dir():
        return {}
    found: dict[str, str] = {}
    for name in Walk(base, folder).images(folder):
        stem = PurePosixPath(name).stem
        if stem in found:
            raise InputError(f"{base} has {found[stem]} and {name}, both of the place {stem}; remove one")
        found[stem] = name
    return found
