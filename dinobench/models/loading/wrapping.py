"""Zip archives that are only the wrapping of one checkpoint file."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinobench.models.loading.state_dict import first_names
from dinobench.runtime.errors import InputError

SUFFIXES = (".pth", ".pt", ".tar", ".ckpt", ".pkl", ".safetensors", ".npz", ".bin")


def wrapped_member(path: Path, members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo | None:
    """The one checkpoint in a zip around it; None where the zip is itself a checkpoint or holds none.

    Raises:
        InputError: it holds several.
    """
    if any(member.filename.endswith(("data.pkl", ".npy")) for member in members):
        return None
    found = [member for member in members if member.filename.endswith(SUFFIXES) and "__MACOSX/" not in member.filename]
    if len(found) > 1:
        names = first_names(member.filename for member in found)
        raise InputError(f"{path} holds {len(found)} checkpoints, {names}; unpack it and give one of them")
    return found[0] if found else None


@contextmanager
def unpacked(path: Path, member: zipfile.ZipInfo) -> Iterator[Path]:
    """A member of a zip as a file for as long as it is opened; maps of it stay valid after that.

    Raises:
        InputError: the member is damaged, is itself such a zip, or cannot be opened as a checkpoint.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint"
        try:
            with zipfile.ZipFile(path) as archive, archive.open(member) as stored, file.open("wb") as copy:
                shutil.copyfileobj(stored, copy)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
            raise InputError(f"{path} is truncated or damaged ({error}); download it again") from error
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as inner:
                if wrapped_member(path, inner.infolist()) is not None:
                    raise InputError(f"{path} holds a zip within a zip; unpack it and give the file inside")
        try:
            yield file
        except InputError as error:
            raise InputError(str(error).replace(str(file), f"{path} ({member.filename:.80})")) from error
