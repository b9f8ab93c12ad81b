"""TensorFlow checkpoints (`NAME.index` beside `NAME.data-*`), read by TensorFlow's own reader, an extra."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dinobench.models.loading import tensorflow_reader
from dinobench.runtime.errors import InputError

INDEX = ".index"
MAGIC = bytes.fromhex("57fb808b247547db")
"""The last eight bytes of an index: it is a table of LevelDB."""


def is_index(path: Path) -> bool:
    """Whether a file is the index of a TensorFlow checkpoint, by its last bytes."""
    if path.stat().st_size < len(MAGIC):
        return False
    with path.open("rb") as stream:
        stream.seek(-len(MAGIC), 2)
        return stream.read() == MAGIC


def open_tensorflow(path: Path) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
    """Tensors by name, and the names of what was left out: slots of optimizers and what is not a table of numbers.

    Raises:
        InputError: TensorFlow is not installed, a data file is missing, or the index does not fit the data.
    """
    data = sorted(path.parent.glob(f"{_escaped(path.stem)}.data-*-of-*"))
    if path.suffix != INDEX or not data:
        raise InputError(f"{path} is a TensorFlow checkpoint's index; keep its name, and its .data- files beside it")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "tensors.npz"
        left_out = _read_in_own_process(path, output)
        with np.load(output, allow_pickle=False) as arrays:
            tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return tensors, tuple(left_out)


def _read_in_own_process(path: Path, output: Path) -> list[str]:
    """Write the tensors to `output`; the names of what was left out."""
    command = [sys.executable, "-m", tensorflow_reader.__name__, str(path.with_suffix("")), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        names: list[str] = json.loads(done.stdout.splitlines()[-1])
        return names
    lines = done.stderr.splitlines()
    reason = lines[-1] if done.returncode == 2 and lines else f"its reader ended with code {done.returncode}"
    raise InputError(f"{path}: {reason}")


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


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__
