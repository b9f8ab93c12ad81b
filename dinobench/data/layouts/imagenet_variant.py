"""Test sets for ImageNet's classes in class folders without splits: ImageNet-A, -R, -Sketch, V2, ObjectNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dinobench.data.dataset import ImageSet, from_files
from dinobench.data.imagenet_classes import wnids
from dinobench.data.layouts._class_folders import labeled_files
from dinobench.data.layouts._files import read_lines, read_object
from dinobench.data.layouts._walk import subfolders
from dinobench.runtime.errors import InputError

DATASETS = ("imagenet-a", "imagenet-r", "imagenet-sketch", "imagenetv2", "objectnet")
FOLDERS = {"sketch": "imagenet-sketch", "objectnet-1.0": "objectnet"}
FOLDERS |= {"imagenetv2-matched-frequency-format-val": "imagenetv2"}
SPLITS = ("val",)
EXPECTED_TREE = """ROOT/<class>/*                imagenet-a, imagenet-r, imagenet-sketch: folders called n01440764 ...
                              imagenetv2: folders called 0 to 999, the classes in the order of those names
ROOT/images/<class>/*.png     objectnet, with the folder mappings/ of its archive beside images/
7500, 30,000, 50,889, 10,000 and 50,000 images:
https://github.com/hendrycks/natural-adv-examples, https://github.com/hendrycks/imagenet-r,
https://github.com/HaohanWang/ImageNet-Sketch, https://github.com/modestyachts/ImageNetV2, https://objectnet.dev"""
_MAPPINGS = "mappings"


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """All images, in whatever split, labeled by their folders.

    Raises:
        InputError: no class folders.
    """
    base = _only_inner(root)
    folder = "images" if (base / _MAPPINGS).is_dir() else "."
    found = labeled_files(base, folder, ())
    if found is None:
        raise InputError(f"{root} has no class folders of images; `dinobench data check imagenet-r` prints the tree")
    classes = tuple(sorted(set(found.kinds), key=lambda kind: (len(kind), kind) if kind.isdecimal() else (0, kind)))
    place = {kind: number for number, kind in enumerate(classes)}
    labels = [place[kind] for kind in found.kinds]
    return from_files(f"{root.name}/{split}", base, found.names, labels, classes, found.notes)


def accepted_wnids(images: ImageSet) -> Mapping[str, tuple[str, ...]]:
    """ImageNet's classes that are right for each of a set's classes; none where it is not one of them.

    Raises:
        InputError: folders of other names.
    """
    assert images.root is not None  # `open` sets it
    if (images.root / _MAPPINGS).is_dir():
        return _objectnet_classes(images)
    known = set(wnids())
    if all(kind in known for kind in images.classes):
        return {kind: (kind,) for kind in images.classes}
    if all(kind.isdecimal() and int(kind) < len(known) for kind in images.classes):
        return {kind: (wnids()[int(kind)],) for kind in images.classes}
    odd = next(kind for kind in images.classes if kind not in known)
    raise InputError(
        f"{images.root} has a class folder {odd}, which is not a class of ImageNet; give folders called n01440764"
    )


def _objectnet_classes(images: ImageSet) -> dict[str, tuple[str, ...]]:
    """By the mappings of ObjectNet's archive: folder, label, names of ImageNet's labels, their numbers."""
    assert images.root is not None
    base = images.root / _MAPPINGS
    label_of = read_object(base / "folder_to_objectnet_label.json")
    names_of = read_object(base / "objectnet_to_imagenet_1k.json")
    number_of = {line: number for number, line in enumerate(read_lines(base / "imagenet_to_label_2012_v2"))}
    row_of = {int(own): int(row) for row, own in read_object(base / "pytorch_to_imagenet_2012_id.json").items()}
    found = {}
    for kind in images.classes:
        names = str(names_of.get(str(label_of.get(kind, kind)), ""))
        try:
            found[kind] = tuple(wnids()[row_of[number_of[name]]] for name in names.split("; ") if name)
        except (KeyError, IndexError) as error:
            raise InputError(
                f"{base} does not lead from {kind} to ImageNet's classes ({error}); unpack it again"
            ) from error
    return found


def annotation_files(images: ImageSet) -> list[Path]:
    """The files that say which of ImageNet's classes are right; none where the folders do."""
    assert images.root is not None  # `open` sets it
    return sorted(path for path in (images.root / _MAPPINGS).glob("*") if path.is_file())


def _only_inner(root: Path) -> Path:
    """The root, or the one folder in it that the archive made, which holds the class folders."""
    inner = subfolders(root)
    holds = len(inner) == 1 and not inner[0].startswith("n0") and len(subfolders(root / inner[0])) > 1
    return root / inner[0] if holds and inner[0] != "images" else root
