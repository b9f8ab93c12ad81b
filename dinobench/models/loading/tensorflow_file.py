"""TensorFlow checkpoints (`NAME.index` beside `NAME.data-*`), read by TensorFlow's own reader, an extra."""

from __future__ import annotations

import math
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dinobench.runtime.errors import InputError

INDEX = ".index"
MAGIC = bytes.fromhex("57fb808b247547db")
"""The last eight bytes of an index: it is a table of LevelDB."""

# What optimizers keep beside each weight: as large as the network, and of no use to features.
_SLOT = re.compile(r"/(Momentum|LARSOptimizer|LARSOptimizer_1|ExponentialMovingAverage|Adam|Adam_1)$")
_WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}


def is_index(path: Path) -> bool:
    """Whether a file is the index of a TensorFlow checkpoint, by its last bytes."""
    if path.stat().st_size < len(MAGIC):
        return False
    with path.open("rb") as stream:
        stream.seek(-len(MAGIC), 2)
        return stream.read() == MAGIC


def open_tensorflow(path: Path) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
    """Tensors by name, and the names of what was left out: slots of optimizers and what is no table of numbers.

    Raises:
        InputError: TensorFlow is not installed, a data file is missing, or the index does not fit the data.
    """
    data = sorted(path.parent.glob(f"{_escaped(path.stem)}.data-*-of-*"))
    if path.suffix != INDEX or not data:
        raise InputError(f"{path} is a TensorFlow checkpoint's index; keep its name, and its .data- files beside it")
    reader = _open_reader(path)
    try:
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        wanted = [name for name in shapes if types[name].name in _WIDTHS and not _SLOT.search(name)]
        _refuse_lies(path, {name: (shapes[name], types[name].name) for name in wanted}, data)
        tensors = {name: torch.from_numpy(reader.get_tensor(name).astype("float32")) for name in sorted(wanted)}
    except InputError:
        raise
    except Exception as error:  # whatever TensorFlow raises on damaged bytes
        raise InputError(f"{path} is truncated or damaged ({_first_line(error)}); download it again") from error
    return tensors, tuple(sorted(set(shapes) - set(wanted)))


@contextmanager
def unpacked_index(path: Path, members: list[zipfile.ZipInfo]) -> Iterator[Path]:
    """The index of a TensorFlow checkpoint in a zip, as a file with its data beside it for as long as it is opened.

    Raises:
        InputError: the zip is damaged, or holds several.
    """
    found = [member for member in members if member.filename.endswith(INDEX) and "__MACOSX/" not in member.filename]
    if len(found) != 1:
        raise InputError(f"{path} holds {len(found)} TensorFlow checkpoints; unpack it and give one .index file")
    stem = found[0].filename.removesuffix(INDEX)
    parts = {
        member: f"model{member.filename.removeprefix(stem)}"
        for member in members
        if re.fullmatch(r"\.(index|data-\d{5}-of-\d{5})", member.filename.removeprefix(stem))
    }
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                for member, name in parts.items():
                    with archive.open(member) as stored, (Path(folder) / name).open("wb") as copy:
                        shutil.copyfileobj(stored, copy)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
            raise InputError(f"{path} is truncated or damaged ({_first_line(error)}); download it again") from error
        try:
            yield Path(folder) / f"model{INDEX}"
        except InputError as error:
            raise InputError(str(error).replace(folder, str(path))) from error


def _open_reader(path: Path) -> Any:
    try:
        import tensorflow
    except ImportError as error:
        raise InputError(
            f"{path} is a TensorFlow checkpoint, whose reader is an extra: pip install 'dinobench[tensorflow]'"
        ) from error
    try:
        return tensorflow.train.load_checkpoint(str(path.with_suffix("")))
    except Exception as error:
        raise InputError(f"{path} is truncated or damaged ({_first_line(error)}); download it again") from error


def _refuse_lies(path: Path, claimed: Mapping[str, tuple[list[int], str]], data: list[Path]) -> None:
    """Refuse an index whose tensors take more bytes than its data files have."""
    held = sum(file.stat().st_size for file in data)
    needed = sum(math.prod(shape) * _WIDTHS[kind] for shape, kind in claimed.values())
    if needed > held:
        raise InputError(
            f"{path} names {needed / 1e6:.1f} MB of numbers and its data files hold {held / 1e6:.1f} MB; "
            "download it again"
        )


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__
