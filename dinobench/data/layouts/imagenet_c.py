"""ImageNet-C: ImageNet's validation images under 19 corruptions of 5 severities, in class folders."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.dataset import ImageSet, from_files
from dinobench.data.layouts._class_folders import labeled_files
from dinobench.data.layouts._walk import subfolders
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError

DATASETS = ("imagenet-c",)
EXPECTED_TREE = """ROOT/<corruption>/{1,2,3,4,5}/<class>/*.JPEG      such as gaussian_noise/3/n01440764; corruptions may
                                                  lie in the folders of the archives too: noise/, blur/
50,000 images each: https://github.com/hendrycks/robustness"""
SEVERITIES = ("1", "2", "3", "4", "5")


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of a corruption and severity, such as "gaussian_noise/3".

    Raises:
        InputError: there is no such folder.
    """
    corruption, _, severity = split.partition("/")
    place = corruptions(root).get(corruption)
    if place is None or severity not in SEVERITIES or not (root / place / severity).is_dir():
        raise InputError(f"{root} has no corruption {split}; `dinobench data check imagenet-c` prints the tree")
    found = labeled_files(root, f"{place}/{severity}", ())
    if found is None:
        raise InputError(f"{root / place / severity} has no class folders of images; unpack the archive again")
    classes = tuple(sorted(set(found.kinds)))
    labels = [classes.index(kind) for kind in found.kinds]
    return from_files(f"imagenet-c/{split}", root, found.names, labels, classes, found.notes)


def corruptions(root: Path) -> dict[str, str]:
    """The folder of each corruption by its name, sorted: below the root, or below a folder of it."""
    places = [(name, name) for name in subfolders(root)]
    places += [(inner, f"{name}/{inner}") for name, _ in places for inner in subfolders(root / name)]
    return {name: place for name, place in sorted(places) if set(subfolders(root / place)) & set(SEVERITIES)}


def check(root: Path) -> Findings:
    """Corruptions, severities and images, and which severities are missing."""
    found = corruptions(root)
    problems = [] if found else [f"{root} has no corruption; it should hold folders such as gaussian_noise/1"]
    counts, files = {"corruptions": len(found)}, []
    for name, place in found.items():
        held = [severity for severity in SEVERITIES if (root / place / severity).is_dir()]
        problems += (
            [] if len(held) == len(SEVERITIES) else [f"{name} has severities {', '.join(held)}, 1 to 5 are expected"]
        )
        files += [path for severity in held for path in open(root, f"{name}/{severity}").files()]
    return Findings({**counts, "images": len(files)}, tuple(problems), tuple(files))
