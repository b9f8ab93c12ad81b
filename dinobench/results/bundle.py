"""A folder of records that proves itself elsewhere: the records, all that they kept, and the sha256 of every file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from dinobench.results.records import RunRecord, read_record
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path, read_text, sha256_file, write_text_atomically
from dinobench.runtime.names import inside

SUMS = "SHA256SUMS"
"""Lists every file of a bundle, one "DIGEST  NAME" a line, as `sha256sum --check` reads it."""


def copy_records(paths: Sequence[Path], target: Path) -> list[RunRecord]:
    """Copy records and the files that they kept below `target`, where each finds its own again.

    Raises:
        InputError: a record is broken, names a file outside its folder, or has lost one.
    """
    found = []
    for path in paths:
        record = read_record(path)
        for name in record.files:
            source = inside(path.parent, name, f"file of {path}")
            if not source.is_file():
                raise InputError(f"{path} kept {name}, which is not there any more; score the model again")
            _copy_file(source, target / name)
        _copy_file(path, target / path.name)
        found.append(record)
    return found


def _copy_file(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def seal_bundle(folder: Path) -> Path:
    """Write the digest of every file in `folder` and below; return the list's path."""
    lines = [f"{sha256_file(folder / name)}  {name}\n" for name in _files_below(folder)]
    write_text_atomically(folder / SUMS, "".join(lines))
    return folder / SUMS


def broken_seals(folder: Path) -> tuple[int, list[str]]:
    """How many files a bundle lists, and what is not as the list says, one line each.

    Raises:
        InputError: the list cannot be read, or a line of it is none.
    """
    listed = _read_sums(folder / SUMS)
    present = set(_files_below(folder))
    problems = [f"{name} is missing" for name in sorted(listed.keys() - present)]
    problems += [f"{name} is not in {SUMS}" for name in sorted(present - listed.keys())]
    changed = (name for name in sorted(listed.keys() & present) if sha256_file(folder / name) != listed[name])
    return len(listed), problems + [f"{name} is not the file that was published" for name in changed]


def _read_sums(path: Path) -> dict[str, str]:
    listed = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        digest, gap, name = line.partition("  ")
        if not gap or len(digest) != 64:
            raise InputError(f"{path}, line {number}, is not DIGEST and NAME; get the bundle again")
        inside(path.parent, name, f"{path}, line {number}")
        listed[name] = digest
    return listed


def _files_below(folder: Path) -> Iterator[str]:
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return (name for name in names if name != SUMS)
