"""Tar shards, as WebDataset and others write them, read in place: any image of any shard by its offset."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.dataset import ImageSet, UNLabeled
from dinobench.data.decode import decode_rgb, is_image_name
from dinobench.data.layouts._splits import opened_splits
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError

DATASETS = ("tarshards",)
SIGNS = ("*.tar", "train/*.tar", "val/*.tar")
EXPECTED_TREE = """ROOT/
  train/*.tar, val/*.tar     or train*.tar and val*.tar beside each other; uncompressed
In a shard KEY.jpg stands beside KEY.cls (its class as text) or KEY.json (with "label"), or lies in a folder named after
its class; without either the images are unlabeled."""


@dataclass(frozen=True)
class _Member:
    """One image in a shard: which, under what name, where its bytes are, and what its label is called."""

    shard: str
    name: str
    offset: int
    size: int
    label: str | None


@dataclass(frozen=True)
class ShardSource:
    """Encoded images inside uncompressed tar files."""

    root: Path
    members: tuple[_Member, ...]

    def read(self, index: int) -> Image.Image:
        """Decode one image, read from its place in the shard."""
        member = self.members[index]
        try:
            with (self.root / member.shard).open("rb") as stream:
                stream.seek(member.offset)
                data = stream.read(member.size)
        except OSError as error:
            raise InputError(f"cannot read {self.root / member.shard}: {error.strerror}; was it moved?") from error
        return decode_rgb(data, f"{self.root / member.shard}:{member.name}")

    def byte_sizes(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Encoded sizes, from the shards' headers."""
        return np.array([self.members[index].size for index in indices], dtype=np.int64)

    def arrays(self, indices: NDArray[np.int64]) -> None:
        """Shards are not in memory."""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of all shards of a split, shards and members in order.

    Raises:
        InputError: no shards, a damaged or compressed one, no images in them, or some labeled and others not.
    """
    members = _split_members(root, split)
    if not members:
        raise InputError(f"no images in the {split} shards of {root}; see `dinobench data check tarshards`")
    names = tuple(f"{member.shard}/{member.name}" for member in members)
    classes = _classes(root)
    labels = _labels(root, members, classes)
    return ImageSet(f"{root.resolve().name}/{split}", root, classes, labels, names, ShardSource(root, members))


def check(root: Path) -> Findings:
    """Shards, images and classes of each split; what cannot be read."""
    found, problems = opened_splits(root, open)
    counts: dict[str, int] = {}
    for split, images in found.items():
        counts[f"{split} shards"] = len(shards_of(root, split))
        counts[f"{split} images"], counts[f"{split} classes"] = len(images), len(images.classes)
    return Findings(counts, tuple(problems))


def shards_of(root: Path, split: str) -> list[str]:
    """Paths of a split's shards below `root`, sorted; InputError if there are none."""
    found = _found(root, split)
    if not found:
        raise InputError(f"no {split} shards in {root}; expected {root}/{split}/*.tar or {root}/{split}*.tar")
    return found


def _found(root: Path, split: str) -> list[str]:
    paths = sorted([*root.glob(f"{split}/**/*.tar"), *root.glob(f"{split}*.tar")])
    return [path.relative_to(root).as_posix() for path in paths]


def _split_members(root: Path, split: str) -> tuple[_Member, ...]:
    shards = shards_of(root, split)
    return tuple(member for shard in shards for member in _members(root, shard, (root / shard).stat().st_mtime_ns))


@cache
def _members(root: Path, shard: str, changed: int) -> tuple[_Member, ...]:
    """The images of a shard, with the labels found beside them; remembered until the shard changes."""
    try:
        with tarfile.open(root / shard, "r:") as archive:
            infos = [info for info in archive if info.isfile()]
            beside = {_key(info.name): _label_beside(archive, info) for info in infos if _is_label(info.name)}
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(f"cannot read shard {root / shard}: {error}; expected an uncompressed tar file") from error
    return tuple(
        _Member(shard, info.name, info.offset_data, info.size, beside.get(_key(info.name), _folder_of(info.name)))
        for info in infos
        if is_image_name(info.name)
    )


def _folder_of(name: str) -> str | None:
    return PurePosixPath(name).parent.name or None


def _key(name: str) -> str:
    """What the files of one sample share: the path up to the first dot of the file name."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.split(".")[0]))


def _is_label(name: str) -> bool:
    return name.endswith((".cls", ".json"))


def _label_beside(archive: tarfile.TarFile, info: tarfile.TarInfo) -> str | None:
    stream = archive.extractfile(info)
    text = stream.read().decode("utf-8").strip() if stream else ""
    if info.name.endswith(".cls"):
        return text
    content = json.loads(text)
    label = content.get("label") if isinstance(content, dict) else None
    return None if label is None else str(label)


def _classes(root: Path) -> tuple[str, ...]:
    """Class names over both splits, so that a class which one lacks shifts no label; numbers in their own order."""
    splits = [split for split in ("train", "val") if _found(root, split)]
    found = {member.label for split in splits for member in _split_members(root, split)} - {None}
    names = sorted(name for name in found if name is not None)
    return tuple(sorted(names, key=int)) if all(name.isdecimal() for name in names) else tuple(names)


def _labels(root: Path, members: tuple[_Member, ...], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """The label of each image; all -1 where none has one."""
    bare = [member for member in members if member.label is None]
    if bare and len(bare) < len(members):
        where = f"{root / bare[0].shard}:{bare[0].name}"
        raise InputError(f"{where} has no label though others have; label all images or none")
    index = {name: number for number, name in enumerate(classes)}
    return np.array([UNLabeled if m.label is None else index[m.label] for m in members], dtype=np.int64)
