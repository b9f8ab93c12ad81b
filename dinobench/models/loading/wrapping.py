"""Zip archives that are only the wrapping of one checkpoint file."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinobench.models.loading.state_dict import first_names
from dinobench.runtime.cache import built_folder, cache_folder
from dinobench.runtime.errors import InputError
from dinobench.runtime.names import safe_name

# A compressed file that grows by more than this is a bomb: trained weights hardly compress.
MAXIMUM_GROWTH = 50
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
        raise InputError(
            f"{path} holds {len(found)} checkpoints, {names}; name one of them, as {path.name}/{found[0].filename:.80}"
        )
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


def extracted(archive: Path, path: Path) -> Path:
    """The file that a path into a zip names, under its own name in the cache, unpacked the first time.

    Raises:
        InputError: there is no such file, it unpacks to far more than it is, or the zip is damaged.
    """
    name, seen = path.relative_to(archive).as_posix(), archive.stat()
    file_name = safe_name(path.name, f"file in {archive}")
    identity = repr((str(archive.resolve()), seen.st_size, seen.st_mtime_ns, name))

    def build(folder: Path) -> None:
        try:
            with zipfile.ZipFile(archive) as opened:
                _extract_member(opened, archive, name, folder / file_name)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
            raise InputError(f"{archive} is truncated or damaged ({error}); download it again") from error

    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return built_folder(cache_folder("weights", "unpacked", key), build) / file_name


def _extract_member(opened: zipfile.ZipFile, archive: Path, name: str, target: Path) -> None:
    if name not in opened.namelist():
        names = first_names(each for each in opened.namelist() if each.endswith(SUFFIXES))
        raise InputError(f"{archive} holds no {name:.80}; it holds {names or 'no checkpoint'}")
    member = opened.getinfo(name)
    if member.file_size > MAXIMUM_GROWTH * max(member.compress_size, 1):
        raise InputError(f"{archive}: {name:.80} would unpack to {member.file_size / 1e6:.0f} MB; refused")
    with opened.open(member) as stored, target.open("wb") as copy:
        shutil.copyfileobj(stored, copy)
