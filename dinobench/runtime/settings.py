"""Settings given as key=value on the command line, checked against their defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown


def parse_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """{"k": 20, "search": "faiss"} from ["k=20", "search=faiss"]: values as in TOML, bare words as strings.

    Raises:
        InputError: no pair, or a key that is given two values.
    """
    parsed: dict[str, Any] = {}
    for pair in pairs:
        key, value = _parse_pair(pair)
        if key in parsed and parsed[key] != value:
            raise InputError(f"{key} is given twice, as {parsed[key]!r} and as {value!r}; leave one out")
        parsed[key] = value
    return parsed


def _parse_pair(pair: str) -> tuple[str, Any]:
    key, equals, text = pair.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {pair!r} is not key=value")
    return key.strip(), parse_value(text.strip())


def parse_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def override(defaults: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`defaults` with `changes` on top.

    A scalar given for a list becomes a list of one; an integer serves as a float.

    Raises:
        InputError: a key that `defaults` lacks, or a value of another type than the default's.
    """
    merged = dict(defaults)
    for key, value in changes.items():
        if key not in defaults:
            raise unknown(f"setting of {where}", key, defaults)
        merged[key] = _like(defaults[key], value, key, where)
    return merged


def _like(default: Any, value: Any, key: str, where: str) -> Any:
    if isinstance(default, list):
        value = value if isinstance(value, list) else [value]
        _refuse_words_among_numbers(default, value, key, where)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(default) is not type(value):
        raise InputError(
            f"{key} of {where} is {value!r}, a {type(value).__name__}, where a {type(default).__name__} "
            f"such as {default!r} is expected"
        )
    return value


def _refuse_words_among_numbers(default: list[Any], value: list[Any], key: str, where: str) -> None:
    words = [item for item in value if not isinstance(item, int | float)]
    if words and default and all(isinstance(item, int | float) for item in default):
        raise InputError(f"{key} of {where} holds {words[0]!r}, where numbers such as {default!r} are expected")
