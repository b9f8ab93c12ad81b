"""Parquet files: columns written whole or not at all, and read with one line where a file is damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path
from dinobench.runtime.names import printable

if TYPE_CHECKING:
    import pandas as pd


def write_columns(path: Path, columns: Mapping[str, Any]) -> None:
    r"""Write columns of equal length; None and NaN are empty, and bytes of names that are no UTF-8 become \xe9.

    Args:
        path: of the file.
        columns: sequences of texts or numbers, or arrays, by name.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({printable(name): _column(values) for name, values in columns.items()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame without its index; InputError where the folder cannot be written or the disk is full."""
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)


def _column(values: Sequence[Any]) -> Any:
    import pyarrow as pa

    texts = not hasattr(values, "dtype") and any(isinstance(value, str) for value in values)
    return pa.array([value and printable(value) for value in values] if texts else values, from_pandas=True)


def read_parquet_file(path: Path, remedy: str, function: str = "read_table") -> Any:
    """What `pyarrow.parquet` reads of a file.

    Args:
        path: of the file.
        remedy: what to do where the file is damaged, for the message.
        function: of pyarrow.parquet, such as "read_schema" for the footer alone.

    Raises:
        InputError: no such file, or one that is half-written or no Parquet.
    """
    import pyarrow.parquet

    try:
        found = getattr(pyarrow.parquet, function)(path)
        if isinstance(found, pyarrow.Table):
            found.validate(full=True)  # texts that are no UTF-8 would fail where they are used
        _read_names(getattr(found, "schema", found))  # and so would names of columns
        return found
    except Exception as error:  # pyarrow's exceptions share no useful base
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read {path} as parquet ({reason:.200}); {remedy}") from error


def _read_names(fields: Iterable[Any]) -> None:
    """Decode the names of columns and of the parts of nested ones."""
    for field in fields:
        str(field.name)
        _read_names(field.type.field(part) for part in range(field.type.num_fields))
