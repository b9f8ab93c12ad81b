"""What a model SPEC names on this disk, known without loading torch."""

from __future__ import annotations

from pathlib import Path

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path

CHECKPOINTS = {"last": "checkpoint.pth", "best": "best.pth"}
SCHEMES = ("timm", "torchvision", "hf", "random", "pixels")
"""Words before the colon of a SPEC that is no path; each has a loader in `libraries.SOURCES`."""


def is_path(spec: str) -> bool:
    """Whether a model SPEC is the path of a file or run directory, and not a library's name or a baseline."""
    scheme, _, name = spec.partition(":")
    return not (scheme in SCHEMES and (name or spec == "pixels"))


def checkpoint_path(spec: str, which: str = "last") -> Path:
    """The file behind a path: itself, or the last or best checkpoint of a run directory.

    Raises:
        InputError: there is none.
    """
    path = user_path(spec)
    if path.is_file():
        return path
    if which not in CHECKPOINTS:
        raise InputError(f"which={which} is neither last nor best")
    if not path.is_dir():
        raise InputError(f"no model {spec!r}: no such file, run directory, card or timm:/torchvision:/hf:/random: name")
    inside = path / CHECKPOINTS[which]
    if not inside.is_file():
        raise InputError(f"{path} holds no {inside.name}; is it a run directory?")
    return inside
