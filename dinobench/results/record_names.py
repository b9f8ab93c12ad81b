"""Names of runs: what tells one run from another, as the name of its files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_LONGEST_NAME = 200  # bytes; file systems take 255, and files of the run are named after it


def run_name(
    task: str, protocol: str, model: str, sha256: str, data: str, deviations: Mapping[str, Any] | None = None
) -> str:
    """What tells one run from another, as a file name; a name too long for file systems ends in its digest.

    Args:
        task: its name.
        protocol: its name.
        model: its short name.
        sha256: of the model's tensors.
        data: what tells the data.
        deviations: settings that may move the figure and are not the defaults: without any, nothing is added.
    """
    changed = f"set-{short_digest(json.dumps(deviations, sort_keys=True, default=str))}" if deviations else ""
    parts = (f"{task}@{protocol}", model, sha256[:8], data, changed)
    name = "--".join(re.sub(r"[^\w.@+-]+", "-", part).strip("-") for part in parts if part)
    stored = name.encode("utf-8", "surrogateescape")
    if len(stored) <= _LONGEST_NAME:
        return name
    return f"{stored[: _LONGEST_NAME - 10].decode('utf-8', 'ignore')}--{short_digest(name)}"


def short_digest(text: str) -> str:
    """The first 8 digits of the sha256 of `text`."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
