"""Features written for other tools: .npy, .safetensors or .parquet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.torch import save_file
from torch import Tensor, from_numpy

from dinobench.data.dataset import ImageSet
from dinobench.features.matrix import FeatureMatrix
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path

FORMATS = (".npy", ".safetensors", ".parquet")


def check_format(path: Path) -> None:
    """Refuse a file name of another format before any work is done.

    Raises:
        InputError: unknown suffix.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"cannot export to {path}: name it {', '.join('*' + suffix for suffix in FORMATS)}")


def export_features(matrix: FeatureMatrix, images: ImageSet, path: Path) -> None:
    """Write one row per readable image.

    `.npy` holds the (N, D) float32 features alone; `.safetensors` also `labels` (N,) and, as JSON in its metadata, the
    names and classes; `.parquet` has the columns image, label, class and feature.

    Raises:
        InputError: unknown suffix, or the disk is full.
    """
    check_format(path)
    names = [images.names[row] for row in matrix.rows.tolist()]
    labels = from_numpy(images.labels[matrix.rows])
    with atomic_path(path) as temporary:
        if path.suffix == ".npy":
            _write_npy(matrix, temporary)
        elif path.suffix == ".safetensors":
            metadata = {"names": json.dumps(names), "classes": json.dumps(images.classes)}
            save_file({"features": matrix.tensor(), "labels": labels}, temporary, metadata)
        else:
            _write_parquet(matrix, names, labels, images.classes, temporary)


def _write_npy(matrix: FeatureMatrix, path: Path) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(matrix), matrix.dim)}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for block in matrix.blocks():
            stream.write(block.numpy().astype("<f4", copy=False).tobytes())


def _write_parquet(
    matrix: FeatureMatrix, names: list[str], labels: Tensor, classes: tuple[str, ...], path: Path
) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise InputError("writing .parquet needs pyarrow; install dinobench[hf], or export to .safetensors") from error
    fields = [("image", pa.string()), ("label", pa.int64()), ("class", pa.string())]
    schema = pa.schema([*fields, ("feature", pa.list_(pa.float32(), matrix.dim))])
    start = 0
    with pq.ParquetWriter(path, schema) as writer:
        for block in matrix.blocks():
            rows = slice(start, start + len(block))
            numbers = labels[rows].tolist()
            feature = pa.FixedSizeListArray.from_arrays(pa.array(block.numpy().ravel()), matrix.dim)
            named = [classes[number] if number >= 0 else None for number in numbers]
            writer.write_table(
                pa.table([pa.array(names[rows]), pa.array(numbers), pa.array(named), feature], schema=schema)
            )
            start += len(block)
