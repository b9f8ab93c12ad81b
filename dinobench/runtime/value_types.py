"""Values of a type: what it takes in words, and the one way from a TOML value to it."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import did_you_mean

_UNBOUNDED = 2**31 - 1  # bounds from here on are those of the machine, not of the matter
_SHOWN = 60  # characters of a value that a message quotes


def convert(value: Any, kind: Any, name: str, where: str) -> Any:
    """`value` as the type `kind` has it.

    Raises:
        InputError: another type, or out of range; says what `kind` takes.
    """
    try:
        converted = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise misfit(value, kind, name, where) from error
    items = converted if isinstance(converted, tuple) else (converted,)
    if any(isinstance(item, float) and not math.isfinite(item) for item in items):
        raise misfit(value, kind, name, where)
    return converted


def describe_type(kind: Any) -> str:
    """What values of a type are, in words: "whole number, at least 1"."""
    base, limits = without_limits(kind)
    origin, arguments = typing.get_origin(base), typing.get_args(base)
    if origin is Literal:
        return " or ".join(str(choice) or '""' for choice in arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"list of {_plural_words(describe_type(arguments[0]))}"
    if origin is not None and issubclass(origin, Mapping):
        return "table"
    if origin is tuple:
        return f"list of {len(arguments)} {_plural_words(describe_type(arguments[0]))}"
    words = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    return words.get(base, getattr(base, "__name__", str(base))) + _range_text(limits)


def _plural_words(words: str) -> str:
    for one, many in (("whole number", "whole numbers"), ("number", "numbers"), ("text", "texts")):
        if words.startswith(one):
            return many + words.removeprefix(one)
    return words


def without_limits(kind: Any) -> tuple[Any, Meta | None]:
    """A type without its range, and the range."""
    if typing.get_origin(kind) is not Annotated:
        return kind, None
    base, *rest = typing.get_args(kind)
    return base, next((each for each in rest if isinstance(each, Meta)), None)


def _range_text(limits: Meta | None) -> str:
    if limits is None:
        return ""
    if limits.description:
        return f", {limits.description}"
    bounds = (("above", limits.gt), ("at least", limits.ge), ("below", limits.lt), ("at most", limits.le))
    stated = [f"{words} {bound:g}" for words, bound in bounds if bound is not None and abs(bound) < _UNBOUNDED]
    return f", {' and '.join(stated)}" if stated else ""


def misfit(value: Any, kind: Any, name: str, where: str) -> InputError:
    """The error for a value that a type does not take."""
    base, _ = without_limits(kind)
    hint = ""
    if typing.get_origin(base) is Literal and isinstance(value, str):
        suggestion = did_you_mean(value, [str(choice) for choice in typing.get_args(base)])
        hint = f"; {suggestion}" if suggestion else ""
    return InputError(f"{name} of {where} is {_quote_value(value)}; give {_with_article(describe_type(kind))}{hint}")


def _with_article(words: str) -> str:
    return f"a {words}" if words.startswith(("whole number", "number", "list", "table")) else words


def _quote_value(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
