"""Parts that are found by their name: of the package, of installed packages by entry point, or of a user's own file.

The rooms are `evaluators` (a folder NAME with evaluate.py and settings.py), `data/layouts`, `data/twins` and
`models/families` (a module each). An installed package offers one under the entry point group `dinobench.ROOM`, with
dots for slashes. A user's file is run because the user named it (`--plugin FILE`, $DINOBENCH_PLUGINS); it defines
what a module of the room defines, and its name is the file's. Cards and data never name a file.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown

FILES_VARIABLE = "DINOBENCH_PLUGINS"
_PACKAGE = Path(__file__).parents[1]
# What a user's file or an entry point's module defines to belong to a room.
_SIGNS = {"evaluators": "evaluate", "data/layouts": "EXPECTED_TREE", "data/twins": "write", "models/families": "FAMILY"}
_KINDS = {
    "evaluators": "evaluator",
    "data/layouts": "layout",
    "data/twins": "twin",
    "models/families": "checkpoint family",
}


@cache
def plugin_names(room: str) -> tuple[str, ...]:
    """Names of everything in a room, in alphabetical order."""
    return tuple(sorted({*_built_in(room), *_installed_plugins(room), *_own(room)}))


def plugin(room: str, name: object, part: str = "") -> Any:
    """The module of that name in a room; of an evaluator, its module `part`.

    Args:
        room: see above.
        name: of the thing.
        part: "evaluate" or "settings"; a user's file holds both in one.

    Raises:
        InputError: no such name, with the nearest suggested; or a user's file that does not run.
    """
    if name not in plugin_names(room):
        raise unknown(_KINDS[room], str(name), plugin_names(room))
    if name in _own(room):
        return _own(room)[str(name)]
    if name in _installed_plugins(room):
        return _installed_plugins(room)[str(name)].load()
    return importlib.import_module(".".join(["dinobench", *room.split("/"), str(name), *([part] if part else [])]))


def settings_of(evaluator: object) -> type:
    """The settings type of an evaluator; importing it loads nothing heavy.

    Raises:
        InputError: no such evaluator.
    """
    kind: type = plugin("evaluators", evaluator, "settings").Settings
    return kind


def use_plugin_file(path: Path) -> None:
    """Run a user's file and offer what it defines.

    Raises:
        InputError: no such file, or it fails, or it defines nothing that a room takes.
    """
    module = run_file(path)
    if not any(hasattr(module, sign) for sign in _SIGNS.values()):
        wanted = ", ".join(f"{sign} ({_KINDS[room]})" for room, sign in _SIGNS.items())
        raise InputError(f"plug-in {path} defines none of {wanted}")
    _own_modules[path.stem] = module
    plugin_names.cache_clear()


def run_file(path: Path) -> ModuleType:
    """The module that a Python file is, run now.

    Raises:
        InputError: no such file, or it fails.
    """
    spec = importlib.util.spec_from_file_location(f"dinobench_plugin_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise InputError(f"there is no Python file at {path}; give the path of a .py file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path} failed: {type(error).__name__}: {error}") from error
    return module


_own_modules: dict[str, ModuleType] = {}


def _built_in(room: str) -> set[str]:
    folder = _PACKAGE / room
    if room == "evaluators":
        return {path.parent.name for path in folder.glob("*/evaluate.py")}
    return {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}


@cache
def _installed_plugins(room: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"dinobench.{room.replace('/', '.')}")}


def _own(room: str) -> dict[str, ModuleType]:
    _use_variable(os.environ.get(FILES_VARIABLE, ""))
    return {name: module for name, module in _own_modules.items() if hasattr(module, _SIGNS[room])}


@cache
def _use_variable(files: str) -> None:
    for file in filter(None, files.split(os.pathsep)):
        use_plugin_file(Path(file))
