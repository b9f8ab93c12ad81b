"""Parts of the package that are found by their name: a folder NAME of a room that holds the file asked for."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

from dinobench.runtime.suggest import unknown

_PACKAGE = Path(__file__).parents[1]


@cache
def plugin_names(room: str, part: str) -> tuple[str, ...]:
    """Names of the folders of dinobench/ROOM that hold PART.py, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in (_PACKAGE / room).glob(f"*/{part}.py")))


def plugin(room: str, name: object, part: str) -> ModuleType:
    """The module dinobench.ROOM.NAME.PART.

    Raises:
        InputError: no such folder; suggests the nearest.
    """
    names = plugin_names(room, part)
    if name not in names:
        raise unknown(room.removesuffix("s"), str(name), names)
    return importlib.import_module(f"dinobench.{room}.{name}.{part}")


def settings_of(evaluator: object) -> type:
    """The settings type of an evaluator; importing it loads nothing heavy.

    Raises:
        InputError: no such evaluator.
    """
    kind: type = plugin("evaluators", evaluator, "settings").Settings
    return kind
