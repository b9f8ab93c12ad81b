"""`hf:NAME[/SPLIT]`: image datasets through the `datasets` library, from the hub's cache or a local folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.content import Digest, digest_of, remembered_digests, stamp_of
from dinobench.data.dataset import UNLABELED, ImageSet
from dinobench.data.decode import decode_rgb, read_rgb
from dinobench.data.layouts._class_folders import fewer_classes, in_order
from dinobench.data.layouts._listed import LABEL_COLUMNS
from dinobench.data.layouts.imagefolder import refuse_unknown_classes
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes
from dinobench.runtime.hub import hub_or_cache

# What hub datasets call the splits that we call train, val and test, in order of preference.
SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("validation", "val", "valid", "dev", "test"),
    "test": ("test", "testing", "validation", "val"),
}
_SAVED_SPLITS = "dataset_dict.json"  # what `save_to_disk` puts beside its split folders
_NO_LABEL = frozenset({"-1", "None", ""})


@dataclass(frozen=True, eq=False)
class TableSource:
    """Encoded images in a column of an Arrow table, decoded here and not by `datasets`."""

    table: Any
    column: str
    name: str

    def read(self, index: int) -> Image.Image:
        """Decode one row's image."""
        cell = self.table[index][self.column]
        if cell["bytes"] is None:
            return read_rgb(Path(cell["path"]))
        return decode_rgb(cell["bytes"], f"{self.name} row {index}")

    def byte_sizes(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Encoded size of each image, read from the column's offsets."""
        import pyarrow.compute as pc

        cells = self._image_cells(indices)
        sizes = pc.binary_length(pc.struct_field(cells, "bytes")).to_pylist()
        paths = pc.struct_field(cells, "path").to_pylist()
        measured = (
            Path(path).stat().st_size if size is None else size for size, path in zip(sizes, paths, strict=True)
        )
        return np.fromiter(measured, dtype=np.int64, count=len(sizes))

    def digests(self, indices: NDArray[np.int64], *, full: bool = False) -> list[Digest]:
        """Of the cells' bytes; remembered while the table's files, or the files that it names, do not change."""
        table = f"hf:{self.table._fingerprint}\0{self.column}"
        whole = self._stamp_of_table()
        outside = self._files_of_cells(indices)
        places = [path or f"{table}\0{index}" for path, index in zip(outside, indices, strict=True)]
        stamps = [stamp_of(Path(path)) if path else whole for path in outside]
        read = self._encoded_image
        return remembered_digests(places, stamps, lambda number: read(int(indices[number])), full=full)

    def _stamp_of_table(self) -> tuple[bytes, int]:
        """Of the table's Arrow files together; of a table in memory, one that is never remembered."""
        stamps = [stamp_of(Path(file["filename"])) for file in self.table.cache_files]
        changed = max((changed for _, changed in stamps), default=time.time_ns())
        return digest_of(b"".join(stamp for stamp, _ in stamps)), changed

    def _files_of_cells(self, indices: NDArray[np.int64]) -> list[str | None]:
        """The file that each cell names in place of bytes."""
        import pyarrow.compute as pc

        cells = self._image_cells(indices)
        paths: list[str | None] = pc.if_else(
            pc.is_null(pc.struct_field(cells, "bytes")), pc.struct_field(cells, "path"), None
        ).to_pylist()
        return paths

    def _image_cells(self, indices: NDArray[np.int64]) -> Any:
        return self.table.select_columns(self.column).with_format("arrow")[:][self.column].take(indices)

    def _encoded_image(self, index: int) -> bytes:
        cell = self.table[index][self.column]
        data: bytes = read_bytes(Path(cell["path"])) if cell["bytes"] is None else cell["bytes"]
        return data

    def arrays(self, indices: NDArray[np.int64]) -> None:
        """Tables are read row by row."""


def open_hub(spec: str, split: str) -> ImageSet:
    """Open `NAME[/SPLIT]`: a hub dataset, or a local folder that `datasets` can read; SPLIT overrides `split`.

    Raises:
        InputError: `datasets` is not installed, the name or split is unknown, offline, or there is no image column.
    """
    datasets = import_datasets()
    name, chosen = split_spec(spec, split)
    table, chosen = _load_table(name, chosen)
    column = image_column(name, table.features)
    labels, classes = _labels_of(table, partial(_training_labels, name, chosen))
    notes = fewer_classes(chosen, labels, classes)
    table = table.cast_column(column, datasets.Image(decode=False))
    identity = Path(name).name if Path(name).exists() else name  # a moved folder stays the same data
    names = tuple(f"hf/{identity}/{chosen}/{index:08d}" for index in range(len(table)))
    source = TableSource(table, column, f"hf:{name}")
    return ImageSet(f"{Path(name).name}/{chosen}", None, classes, labels, names, source, notes=notes)


def import_datasets() -> Any:
    """The `datasets` library; InputError says how to install it."""
    try:
        import datasets
    except ImportError as error:
        raise InputError("hf: data need the `datasets` library; install dinobench[hf]") from error
    return datasets


def image_column(name: str, features: Mapping[str, Any]) -> str:
    """The first column of images; InputError lists the columns there are."""
    images = import_datasets().Image
    for key, feature in features.items():
        if isinstance(feature, images):
            return key
    raise InputError(f"hf:{name} has no image column (columns: {', '.join(features)}); choose another dataset")


def split_spec(spec: str, split: str) -> tuple[str, str]:
    """Name and split: the last part is a split if it is called one, or if what stands before it is a folder."""
    head, _, tail = spec.rpartition("/")
    if Path(head, _SAVED_SPLITS).is_file():
        return head, tail
    called_split = any(tail in names for names in SPLIT_NAMES.values())
    if head and not Path(spec).exists() and (called_split or head.count("/") == 1 or Path(head).is_dir()):
        return head, tail
    return spec, split


def _load_table(name: str, split: str) -> tuple[Any, str]:
    """The table of the split that answers to `split`, and what it is called there."""
    import datasets

    try:
        if Path(name, _SAVED_SPLITS).is_file() or Path(name, "state.json").is_file():
            stored = datasets.load_from_disk(name)
            if not isinstance(stored, datasets.DatasetDict):
                return stored, "all"  # one name for whatever is asked, so that training and test images are told equal
            picked = pick_split(name, split, tuple(stored))
            return stored[picked], picked
        with hub_or_cache(remote=not Path(name).exists()):
            picked = pick_split(name, split, datasets.get_dataset_split_names(name))
            return datasets.load_dataset(name, split=picked), picked
    except InputError:
        raise
    except Exception as error:  # the hub client raises its own, httpx's and OS errors
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"cannot open hf:{name}: {reason}; check the name, the network or the hub's cache") from error


