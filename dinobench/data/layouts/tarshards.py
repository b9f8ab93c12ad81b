"""Tar shards, as WebDataset and others write them, read in place: any image of any shard by its offset."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.check import check_splits
from dinobench.data.content import Digest, remembered_digests, stamp_of
from dinobench.data.dataset import UNLABELED, ImageSet
from dinobench.data.decode import decode_rgb, is_image_name
from dinobench.data.layouts._class_folders import fewer_classes
from dinobench.data.layouts._listed import LABEL_COLUMNS
from dinobench.data.layouts._places import archives_in
from dinobench.data.layouts.imagefolder import refuse_unknown_classes
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import refuse_pipe
from dinobench.runtime.text import first_few

DATASETS = ("tarshards",)
SIGNS = ("*.tar", "train/*.tar", "val/*.tar")
EXPECTED_TREE = """ROOT/
  train/*.tar, val/*.tar     or train*.tar and val*.tar beside each other; uncompressed
In a shard KEY.jpg stands beside KEY.cls (its class as text), KEY.json (with "label") or KEY.txt (up to three words), or
lies in a folder named after its class; without either the images are unlabeled."""


_LABEL_ENDINGS = (".cls", ".json", ".txt")
_LABEL_WORDS = 3  # a longer text is a caption
_IMAGENET_CLASS = re.compile(r"n\d{8}")


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
        return decode_rgb(self._encoded_image(member), f"{self.root / member.shard}:{member.name}")

    def _encoded_image(self, member: _Member) -> bytes:
        try:
            with (self.root / member.shard).open("rb") as stream:
                stream.seek(member.offset)
                return stream.read(member.size)
        except OSError as error:
            raise InputError(f"cannot read {self.root / member.shard}: {error.strerror}; was it moved?") from error

    def byte_sizes(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Encoded sizes, from the shards' headers."""
        return np.array([self.members[index].size for index in indices], dtype=np.int64)

    def digests(self, indices: NDArray[np.int64], *, full: bool = False) -> list[Digest]:
        """Of the members' bytes; remembered while their shard does not change."""
        members = [self.members[index] for index in indices]
        root = self.root.absolute()
        shards = {member.shard: stamp_of(root / member.shard) for member in members}
        places = [f"{root / member.shard}\0{member.offset}\0{member.size}" for member in members]
        stamps = [shards[member.shard] for member in members]
        return remembered_digests(places, stamps, lambda number: self._encoded_image(members[number]), full=full)

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
    _refuse_class_archives(root, members)
    classes = _class_names(root, split)
    labels = _labels_of(root, members, classes)
    notes = fewer_classes(split, labels, classes)
    return ImageSet(
        f"{root.resolve().name}/{split}", root, classes, labels, names, ShardSource(root, members), notes=notes
    )


def check(root: Path) -> Findings:
    """Shards, images and classes of each split; what cannot be read."""
    findings = check_splits(open, root, ("train", "val"))
    shards = {f"{split} shards": len(found) for split in ("train", "val") if (found := _find_shards(root, split))}
    return replace(findings, counts={**shards, **findings.counts})


def shards_of(root: Path, split: str) -> list[str]:
    """Paths of a split's shards below `root`, sorted; InputError if there are none."""
    found = _find_shards(root, split)
    if not found:
        held = archives_in(root)
        remedy = f"; {first_few(held)} there may have to be unpacked into class folders" if held else ""
        raise InputError(f"no {split} shards in {root}; expected {root}/{split}/*.tar or {root}/{split}*.tar{remedy}")
    return found


def _find_shards(root: Path, split: str) -> list[str]:
    paths = sorted([*root.glob(f"{split}/**/*.tar"), *root.glob(f"{split}*.tar")])
    return [path.relative_to(root).as_posix() for path in paths]


def _split_members(root: Path, split: str) -> tuple[_Member, ...]:
    shards = shards_of(root, split)
    return tuple(member for shard in shards for member in _members_of(root, shard, stamp_of(root / shard)[0]))


