"""Libraries that only some need: which extra of the package brings one that is missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from dinobench.runtime.errors import InputError


def require_library(name: str, what: str, extra: str) -> ModuleType:
    """The library called `name`, imported.

    Args:
        name: as it is imported.
        what: needs it, as the message's first words.
        extra: of dinobench that installs it.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{what} needs {name}, which is not installed; pip install 'dinobench[{extra}]'") from error
