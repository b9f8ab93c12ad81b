"""Pictures of the report: copied from the records, small on the page and large behind it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dinobench.results.records import RunRecord
from dinobench.runtime.console import notice
from dinobench.runtime.files import atomic_path
from dinobench.runtime.names import file_below

SUFFIXES = frozenset({".png", ".gif", ".jpg"})
_SMALL = 480  # pixels of the longer side on a page


@dataclass(frozen=True)
class Picture:
    """An image of the report; paths are relative to its index.html.

    Attributes:
        caption: what it shows.
        path: of the picture in full size.
        small: of the one on the page, where it is another.
        dark: of the one for dark pages, where there is one.
    """

    caption: str
    path: str
    small: str = ""
    dark: str = ""


def copy_pictures(record: RunRecord, results: Path, output: Path) -> Iterator[Picture]:
    """Copy the pictures that a record kept below `output`; what is not a file in the folder of results is left out."""
    for file in record.files:
        if Path(file).suffix not in SUFFIXES:
            continue
        source = file_below(results, file)
        if source is None:
            notice(f"warning: {record.name} names {file!r:.80}, which is not a file below {results}; it is left out")
            continue
        target = Path("pictures") / record.name / source.name
        with atomic_path(output / target) as temporary:
            shutil.copyfile(source, temporary)
        caption = f"{record.task}@{record.protocol.name}, {record.model.name}: {source.stem}"
        yield Picture(caption, target.as_posix(), _make_small(output, target))


def _make_small(output: Path, picture: Path) -> str:
    """Path of a small copy of a large picture; "" where it is small, moves, or cannot be read."""
    from PIL import Image

    try:
        with Image.open(output / picture) as image:
            if max(image.size) <= _SMALL or getattr(image, "is_animated", False):
                return ""
            image.thumbnail((_SMALL, _SMALL))
            target = picture.with_name(f"{picture.stem}.small.png")
            with atomic_path(output / target) as temporary:
                image.save(temporary, format="png")
    except (OSError, ValueError, Image.DecompressionBombError):
        return ""
    return target.as_posix()
