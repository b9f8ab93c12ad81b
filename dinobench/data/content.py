"""Digests of what files hold, remembered, so that a file that has not changed is not read again.

The index is one SQLite file in the cache; several processes share it. A file counts as unchanged while its size, inode
and both times (of content and of attributes, in nanoseconds) are those of the reading. Without an index that can be
written every file is read again, and nothing else changes.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import xxhash

from dinobench.runtime.cache import cache_folder
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes

Digest = bytes
"""16 bytes: XXH3 of 128 bits, which tells files apart and is no proof against forgery."""

_TOO_FRESH = 2 * 10**9  # nanoseconds: a file changed so lately may change again under the same time
_AT_ONCE = 500  # keys of one question to the index
_SAVE_EVERY = 4096  # files: what a killed reading loses at most
_TABLE = "CREATE TABLE IF NOT EXISTS content (key BLOB PRIMARY KEY, stamp BLOB, digest BLOB) WITHOUT ROWID"


def digest_of(data: bytes | memoryview) -> Digest:
    """Of the bytes of one file or image."""
    return xxhash.xxh3_128_digest(data)


def stamp_of(path: Path) -> tuple[bytes, int]:
    """What the system says of a file as 16 bytes, and when it last changed, in nanoseconds.

    Raises:
        InputError: the file has gone.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; was the folder changed?") from error
    facts = struct.pack("<qqqQ", found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & (2**64 - 1))
    return xxhash.xxh3_128_digest(facts), max(found.st_mtime_ns, found.st_ctime_ns)


def is_fresh(path: Path) -> bool:
    """Whether a file changed so lately that it may change again under the same times."""
    return stamp_of(path)[1] >= time.time_ns() - _TOO_FRESH


def digest_of_files(paths: Sequence[Path]) -> str:
    """Hex digest of the names and bytes of files, in order; what is remembered is not read."""
    places = [path.absolute() for path in paths]
    stamps = [stamp_of(path) for path in places]
    found = remembered_digests([str(place) for place in places], stamps, lambda number: read_bytes(places[number]))
    whole = xxhash.xxh3_128()
    for path, digest in zip(paths, found, strict=True):
        whole.update(os.fsencode(path.name) + b"\0" + digest)
    return whole.hexdigest()


def remembered_digests(
    places: Sequence[str], stamps: Sequence[tuple[bytes, int]], read: Callable[[int], bytes], *, full: bool = False
) -> list[Digest]:
    """The digest of each place, read where its stamp is not the remembered one.

    Args:
        places: N absolute paths, or what else tells a place for good.
        stamps: of each, as `stamp_of` gives them, taken before the reading.
        read: from the number of a place to its bytes; what it cannot read it raises InputError for.
        full: read all, whatever is remembered.
    """
    keys = [xxhash.xxh3_128_digest(os.fsencode(place)) for place in places]
    with _open_index() as index:
        known = {} if full else index.find(keys)
        digests: list[Digest | None] = [
            found[1] if (found := known.get(key)) and found[0] == stamp else None
            for key, (stamp, _) in zip(keys, stamps, strict=True)
        ]
        missing = [number for number, digest in enumerate(digests) if digest is None]
        for part in range(0, len(missing), _SAVE_EVERY):
            numbers = missing[part : part + _SAVE_EVERY]
            begun = time.time_ns()
            read_now = _read_digests(numbers, read, f"content of {len(missing)} files")
            digests_now = dict(zip(numbers, read_now, strict=True))
            for number, (digest, _) in digests_now.items():
                digests[number] = digest
            index.keep(
                (keys[number], stamps[number][0], digest)
                for number, (digest, whole) in digests_now.items()
                if whole and stamps[number][1] < begun - _TOO_FRESH
            )
    return [digest for digest in digests if digest is not None]


def _read_digests(numbers: Sequence[int], read: Callable[[int], bytes], label: str) -> list[tuple[Digest, bool]]:
    """The digest of each place and whether it could be read; of one that cannot be read, a digest of the reason."""

    def digest(number: int) -> tuple[Digest, bool]:
        try:
            return digest_of(read(number)), True
        except InputError as error:
            return digest_of(f"unreadable: {error}".encode("utf-8", "surrogateescape")), False

    if len(numbers) < 64:
        return [digest(number) for number in numbers]
    with ThreadPoolExecutor(min(16, os.cpu_count() or 4), thread_name_prefix="digest") as pool:
        return list(progress(pool.map(digest, numbers), label, len(numbers)))


class _Index:
    """The remembered digests; `connection` is None where there is no place for them."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self.connection = connection

    def find(self, keys: Sequence[bytes]) -> dict[bytes, tuple[bytes, Digest]]:
        """Stamp and digest of those keys that are known."""
        if self.connection is None:
            return {}
        found: dict[bytes, tuple[bytes, Digest]] = {}
        with contextlib.suppress(sqlite3.Error):
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                question = f"SELECT key, stamp, digest FROM content WHERE key IN ({','.join('?' * len(part))})"
                found.update((key, (stamp, digest)) for key, stamp, digest in self.connection.execute(question, part))
        return {key: value for key, value in found.items() if len(value[1]) == len(digest_of(b""))}

    def keep(self, rows: Iterator[tuple[bytes, bytes, Digest]]) -> None:
        """Note rows of key, stamp and digest; what cannot be noted is read again."""
        if self.connection is not None:
            with contextlib.suppress(sqlite3.Error), self.connection:
                self.connection.executemany("INSERT OR REPLACE INTO content VALUES (?, ?, ?)", rows)


@contextlib.contextmanager
def _open_index() -> Iterator[_Index]:
    connection = _connect_index(cache_folder("digests") / "content.sqlite")
    try:
        yield _Index(connection)
    finally:
        if connection is not None:
            connection.close()


def _connect_index(path: Path) -> sqlite3.Connection | None:
    """The index at `path`; a damaged one is begun anew, and none where the cache cannot be written."""
    for _ in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=30)
            connection.execute(_TABLE)
            return connection
        except sqlite3.OperationalError:
            return None
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                path.unlink()
        except OSError:
            return None
    return None
