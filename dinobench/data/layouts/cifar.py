"""CIFAR-10 and CIFAR-100: the authors' python batches, or Hugging Face parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet, from_arrays
from dinobench.data.layouts import imagefolder
from dinobench.data.layouts._files import check_splits, refuse_out_of_range, require, texts, whole_numbers
from dinobench.data.layouts._parquet import read_parquet
from dinobench.data.registry import Findings
from dinobench.data.unpickle import read_pickle
from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown

DATASETS = ("cifar10", "cifar100")
FOLDERS = {"cifar-10-batches-py": "cifar10", "cifar-100-python": "cifar100"}
SIGNS = ("batches.meta", "cifar-10-batches-py/batches.meta", "cifar-100-python/meta")
EXPECTED_TREE = """ROOT/                        one of these (ROOT may also be the inner folder)
  cifar-10-batches-py/       data_batch_1 ... data_batch_5, test_batch, batches.meta
  cifar-100-python/          train, test, meta
  **/train-*.parquet **/test-*.parquet     Hugging Face uoft-cs/cifar10 or uoft-cs/cifar100
  {train,val}/<class>/*      image files, as many copies have them
50000 train and 10000 val images of 32 x 32 pixels; "val" is the official test set; CIFAR-100 has its 100 fine labels.
https://www.cs.toronto.edu/~kriz/cifar.html (the python version)."""

_SIDE = 32


class _Batches(NamedTuple):
    """Where one of the two sets keeps its parts."""

    folder: str
    files: dict[str, tuple[str, ...]]
    meta: str
    names_key: str
    labels_key: str


_TEN = _Batches(
    "cifar-10-batches-py",
    {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "val": ("test_batch",)},
    "batches.meta",
    "label_names",
    "labels",
)
_HUNDRED = _Batches(
    "cifar-100-python",
    {"train": ("train",), "val": ("test",)},
    "meta",
    "fine_label_names",
    "fine_labels",
)


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train" or "val" (the official test set).

    Raises:
        InputError: nothing recognized under the root, a damaged file, or a label out of range.
    """
    if split not in ("train", "val", "test"):
        raise unknown("split of CIFAR", split, ("train", "val"))
    part = "train" if split == "train" else "val"
    for kind in (_TEN, _HUNDRED):
        for folder in (root / kind.folder, root):
            if (folder / kind.meta).is_file():
                return _from_batches(folder, kind, part)
    shards = sorted(root.rglob("train-*.parquet" if part == "train" else "test-*.parquet"))
    if shards:
        return _from_parquet(shards, part)
    if (root / part).is_dir():
        return imagefolder.open(root, part)
    raise InputError(
        f"no CIFAR under {root}: no python batches, no parquet files, no class folders; see `dinobench data check`"
    )


def check(root: Path) -> Findings:
    """Images of each split, and what is missing."""
    return check_splits(open, root, ("train", "val"))


def _from_batches(folder: Path, kind: _Batches, split: str) -> ImageSet:
    meta = folder / kind.meta
    classes = texts(_field(read_pickle(meta), kind.names_key, meta), f"{kind.names_key} of {meta}")
    pixels, labels, names = [], [], []
    for file in kind.files[split]:
        batch = read_pickle(require(folder / file))
        data, batch_labels = _batch(batch, kind.labels_key, folder / file)
        pixels.append(data)
        labels.append(batch_labels)
        files = texts(batch.get("filenames", _numbered(len(data))), f"filenames of {folder / file}")
        if len(files) != len(data):
            raise InputError(f"{folder / file} names {len(files)} files for {len(data)} images; fetch it again")
        names += [f"{file}/{name}" for name in files]
        refuse_out_of_range(batch_labels, len(classes), names[-len(data) :], folder / file)
    return from_arrays(f"cifar{len(classes)}/{split}", np.concatenate(pixels), np.concatenate(labels), classes, names)


def _numbered(count: int) -> list[str]:
    return [f"{position:05d}.png" for position in range(count)]


def _batch(batch: dict[str, Any], labels_key: str, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(N, 32, 32, 3) pixels and (N,) labels of one batch, whose rows are planes of red, green, blue."""
    data = _field(batch, "data", path)
    if not isinstance(data, np.ndarray):
        raise InputError(f"{path} holds a {type(data).__name__} where rows of pixels are expected; fetch it again")
    labels = whole_numbers(_field(batch, labels_key, path), f"{labels_key} of {path}")
    if data.dtype != np.uint8 or data.shape != (len(labels), 3 * _SIDE**2) or not len(labels):
        held = f"{data.dtype} data of shape {data.shape} for {len(labels)} labels"
        raise InputError(f"{path} holds {held}, not rows of 3072 bytes; fetch it again")
    return np.ascontiguousarray(data.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)), labels


def _field(content: Any, key: str, path: Path) -> Any:
    if not isinstance(content, dict) or key not in content:
        raise InputError(f"{path} is no CIFAR batch: it has no '{key}'; fetch it again")
    return content[key]


def _from_parquet(shards: list[Path], split: str) -> ImageSet:
    names, pixels, labels, classes = read_parquet(shards)
    refuse_out_of_range(labels, len(classes), names, shards[0])
    return from_arrays(f"cifar{len(classes)}/{split}", pixels, labels, classes, names)
