"""{train,val}/<class>/* as ImageNet lies on disk; or, for training only, any folder of images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dinobench.data.channels import ARRAY_SUFFIX
from dinobench.data.dataset import ImageSet, UNLabeled, from_files
from dinobench.data.decode import is_image_name
from dinobench.data.layouts._splits import opened_splits
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError

DATASETS = ("imagenet", "imagenette", "imagenet100", "places205")
EXPECTED_TREE = """ROOT/
  train/<class>/*.jpg    one folder per class, any depth below it
  val/<class>/*.jpg      the same classes
Where a class has no image files, .npy arrays (height, width, channels) of 8 or 16 bits are taken.
ImageNet: https://image-net.org/download (accept the terms; move the validation images into class folders).
Training alone also takes any folder of images, without classes, searched at any depth."""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of ROOT/<split>, classes by folder name.

    Without class folders, split "train" gives every image below ROOT/train or ROOT, unlabeled.

    Raises:
        InputError: a missing or empty folder, an empty class, or classes that differ between train and val.
    """
    if not root.is_dir():
        raise _bad(root, "there is no such folder")
    if not (root / split).is_dir():
        return _unlabeled(root, split)
    classes = _classes(root, split)
    if not classes:
        return _unlabeled(root / split, split)
    _compare_classes(root, split, classes)
    names, labels = [], []
    for label, folder in enumerate(classes):
        found = _images_below(root, f"{split}/{folder}")
        if not found:
            raise _bad(root, f"class folder {split}/{folder} holds no images")
        names += found
        labels += [label] * len(found)
    return from_files(f"{root.resolve().name}/{split}", root, names, labels, classes)


def check(root: Path) -> Findings:
    """Images and classes of each split; the problems that would keep it from opening."""
    found, problems = opened_splits(root, open)
    counts: dict[str, int] = {}
    files: list[Path] = []
    for split, images in found.items():
        counts[f"{split} images"], counts[f"{split} classes"] = len(images), len(images.classes)
        files += [root / name for name in images.names]
    return Findings(counts, tuple(problems), tuple(files))


def _unlabeled(root: Path, split: str) -> ImageSet:
    if split != "train" or (root / "val").is_dir():
        raise _bad(root, f"there are no class folders in {split}/")
    names = _images_below(root, ".")
    if not names:
        raise _bad(root, "it holds no images")
    return from_files(root.resolve().name, root, names, [UNLabeled] * len(names), ())


def _classes(root: Path, split: str) -> tuple[str, ...]:
    try:
        return tuple(sorted(entry.name for entry in os.scandir(root / split) if entry.is_dir()))
    except OSError as error:
        raise _bad(root, f"{split}/ cannot be read ({error.strerror})") from error


def _compare_classes(root: Path, split: str, classes: tuple[str, ...]) -> None:
    other = "val" if split == "train" else "train"
    if not (root / other).is_dir():
        return
    mine, theirs = set(classes), set(_classes(root, other))
    differences = [
        f"only in {where}/: {', '.join(sorted(names)[:5])}{' ...' if len(names) > 5 else ''}"
        for where, names in ((split, mine - theirs), (other, theirs - mine))
        if names
    ]
    if differences:
        raise InputError(
            f"classes of {root} differ between {split} and {other} ({'; '.join(differences)}); make them equal"
        )


def _images_below(root: Path, folder: str) -> list[str]:
    """Images or, where there are none, .npy arrays, as paths relative to `root`."""
    names = list(_files_below(root, folder))
    return [name for name in names if is_image_name(name)] or [name for name in names if name.endswith(ARRAY_SUFFIX)]


def _files_below(root: Path, folder: str) -> Iterator[str]:
    """In torchvision's order: folders sorted, then files sorted."""
    for place, _, files in sorted(os.walk(root / folder, followlinks=True)):
        relative = Path(place).relative_to(root)
        yield from ((relative / name).as_posix() for name in sorted(files))


def _bad(root: Path, problem: str) -> InputError:
    return InputError(f"cannot use {root} as images: {problem}; expected {root}/{{train,val}}/<class>/*.jpg")
