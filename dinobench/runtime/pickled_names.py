"""The names that a pickle may ask for, and what of ours stands for each: nothing else is found, nothing imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dinobench.runtime import pickled_arrays as arrays
from dinobench.runtime.pickled_arrays import PickleError


@dataclass(eq=False)
class StandIn:
    """An object of a library, as its pickle spells it: nothing of it runs. As a key it is equal to itself alone.

    Attributes:
        name: MODULE.CLASS.
        arguments: what it would be called with.
        state: what it would be given after that.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass(frozen=True)
class LibraryName:
    """A name of a library, whose call makes a stand-in."""

    name: str


class Maker:
    """A name in a pickle that may be called: it stands for a function of ours."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


def _encode_text(text: Any = "", encoding: Any = "latin1") -> bytes:
    """How protocols 0 to 2 spell bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise PickleError(f"it encodes text as {encoding!r:.40}, and only latin1 is read")
    return str(require_kind(str, text)).encode("latin1")


def _build_bytearray(content: Any = b"", *encoding: Any) -> bytearray:
    return bytearray(_encode_text(content, *encoding) if encoding else require_kind(bytes, content))


def _build_set(items: Any = ()) -> set[Any]:
    return set(map(check_key, require_kind(list, items)))


def _build_frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(_build_set(items))


def _build_complex(real: Any = 0.0, imaginary: Any = 0.0) -> complex:
    return complex(require_kind(float, real), require_kind(float, imaginary))


_BUILTINS: dict[str, Any] = {
    "bytes": Maker(lambda: b""),  # called without arguments alone
    "bytearray": Maker(_build_bytearray),
    "set": Maker(_build_set),
    "frozenset": Maker(_build_frozenset),
    "complex": Maker(_build_complex),
}
_NUMPY: dict[str, Any] = {
    "_reconstruct": Maker(arrays.unfilled_array),
    "_frombuffer": Maker(arrays.array_from_buffer),
    "scalar": Maker(arrays.scalar),
    "dtype": Maker(arrays.pickled_type),
    "ndarray": arrays.NdarrayType(),
}


def _array_of_library(_make: Any, _arguments: Any, state: Any, *_rest: Any) -> Any:
    """JAX's arrays: numpy's own pickle, taken apart."""
    return arrays.array_from_state(state)


def _empty_table() -> dict[Any, Any]:
    return {}


def _named_tuple(name: Any, _fields: Any, module: Any, *_defaults: Any) -> LibraryName:
    """A class that dill spells by its name."""
    return LibraryName(f"{require_kind(str, module)}.{require_kind(str, name)}")


_LIBRARY_NAMES: dict[str, Any] = {
    "_reconstruct_array": Maker(_array_of_library),
    "_create_array": Maker(_array_of_library),  # of dill
    "_create_namedtuple": Maker(_named_tuple),
    "OrderedDict": Maker(_empty_table),
}


def find_name(module: str, name: str, libraries: frozenset[str]) -> Any:
    """What stands for MODULE.NAME: of `libraries` every name has a stand-in, of builtins and numpy a few."""
    if module.split(".")[0] not in libraries:
        return _find_name(module, name)
    return _LIBRARY_NAMES.get(name) or LibraryName(f"{module}.{name}")


def _find_name(module: str, name: str) -> Any:
    """What stands for a name of builtins or numpy; the modules of numpy's functions differ between its versions."""
    if module in ("builtins", "__builtin__") and name in _BUILTINS:
        return _BUILTINS[name]
    if module.split(".")[0] == "numpy" and name in _NUMPY:
        return _NUMPY[name]
    if (module, name) == ("_codecs", "encode"):
        return Maker(_encode_text)
    asked = repr(f"{module}.{name}")[1:-1]  # in one line, whatever characters it has
    raise PickleError(f"it asks for {asked:.100}, and only Python's own types and arrays are read")


def require_kind(kind: type, value: Any) -> Any:
    """`value`, if its type is `kind` itself; PickleError where it is not."""
    if type(value) is not kind:
        raise PickleError(f"it holds a {type(value).__name__} where a {kind.__name__} is expected")
    return value


_KEYS = (str, bytes, int, type(None))


def check_key(value: Any) -> Any:
    """A key of a dictionary or a member of a set: text, a whole number of 64 bits, a flat tuple of such, or a stand-in.

    Deeper tuples would be hashed without bound; larger numbers can be chosen to have one hash.
    """
    parts = value if type(value) is tuple else (value,)
    if type(value) is StandIn or all(
        isinstance(part, _KEYS) and not (isinstance(part, int) and abs(part) >= 1 << 63) for part in parts
    ):
        return value
    raise PickleError(f"it uses a {type(value).__name__} as a key")
