"""From the tables of a card's file to frozen dataclasses: every name known, every value of its type."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown
from dinobench.runtime.value_types import convert

Card = TypeVar("Card")


def build(kind: type[Card], values: dict[str, Any], path: Path) -> Card:
    """A card from its values.

    Raises:
        InputError: a field that there is not, one that lacks, or a value of another type; names the file.
    """
    fields = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise InputError(f"card {path}: {unknown(f'field of a {kind.__name__}', key, fields)}")
    missing = [key for key in _required_fields(fields.values()) if values.get(key) is None]
    if missing:
        raise InputError(f"card {path}: a {kind.__name__} needs {', '.join(missing)}")
    hints = _types_of(cast(Any, kind))  # mypy takes no type variable for hashable
    return kind(**{key: convert(value, hints[key], key, f"card {path}") for key, value in values.items()})


@cache
def _types_of(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _required_fields(fields: Iterable[dataclasses.Field[Any]]) -> list[str]:
    absent = dataclasses.MISSING
    return [item.name for item in fields if item.default is absent and item.default_factory is absent]


def table_in(raw: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    """The table under `key`, empty where there is none; InputError where it is something else."""
    found = raw.get(key, {})
    if not isinstance(found, dict):
        raise InputError(f"card {path}: {key} is {found!r:.60}; give a table")
    return found


def tables_in(raw: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    """The array of tables under `key`, empty where there is none; InputError where it is something else."""
    found = raw.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InputError(f"card {path}: {key} is {found!r:.60}; give tables, each under [[{key}]]")
    return found