def pick_split(name: str, split: str, available: tuple[str, ...] | list[str]) -> str:
    """What the data set calls the split that we call `split`; InputError lists those it has."""
    for candidate in (split, *SPLIT_NAMES.get(split, ())):
        if candidate in available:
            return candidate
    raise InputError(
        f"hf:{name} has no split '{split}'; it has {', '.join(map(str, available))}: write hf:{name}/SPLIT"
    )


def _labels_of(table: Any, training: Callable[[], set[str]]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels and class names: the first ClassLabel column, else a column of numbers or words called like one.

    Raises:
        InputError: the column holds classes that training lacks.
    """
    import datasets

    for key, feature in table.features.items():
        if isinstance(feature, datasets.ClassLabel):
            return np.asarray(table.with_format("numpy")[key][:], dtype=np.int64), tuple(feature.names)
    key = _label_column(table)
    if key is None:
        return np.full(len(table), UNLABELED, dtype=np.int64), ()
    kinds = [str(kind) for kind in table.with_format("arrow")[:][key].to_pylist()]
    found = {kind for kind in kinds if kind not in _NO_LABEL}
    classes = in_order(training() or found)
    refuse_unknown_classes("the data set", classes, in_order(found))
    index = {kind: number for number, kind in enumerate(classes)}
    return np.array([index.get(kind, UNLABELED) for kind in kinds], dtype=np.int64), classes


def _label_column(table: Any) -> str | None:
    dtypes = {key: getattr(feature, "dtype", "") for key, feature in table.features.items()}
    return next((key for key in LABEL_COLUMNS if dtypes.get(key, "").startswith(("int", "uint", "string"))), None)


def _training_labels(name: str, chosen: str) -> set[str]:
    """The labels of the training split, which those of another are numbered by; none where there is no such split."""
    try:
        table, picked = _load_table(name, "train")
    except InputError:
        return set()
    key = _label_column(table)
    if picked == chosen or key is None:
        return set()
    return {str(kind) for kind in table.with_format("arrow")[:][key].unique().to_pylist()} - _NO_LABEL
