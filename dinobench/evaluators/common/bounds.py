"""Settings that make no sense are refused before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dinobench.runtime.errors import InputError


def check_counts(settings: Mapping[str, Any], **least: int) -> None:
    """Refuse the settings named, or items of theirs where they are lists, that are not whole numbers from `least` on.

    Raises:
        InputError: names the first of them.
    """
    for name, bound in least.items():
        value = settings[name]
        for item in value if isinstance(value, list) else [value]:
            if type(item) is not int or item < bound:
                raise InputError(f"{name} = {value!r} makes no sense; give whole numbers, at least {bound}")
