"""Labeled images in parquet files, as Hugging Face stores them.

Read by pyarrow: `datasets` would first write a copy of all files into its cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data.decode import decode_rgb
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import json_value
from dinobench.runtime.names import inside
from dinobench.runtime.parquet_files import read_parquet_file

_IMAGE_COLUMNS = ("img", "image")
_LABEL_COLUMNS = ("fine_label", "label")
_Row = tuple[str, NDArray[np.uint8], int]


def read_parquet(shards: Sequence[Path]) -> tuple[list[str], NDArray[np.uint8], NDArray[np.int64], list[str]]:
    """Names, (N, S, S, 3) pixels, (N,) labels and class names of images of one size.

    Raises:
        InputError: an unreadable file, no image or label column, no rows, images of several sizes.
    """
    tables = [_read_parquet(shard) for shard in shards]
    rows = [row for table, shard in zip(tables, shards, strict=True) for row in _table_rows(table, shard)]
    if not rows:
        raise InputError(f"{shards[0]} holds no rows: an empty split; fetch it again")
    names, images, labels = zip(*rows, strict=True)
    if len({image.shape for image in images}) > 1:
        raise InputError(f"{shards[0]} holds images of several sizes, which no CIFAR has; open it as hf:FOLDER")
    return list(names), np.stack(images), np.array(labels, dtype=np.int64), _class_names(tables[0], shards[0])


def column_names(shard: Path) -> list[str]:
    """Names of the columns, from the file's footer; InputError as `read_parquet`."""
    return list(_read_parquet(shard, "read_schema").names)


def _read_parquet(shard: Path, function: str = "read_table") -> Any:
    return read_parquet_file(shard, "fetch it again", function)


def _find_column(table: Any, candidates: Sequence[str], shard: Path) -> str:
    found = next((name for name in candidates if name in table.column_names), None)
    if found is None:
        held, wanted = ", ".join(table.column_names), " or ".join(candidates)
        raise InputError(f"{shard} has columns {held} but none called {wanted}; is it the right file?")
    return found


def _table_rows(table: Any, shard: Path) -> Iterator[_Row]:
    images = table.column(_find_column(table, _IMAGE_COLUMNS, shard)).to_pylist()
    labels = table.column(_find_column(table, _LABEL_COLUMNS, shard)).to_pylist()
    for position, (image, label) in enumerate(zip(images, labels, strict=True)):
        where = f"{shard} row {position}"
        if not isinstance(image, dict) or not isinstance(image.get("bytes"), bytes) or type(label) is not int:
            raise InputError(f"{where} holds no image with bytes and a whole number as label; fetch it again")
        name = str(image.get("path") or f"{position:05d}.png")
        inside(Path(shard.stem), name, where)
        yield f"{shard.stem}/{name}", np.asarray(decode_rgb(image["bytes"], where)), label


def _class_names(table: Any, shard: Path) -> list[str]:
    """The class names that Hugging Face keeps in the schema, else plain numbers."""
    column = _find_column(table, _LABEL_COLUMNS, shard)
    metadata: Any = json_value((table.schema.metadata or {}).get(b"huggingface", b"{}"), f"the schema of {shard}")
    for part in ("info", "features", column):
        metadata = metadata.get(part) if isinstance(metadata, dict) else None
    names = metadata.get("names") if isinstance(metadata, dict) else None
    if isinstance(names, list) and all(isinstance(name, str) for name in names) and names:
        return names
    return [str(number) for number in range(100 if column == "fine_label" else 10)]
