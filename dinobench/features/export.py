"""Features written for other tools, block by block: .npy, .safetensors or .parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet
from dinobench.features.matrix import FeatureMatrix
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path

FORMATS = (".npy", ".safetensors", ".parquet")
_BLOCK_BYTES = 2**26


def check_format(path: Path) -> None:
    """Refuse a file name of another format before any work is done.

    Raises:
        InputError: unknown suffix.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"cannot export to {path}: name it {', '.join('*' + suffix for suffix in FORMATS)}")


def export_features(matrix: FeatureMatrix, images: ImageSet, path: Path) -> None:
    """Write one row per readable image, in the numbers of the store.

    `.npy` holds the features alone, (N, D) or (N, h, w, D); `.safetensors` also `labels` (N,) and, as JSON in its
    metadata, the names and classes; `.parquet` has the columns image, label, class and feature, of (D,) or (h, w, D).

    Raises:
        InputError: unknown suffix, or the disk is full.
    """
    check_format(path)
    write = {".npy": _write_npy, ".safetensors": _write_safetensors, ".parquet": _write_parquet}[path.suffix]
    with atomic_path(path) as temporary:
        write(matrix, images, temporary)


def _blocks_of(matrix: FeatureMatrix) -> Iterator[NDArray[np.floating]]:
    """Blocks (b, ...) of about the same number of bytes, whatever a row takes."""
    rows = max(1, _BLOCK_BYTES // (matrix.dtype.itemsize * int(np.prod(matrix.shape[1:]))))
    for start in range(0, len(matrix), rows):
        yield matrix.between(start, start + rows).numpy()


def _write_raw(matrix: FeatureMatrix, stream: BinaryIO) -> None:
    for block in _blocks_of(matrix):
        stream.write(block.astype(block.dtype.newbyteorder("<"), copy=False).tobytes())


def _write_npy(matrix: FeatureMatrix, images: ImageSet, path: Path) -> None:
    header = {"descr": f"<f{matrix.dtype.itemsize}", "fortran_order": False, "shape": matrix.shape}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        _write_raw(matrix, stream)


def _write_safetensors(matrix: FeatureMatrix, images: ImageSet, path: Path) -> None:
    """The format by hand, since its library wants all in memory: length of the header, header, then the numbers."""
    labels = images.labels[matrix.rows].astype("<i8").tobytes()
    features = len(labels) + matrix.dtype.itemsize * int(np.prod(matrix.shape))
    names = [images.names[row] for row in matrix.rows.tolist()]
    content: dict[str, Any] = {
        "__metadata__": {"names": json.dumps(names), "classes": json.dumps(images.classes)},
        "labels": {"dtype": "I64", "shape": [len(matrix)], "data_offsets": [0, len(labels)]},
        "features": {
            "dtype": f"F{8 * matrix.dtype.itemsize}",
            "shape": matrix.shape,
            "data_offsets": [len(labels), features],
        },
    }
    header = json.dumps(content).encode()
    header += b" " * (-len(header) % 8)  # so that the numbers begin at a multiple of 8
    with path.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header + labels)
        _write_raw(matrix, stream)


def _write_parquet(matrix: FeatureMatrix, images: ImageSet, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = pa.float16() if matrix.dtype.itemsize == 2 else pa.float32()
    size = int(np.prod(matrix.shape[1:]))
    is_map = len(matrix.shape) > 2
    kind = pa.fixed_shape_tensor(number, matrix.shape[1:]) if is_map else pa.list_(number, size)
    fields = [("image", pa.string()), ("label", pa.int64()), ("class", pa.string())]
    schema = pa.schema([*fields, ("feature", kind)])
    start = 0
    with pq.ParquetWriter(path, schema) as writer:
        for block in _blocks_of(matrix):
            rows = matrix.rows[start : start + len(block)].tolist()
            numbers = images.labels[rows].tolist()
            named = [images.classes[number] if number >= 0 else None for number in numbers]
            feature = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), size)
            feature = pa.ExtensionArray.from_storage(kind, feature) if is_map else feature
            columns = [pa.array([images.names[row] for row in rows]), pa.array(numbers), pa.array(named), feature]
            writer.write_table(pa.table(columns, schema=schema))
            start += len(block)
