"""Names of networks, known without loading torch, timm or torchvision: importing them takes seconds."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_LIBRARIES = ("torchvision", "timm")
_REGISTERED = re.compile(r"^@register_model\b.*\n(?:[@) ].*\n)*?def (\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class ViTSize:
    """The part of a vision transformer that its letter stands for."""

    dim: int
    depth: int
    heads: int


VIT_SIZES = {
    "mini": ViTSize(96, 4, 3),
    "tiny": ViTSize(192, 12, 3),
    "small": ViTSize(384, 12, 6),
    "base": ViTSize(768, 12, 12),
    "large": ViTSize(1024, 24, 16),
    "huge": ViTSize(1280, 32, 16),
}
LETTERS = {"ti": "tiny", "t": "tiny", "s": "small", "b": "base", "l": "large", "h": "huge"}
VIT_NAME = re.compile(
    r"(?:vit|deit)[-_]?(?P<size>mini|tiny|small|base|large|huge|ti|t|s|b|l|h)(?:_reg(?P<registers>\d))?"
    r"[-_/]?(?:patch)?(?P<patch>\d+)(?:[-_]\d+)?",
    re.IGNORECASE,
)


def canonical_architecture(name: str) -> str:
    """One spelling per architecture: "ViT-S/16", "vits16" and "vit_small_patch16_224" are "vit_small/16".

    One with four registers is "vit_small_reg4/16".
    """
    match = VIT_NAME.fullmatch(name)
    if match is None:
        return name.lower()
    size = match["size"].lower()
    registers = f"_reg{match['registers']}" if match["registers"] else ""
    return f"vit_{LETTERS.get(size, size)}{registers}/{match['patch']}"


def native_size(architecture: str) -> int:
    """Side in pixels that an architecture is built for when nobody says: 32 for the mini ViT, else 224."""
    return 32 if canonical_architecture(architecture).startswith("vit_mini/") else 224


def suggestion(name: str, libraries: Iterable[str] = _LIBRARIES) -> str:
    """A hint at the names that could have been meant: of these libraries, and ours where none is named alone."""
    among = tuple(libraries)
    ours = [f"vit_{size}/{patch}" for size in VIT_SIZES for patch in (4, 8, 16)] if among == _LIBRARIES else []
    known = {*ours, *(each for library in among for each in _registered_names(library))}
    close = difflib.get_close_matches(name, sorted(known), n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    if among == _LIBRARIES:
        return "use vit_SIZE/PATCH (mini, tiny, small, base, large) or a torchvision or timm name"
    return f"use a name of {' or '.join(among)}"


def may_exist(name: str, libraries: Iterable[str] = _LIBRARIES) -> bool:
    """Whether one of these libraries could have a network of this name; False is certain.

    A library that is loaded already is asked later, by itself: a program may have registered networks of its own.
    """
    word = re.compile(rf"\b{re.escape(name.partition('.')[0].lower())}\b")
    return any(library in sys.modules or any(map(word.search, _sources(library))) for library in libraries)


def _registered_names(library: str) -> list[str]:
    return [name for text in _sources(library) for name in _REGISTERED.findall(text)]


@cache
def _sources(library: str) -> tuple[str, ...]:
    """The text of a library's files of networks."""
    found = find_spec(library)
    if found is None or found.origin is None:
        return ()
    files = sorted((Path(found.origin).parent / "models").glob("*.py"))
    return tuple(file.read_text(encoding="utf-8") for file in files)
