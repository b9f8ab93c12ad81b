"""The state of an evaluator's training on disk: written whole or not at all, resumed only by the run that wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path

NAME = "checkpoint.pth"


def save(path: Path, identity: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write `state` beside what identifies the run."""
    with atomic_path(path) as temporary:
        torch.save({"identity": dict(identity), "state": dict(state)}, temporary)


def load(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state saved by a run of the same identity, on the CPU; None where there is no file.

    Raises:
        InputError: the file is damaged or belongs to another run; says what differs.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        saved, state = dict(content["identity"]), dict(content["state"])
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise InputError(f"cannot resume from {path}: it is damaged ({type(error).__name__}); delete it") from error
    differing = [
        f"{key} was {saved.get(key)!r} and is {value!r}" for key, value in identity.items() if saved.get(key) != value
    ]
    if differing:
        what = "; ".join(differing[:3])
        raise InputError(
            f"cannot resume from {path}: {what}; use another --output, or --set resume=false to start anew"
        )
    return state
