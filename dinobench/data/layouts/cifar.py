"""CIFAR-10 and CIFAR-100: the authors' python batches, or Hugging Face parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet, from_arrays
from dinobench.data.layouts import imagefolder
from dinobench.data.layouts._files import refuse_out_of_range, require, texts, whole_numbers
from dinobench.data.layouts._parquet import column_names, read_parquet
from dinobench.data.layouts._places import contents, split_base, split_folder
from dinobench.data.layouts._walk import subfolders
from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown
from dinobench.runtime.unpickle import read_pickle

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

    title: str
    folder: str
    files: dict[str, tuple[str, ...]]
    meta: str
    names_key: str
    labels_key: str


_TEN = _Batches(
    "CIFAR-10",
    "cifar-10-batches-py",
    {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "val": ("test_batch",)},
    "batches.meta",
    "label_names",
    "labels",
)
_HUNDRED = _Batches(
    "CIFAR-100",
    "cifar-100-python",
    {"train": ("train",), "val": ("test",)},
    "meta",
    "fine_label_names",
    "fine_labels",
)
_SETS = {"cifar10": _TEN, "cifar100": _HUNDRED}


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train" or "val" (the official test set) of the one set that lies under the root.

    Raises:
        InputError: nothing recognized under the root, both sets, a damaged file, or a label out of range.
    """
    held = [name for name, kind in _SETS.items() if _is_there(root, kind)]
    if len(held) > 1:
        raise InputError(f"{root} holds CIFAR-10 and CIFAR-100; give the folder of one of them")
    return open_one(root, split, held[0] if held else "")


def open_one(root: Path, split: str, dataset: str) -> ImageSet:
    """The same of "cifar10" or "cifar100", where both may lie under the root; InputError where only the other does."""
    if split not in ("train", "val", "test"):
        raise unknown("split of CIFAR", split, ("train", "val"))
    part = "train" if split == "train" else "val"
    kind = _SETS.get(dataset, _TEN)
    if folder := _batch_folder(root, kind):
        return _from_batches(folder, kind, part)
    if shards := _split_shards(root, kind, part):
        return _from_parquet(shards, part)
    _refuse_other(root, kind)
    if split_folder(split_base(root), part):
        return imagefolder.open(root, part)
    raise InputError(
        f"no CIFAR under {root}: no python batches, no parquet files, no class folders; it holds {contents(root)}; "
        f"`dinobench data check {dataset or 'cifar10'}` prints the expected tree"
    )


def _batch_folder(root: Path, kind: _Batches) -> Path | None:
    """The folder of the python batches: the root, the folder that the archive unpacks to, or that one level below."""
    below = [root / name / kind.folder for name in subfolders(root)]
    folders = (root / kind.folder, root, *below)
    return next((folder for folder in folders if (folder / kind.meta).is_file()), None)


def _split_shards(root: Path, kind: _Batches, part: str) -> list[Path]:
    """The parquet files of a split of that set: the one with fine labels is CIFAR-100."""
    found = sorted(root.rglob("train-*.parquet" if part == "train" else "test-*.parquet"))
    return [path for path in found if ("fine_label" in column_names(path)) == (kind is _HUNDRED)]


def _is_there(root: Path, kind: _Batches) -> bool:
    return bool(_batch_folder(root, kind) or _split_shards(root, kind, "train") or _split_shards(root, kind, "val"))


def _refuse_other(root: Path, kind: _Batches) -> None:
    other = _TEN if kind is _HUNDRED else _HUNDRED
    if _is_there(root, other):
        raise InputError(
            f"{root} holds {other.title}, but {kind.title} is wanted; unpack {kind.folder} there "
            "(https://www.cs.toronto.edu/~kriz/cifar.html)"
        )


def _from_batches(folder: Path, kind: _Batches, split: str) -> ImageSet:
    meta = folder / kind.meta
    classes = texts(_batch_field(read_pickle(meta), kind.names_key, meta), f"{kind.names_key} of {meta}")
    pixels, labels, names = [], [], []
    for file in kind.files[split]:
        batch = read_pickle(require(folder / file))
        data, batch_labels = _batch_arrays(batch, kind.labels_key, folder / file)
        pixels.append(data)
        labels.append(batch_labels)
        files = texts(batch.get("filenames", _numbered_names(len(data))), f"filenames of {folder / file}")
        if len(files) != len(data):
            raise InputError(f"{folder / file} names {len(files)} files for {len(data)} images; fetch it again")
        names += [f"{file}/{name}" for name in files]
        refuse_out_of_range(batch_labels, len(classes), names[-len(data) :], folder / file)
    return from_arrays(f"cifar{len(classes)}/{split}", np.concatenate(pixels), np.concatenate(labels), classes, names)


def _numbered_names(count: int) -> list[str]:
    return [f"{position:05d}.png" for position in range(count)]


def _batch_arrays(batch: dict[str, Any], labels_key: str, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(N, 32, 32, 3) pixels and (N,) labels of one batch, whose rows are planes of red, green, blue."""
    data = _batch_field(batch, "data", path)
    if not isinstance(data, np.ndarray):
        raise InputError(f"{path} holds a {type(data).__name__} where rows of pixels are expected; fetch it again")
    labels = whole_numbers(_batch_field(batch, labels_key, path), f"{labels_key} of {path}")
    if data.dtype != np.uint8 or data.shape != (len(labels), 3 * _SIDE**2) or not len(labels):
        held = f"{data.dtype} data of shape {data.shape} for {len(labels)} labels"
        raise InputError(f"{path} holds {held}, not rows of 3072 bytes; fetch it again")
    return np.ascontiguousarray(data.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)), labels


def _batch_field(content: Any, key: str, path: Path) -> Any:
    if not isinstance(content, dict) or key not in content:
        raise InputError(f"{path} is not a CIFAR batch: it has no '{key}'; fetch it again")
    return content[key]


def _from_parquet(shards: list[Path], split: str) -> ImageSet:
    names, pixels, labels, classes = read_parquet(shards)
    refuse_out_of_range(labels, len(classes), names, shards[0])
    return from_arrays(f"cifar{len(classes)}/{split}", pixels, labels, classes, names)
