"""Settings as types: from TOML values and `--set key=value` to a frozen dataclass whose fields know their ranges.

A settings type is a frozen dataclass. Each field is declared by `setting`: its default, one line of help, its unit and
whether it can move the figure. Its range stands in its type: `Annotated[int, Meta(ge=1)]`, of which the usual ones are
here (`Count`, `Share`, ...). `resolve` is the one way from values to such a type.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

from msgspec import Meta

from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown
from dinobench.runtime.value_types import convert, describe_type, misfit, without_limits

S = TypeVar("S")
T = TypeVar("T")

Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
CountOrZero = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Pixels = Annotated[int, Meta(ge=1, le=16384)]
PixelsOrZero = Annotated[int, Meta(ge=0, le=16384)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Share = Annotated[float, Meta(ge=0, lt=1)]

_SHOWN = 60  # characters of a text that a message quotes


@dataclass(frozen=True)
class About:
    """What is known of a field beside its type and its default.

    Attributes:
        help: one line for the user.
        unit: of the value.
        moves_figure: whether another value can move the figure: it then counts as a deviation.
        departs: whether a deviation is a departure from the paper's protocol; false where the field only says where
            things lie or how to read a file.
        was: the field's former name, which is refused with the present one named, and stands in protocol hashes.
        later: whether the field came after its protocols were published, so that its default stays out of their hash.
        acts_on: the kinds of thing that the field acts on; empty for all.
        moves_batch_norm: whether the field moves the figure of networks with batch norm, and of no others.
        shared: whether the run's or the model's setting of the same name takes the value too.
        then: from a present value to the one that the field took under its former name, for protocol hashes.
    """

    help: str
    unit: str = ""
    moves_figure: bool = True
    departs: bool = True
    was: str = ""
    later: bool = False
    acts_on: tuple[str, ...] = ()
    moves_batch_norm: bool = False
    shared: bool = False
    then: Callable[[Any], Any] | None = None


def setting(
    default: T,
    help: str,  # noqa: A002  (as in click)
    *,
    unit: str = "",
    moves_figure: bool = True,
    departs: bool = True,
    was: str = "",
    later: bool = False,
    acts_on: tuple[str, ...] = (),
    moves_batch_norm: bool = False,
    shared: bool = False,
    then: Callable[[Any], Any] | None = None,
) -> T:
    """A field of a settings type with its default and what `About` holds."""
    about = About(help, unit, moves_figure, departs, was, later, acts_on, moves_batch_norm, shared, then)
    field: T = dataclasses.field(default=default, metadata={"about": about})
    return field


@dataclass(frozen=True)
class Field:
    """One field of a settings type."""

    name: str
    type: Any
    default: Any
    about: About

    @property
    def expected(self) -> str:
        """What the field takes, in words."""
        return describe_type(self.type)


def fields_of(kind: type) -> Mapping[str, Field]:
    """The fields of a settings type by name, in the order of their declaration."""
    return _fields_of(kind)  # mypy takes no type variable for hashable


@cache
def _fields_of(kind: Any) -> Mapping[str, Field]:
    hints = typing.get_type_hints(kind, include_extras=True)
    start = kind()
    return {
        each.name: Field(
            each.name, hints[each.name], getattr(start, each.name), each.metadata.get("about") or About("")
        )
        for each in dataclasses.fields(kind)
    }


def former_names(kind: type) -> dict[str, str]:
    """The present name of each field by its former one."""
    return {each.about.was: each.name for each in fields_of(kind).values() if each.about.was}


def resolve(kind: type[S], changes: Mapping[str, Any], where: str, start: S | None = None) -> S:
    """An object of `kind`: `changes` on top of `start`, by default on the type's defaults.

    A scalar given for a list becomes a list of one; a whole number serves as a number.

    Args:
        kind: the settings type.
        changes: values as TOML has them.
        where: whose settings they are, for messages, such as "knn@paper".
        start: an object to begin with.

    Raises:
        InputError: an unknown or a former name, a value of another type or out of its range, or values that exclude
            one another.
    """
    refuse_unknown(changes, [kind], f"setting of {where}")
    fields = fields_of(kind)
    values = {key: _convert_value(fields[key], value, where) for key, value in changes.items()}
    return dataclasses.replace(kind() if start is None else start, **values)  # type: ignore[type-var]


def refuse_unknown(keys: Iterable[str], kinds: Sequence[type], what: str = "setting") -> None:
    """Refuse a name that is a field of none of `kinds`; a former name is answered with the present one.

    Raises:
        InputError: names the first of them.
    """
    keys = list(keys)
    refuse_former(keys, kinds, what)
    known = {name for kind in kinds for name in fields_of(kind)}
    for key in keys:
        if key not in known:
            raise unknown(what, key, known)


def refuse_former(keys: Iterable[str], kinds: Sequence[type], what: str = "setting") -> None:
    """Refuse a name that one of `kinds` had and none of them has; says the present one.

    Raises:
        InputError: names the first of them.
    """
    known = {name for kind in kinds for name in fields_of(kind)}
    former = {old: new for kind in kinds for old, new in former_names(kind).items()}
    for key in keys:
        if key in former and key not in known:
            raise InputError(f"{what} {key!r} is now called {former[key]}; use that name")


def known_changes(kind: type, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `changes` that are fields of `kind`."""
    return {key: value for key, value in changes.items() if key in fields_of(kind)}


def plain(settings: Any) -> dict[str, Any]:
    """The values of a settings object by name, lists in place of tuples, as JSON and TOML have them."""
    return {name: _as_plain(getattr(settings, name)) for name in fields_of(type(settings))}


def differing(settings: S, start: S, *, batch_norm: bool = False) -> dict[str, Any]:
    """The values of `settings` that differ from those of `start` and can move the figure.

    Args:
        settings: as chosen.
        start: as usual.
        batch_norm: whether the figure is that of a network with batch norm, which more settings move.
    """
    usual, found = plain(start), {}
    for field in fields_of(type(settings)).values():
        value = _as_plain(getattr(settings, field.name))
        moves = field.about.moves_figure or (batch_norm and field.about.moves_batch_norm)
        if moves and value != usual[field.name]:
            found[field.name] = value
    return found


def hashed_form(settings: Any) -> dict[str, Any]:
    """What a protocol's hash is taken over: every value that can move the figure, under the names of version 1."""
    form = {}
    for field in fields_of(type(settings)).values():
        value = getattr(settings, field.name)
        if field.about.moves_figure and not (field.about.later and value == field.default):
            form[field.about.was or field.name] = _as_plain(field.about.then(value) if field.about.then else value)
    return form


def toml_text(value: Any) -> str:
    """A value as one writes it behind `--set key=`."""
    return json.dumps(_as_plain(value), ensure_ascii=False).replace("\x7f", "\\u007f")  # the one that JSON lets through


def _convert_value(field: Field, value: Any, where: str) -> Any:
    is_list = typing.get_origin(without_limits(field.type)[0]) is tuple
    if not is_list or isinstance(value, (list, tuple)):
        return convert(value, field.type, field.name, where)
    try:
        return convert([value], field.type, field.name, where)
    except InputError as error:
        raise misfit(value, field.type, field.name, where) from error


def _as_plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_as_plain(item) for item in value]
    return dict(value) if isinstance(value, (Mapping, types.MappingProxyType)) else value


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
    except RecursionError as error:
        raise InputError(f"{text[:_SHOWN]}... is nested too deep; give a flat list") from error
