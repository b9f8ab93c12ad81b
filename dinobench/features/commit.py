"""What stands in a shard of the feature store, as the shard's small JSON file says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dinobench.runtime.files import write_text_atomically

_VERSION = 2
"""Of commits. Those before it may name the unreadable images of one of their columns only."""

Stamp = tuple[int, int, int]
"""Size, time of change in nanoseconds and inode of a file."""


@dataclass(frozen=True)
class Commit:
    """What stands in a shard.

    Attributes:
        digests: sha256 of each column's file.
        unreadable: one line per image that could not be decoded, by index; the same for every column.
        zero: for each column that has some, how many readable images it describes by zeros alone.
        stamps: of each column's file when it was written.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[int, str] = field(default_factory=dict)
    zero: Mapping[str, int] = field(default_factory=dict)
    stamps: Mapping[str, Stamp] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Commit:
        """The commit at `path`; an empty one where there is none that can be read."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            unreadable = {int(index): line for index, line in raw["unreadable"].items()}
            if raw.get("version") != _VERSION and len(raw["sha256"]) > 1:
                return cls()
            stamps = {column: (size, time, inode) for column, (size, time, inode) in raw.get("stamps", {}).items()}
            return cls(dict(raw["sha256"]), unreadable, dict(raw.get("zero", {})), stamps)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return cls()

    def write(self, path: Path) -> None:
        """Store it, whole or not at all.

        Raises:
            InputError: the disk is full or may not be written.
        """
        unreadable = {str(index): line for index, line in self.unreadable.items()}
        content: dict[str, Any] = {"version": _VERSION, "sha256": dict(self.digests), "unreadable": unreadable}
        content |= {"zero": dict(self.zero)} if self.zero else {}
        content |= {"stamps": dict(self.stamps)} if self.stamps else {}
        write_text_atomically(path, json.dumps(content) + "\n")

    def with_column(self, column: str, digest: str, stamp: Stamp | None, zero: int) -> Commit:
        """The same with a column that has been written."""
        before = self.without(column)
        return replace(
            before,
            digests={**before.digests, column: digest},
            stamps={**before.stamps, column: stamp} if stamp else before.stamps,
            zero={**before.zero, column: zero} if zero else before.zero,
        )

    def without(self, column: str) -> Commit:
        """The same without a column."""
        digests, zero, stamps = (_all_but(column, each) for each in (self.digests, self.zero, self.stamps))
        return Commit(digests, self.unreadable, zero, stamps)


def stamp_of_file(path: Path) -> Stamp | None:
    """What tells whether a file has been written since, without reading it; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _all_but(column: str, table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != column}
