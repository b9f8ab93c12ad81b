"""Published figures as they were printed."""

from __future__ import annotations

import csv
from pathlib import Path

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import refuse_pipe


def read_published(path: Path) -> list[dict[str, str]]:
    """Rows of a published CSV as dicts of text.

    Raises:
        InputError: the file cannot be read.
    """
    refuse_pipe(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return [{name: value or "" for name, value in row.items() if name} for row in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the published figures in {path}: {error}") from error