@cache
def _members_of(root: Path, shard: str, stamp: bytes) -> tuple[_Member, ...]:
    """The images of a shard, with the labels found beside them; remembered until the shard changes."""
    refuse_pipe(root / shard)
    try:
        with tarfile.open(root / shard, "r:") as archive:
            infos = [info for info in archive if info.isfile()]
            beside = _labels_beside(archive, root / shard, infos)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(f"cannot read shard {root / shard}: {error}; expected an uncompressed tar file") from error
    return tuple(
        _Member(shard, info.name, info.offset_data, info.size, beside.get(_key_of(info.name), _folder_of(info.name)))
        for info in infos
        if is_image_name(info.name)
    )


def _folder_of(name: str) -> str | None:
    return PurePosixPath(name).parent.name or None


def _key_of(name: str) -> str:
    """What the files of one sample share: the path up to the first dot of the file name."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.split(".")[0]))


def _labels_beside(archive: tarfile.TarFile, path: Path, infos: list[tarfile.TarInfo]) -> dict[str, str]:
    """The label of each sample: from .cls, else from .json, else from a short .txt."""
    found: dict[str, str] = {}
    for ending in reversed(_LABEL_ENDINGS):
        for info in infos:
            if info.name.endswith(ending):
                label = _label_beside(archive, path, info, ending)
                found |= {} if label is None else {_key_of(info.name): label}
    return found


def _label_beside(archive: tarfile.TarFile, path: Path, info: tarfile.TarInfo, ending: str) -> str | None:
    stream = archive.extractfile(info)
    try:
        text = stream.read().decode("utf-8-sig").strip() if stream else ""
        content = json.loads(text) if ending == ".json" else text
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}:{info.name} is not a label ({error}); write the shard again") from error
    if not text and ending == ".cls":
        raise InputError(f"{path}:{info.name} is empty, where a class is expected; write the shard again")
    if ending == ".txt":
        return text if 0 < len(text.split()) <= _LABEL_WORDS else None
    if isinstance(content, dict):
        content = next((content[key] for key in LABEL_COLUMNS if key in content), None)
    return str(content) if isinstance(content, str | int) else None


def _refuse_class_archives(root: Path, members: tuple[_Member, ...]) -> None:
    """ImageNet's training archive unpacks to an archive for each class; these are no shards."""
    if all(member.label is None and _IMAGENET_CLASS.fullmatch(Path(member.shard).stem) for member in members):
        raise InputError(
            f"{root} holds archives that are called like ImageNet's classes ({members[0].shard}); unpack each into a "
            "folder of its name: for f in *.tar; do mkdir ${f%.tar} && tar xf $f -C ${f%.tar}; done"
        )


def _class_names(root: Path, split: str) -> tuple[str, ...]:
    """Class names of training, else of the split itself, numbers in their own order.

    Raises:
        InputError: validation has classes that training lacks.
    """
    train, val = (_split_class_names(root, each) for each in ("train", "val"))
    if train and val:
        refuse_unknown_classes(f"the shards of {root}", train, val)
    return train or _split_class_names(root, split)


def _split_class_names(root: Path, split: str) -> tuple[str, ...]:
    members = _split_members(root, split) if _find_shards(root, split) else ()
    names = sorted({member.label for member in members if member.label is not None})
    return tuple(sorted(names, key=int)) if all(name.isdecimal() for name in names) else tuple(names)


def _labels_of(root: Path, members: tuple[_Member, ...], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """The label of each image; all -1 where none has one."""
    bare = [member for member in members if member.label is None]
    if bare and len(bare) < len(members):
        where = f"{root / bare[0].shard}:{bare[0].name}"
        raise InputError(f"{where} has no label though others have; label all images or none")
    index = {name: number for number, name in enumerate(classes)}
    return np.array([UNLABELED if m.label is None else index[m.label] for m in members], dtype=np.int64)
