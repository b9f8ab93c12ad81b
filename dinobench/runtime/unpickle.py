"""Reading pickles from elsewhere: a machine of our own that knows plain values and arrays, and calls nothing else."""

from __future__ import annotations

import codecs
import io
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dinobench.runtime import pickled_arrays as arrays
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes
from dinobench.runtime.pickled_arrays import PickleError

_DEEPEST = 50  # lists in lists; plain data have fewer than ten
_SPARE = 1 << 16
_MEMO_BEFORE_BUILD = 64  # an array is remembered before its shape, type and bytes are
_OPCODES = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
_Call = Callable[..., Any]


def read_pickle(path: Path) -> Any:
    """The object in a pickle made of Python's own types and numpy arrays, written by Python 2 or 3.

    Time and memory are bounded by the file's size.

    Raises:
        InputError: no such file, a damaged pickle, or one that asks for anything else.
    """
    data = read_bytes(path)
    try:
        return plain_value(data)
    except Exception as error:  # a damaged pickle raises anything from EOFError to KeyError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"cannot read {path} as a pickle of plain values: {reason:.200}; fetch it again") from error


def plain_value(data: bytes, libraries: frozenset[str] = frozenset()) -> Any:
    """The object in the bytes of a pickle; any exception where it is damaged or asks for more than plain values.

    Args:
        data: the whole pickle.
        libraries: top modules whose objects are read as a `StandIn` each; nothing of theirs is imported.
    """
    value = _Machine(len(data), libraries).run(data)
    largest = 16 * len(data) + _SPARE
    if _unfolded_size(value, {}, 0)[0] > largest:
        raise PickleError("it unfolds to more values than its size justifies")
    return value


@dataclass
class StandIn:
    """An object of a library, as its pickle spells it: nothing of it runs.

    Attributes:
        name: MODULE.CLASS.
        arguments: what it would be called with.
        state: what it would be given after that.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass(frozen=True)
class _LibraryName:
    """A name of a library, whose call makes a stand-in."""

    name: str


def _read_opcodes(data: bytes) -> Iterator[tuple[str, Any]]:
    """Name and argument of every operation; the arguments are read by Python's own `pickletools`."""
    stream = io.BytesIO(data)
    while code := stream.read(1):
        opcode = _OPCODES.get(code)
        if opcode is None:
            raise PickleError(f"byte {code!r} at {stream.tell() - 1} is no operation of a pickle")
        if opcode.name == "STRING":  # of Python 2: pickletools takes ASCII alone
            quoted = pickletools.read_stringnl(stream, decode=False)
            yield opcode.name, codecs.escape_decode(quoted)[0].decode("latin1")
        else:
            yield opcode.name, opcode.arg.reader(stream) if opcode.arg else None
        if opcode.name == "STOP":
            return
    raise PickleError("it ends too early")


class _Machine:
    """The stack machine that pickles are programs of."""

    def __init__(self, size: int, libraries: frozenset[str] = frozenset()) -> None:
        self.libraries = libraries
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.left = 16 * size + _SPARE  # elements and bytes that may still be copied

    def run(self, data: bytes) -> Any:
        """The value that the program leaves."""
        for name, argument in _read_opcodes(data):
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name not in _IGNORED:
                self._run_opcode(name, argument)
        if self.marked:
            raise PickleError("it ends within a list")
        return self.stack.pop()

    def _run_opcode(self, name: str, argument: Any) -> None:
        if name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
        elif (step := getattr(self, f"do_{name.lower()}", None)) is None:
            raise PickleError(f"it needs {name}, which plain values do not")
        elif name == "GLOBAL":
            step(argument)
        else:
            step()

    def _spend_budget(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise PickleError("it asks for more memory than its size justifies")

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marked.pop()
        return items

    def do_mark(self) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def do_pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._since_mark()

    def do_pop_mark(self) -> None:
        self._since_mark()

    def do_dup(self) -> None:
        self.stack.append(self.stack[-1])

    def do_empty_list(self) -> None:
        self.stack.append([])

    def do_list(self) -> None:
        items = self._since_mark()  # which changes the stack
        self.stack.append(items)

    def do_append(self) -> None:
        value = self.stack.pop()
        _require_kind(list, self.stack[-1]).append(value)

    def do_appends(self) -> None:
        values = self._since_mark()
        _require_kind(list, self.stack[-1]).extend(values)

    def do_tuple(self) -> None:
        items = self._since_mark()
        self.stack.append(tuple(items))

    def do_tuple1(self) -> None:
        self._pop_last(1)

    def do_tuple2(self) -> None:
        self._pop_last(2)

    def do_tuple3(self) -> None:
        self._pop_last(3)

    def _pop_last(self, count: int) -> None:
        if len(self.stack) < count:
            raise PickleError("it takes more values than there are")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def do_empty_dict(self) -> None:
        self.stack.append({})

    def do_dict(self) -> None:
        items = self._since_mark()
        self.stack.append(_pair_items(items))

    def do_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _require_kind(dict, self.stack[-1])[_check_key(key)] = value

    def do_setitems(self) -> None:
        items = self._since_mark()
        _require_kind(dict, self.stack[-1]).update(_pair_items(items))

    def do_empty_set(self) -> None:
        self.stack.append(set())

    def do_additems(self) -> None:
        items = self._since_mark()
        _require_kind(set, self.stack[-1]).update(map(_check_key, items))

    def do_frozenset(self) -> None:
        items = self._since_mark()
        self.stack.append(frozenset(map(_check_key, items)))

    def do_global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self.stack.append(self._find_name(module, name))

    def do_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self._find_name(_require_kind(str, module), _require_kind(str, name)))

    def _find_name(self, module: str, name: str) -> Any:
        if module.split(".")[0] not in self.libraries:
            return _find_name(module, name)
        return _LIBRARY_NAMES.get(name) or _LibraryName(f"{module}.{name}")

    def do_newobj(self) -> None:
        arguments, kind = _require_kind(tuple, self.stack.pop()), self.stack.pop()
        self.stack.append(StandIn(_require_kind(_LibraryName, kind).name, arguments))

    def do_reduce(self) -> None:
        arguments, function = _require_kind(tuple, self.stack.pop()), self.stack.pop()
        if isinstance(function, _LibraryName):
            self.stack.append(StandIn(function.name, arguments))
            return
        if not isinstance(function, _Maker):
            raise PickleError(f"it calls a {type(function).__name__}")
        self._spend_budget(sum(len(a) for a in arguments if isinstance(a, str | bytes | bytearray | list | tuple)))
        self.stack.append(function.make(*arguments))

    def do_build(self) -> None:
        state, unfinished = self.stack.pop(), self.stack[-1]
        if isinstance(unfinished, StandIn):
            unfinished.state = state
            return
        if isinstance(unfinished, arrays.UnfilledArray):
            self._spend_budget(len(state[4]) if isinstance(state, tuple) and isinstance(state[-1], str | bytes) else 0)
            finished: Any = arrays.array_from_state(state)
        elif isinstance(unfinished, arrays.PickledType):
            finished = unfinished.with_state(state)
        else:
            raise PickleError(f"it sets the state of a {type(unfinished).__name__}")
        self.stack[-1] = finished
        for number, value in islice(reversed(self.memo.items()), _MEMO_BEFORE_BUILD):
            if value is unfinished:
                self.memo[number] = finished
                break


_LITERALS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "FLOAT",
        "BINFLOAT",
    ]
)
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})


class _Maker:
    """A name in a pickle that may be called: it stands for a function of ours."""

    def __init__(self, make: _Call) -> None:
        self.make = make


def _encode_text(text: Any = "", encoding: Any = "latin1") -> bytes:
    """How protocols 0 to 2 spell bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise PickleError(f"it encodes text as {encoding!r:.40}, and only latin1 is read")
    return str(_require_kind(str, text)).encode("latin1")


def _build_bytearray(content: Any = b"", *encoding: Any) -> bytearray:
    return bytearray(_encode_text(content, *encoding) if encoding else _require_kind(bytes, content))


def _build_set(items: Any = ()) -> set[Any]:
    return set(map(_check_key, _require_kind(list, items)))


def _build_frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(_build_set(items))


def _build_complex(real: Any = 0.0, imaginary: Any = 0.0) -> complex:
    return complex(_require_kind(float, real), _require_kind(float, imaginary))


_BUILTINS: dict[str, Any] = {
    "bytes": _Maker(lambda: b""),  # called without arguments alone
    "bytearray": _Maker(_build_bytearray),
    "set": _Maker(_build_set),
    "frozenset": _Maker(_build_frozenset),
    "complex": _Maker(_build_complex),
}
_NUMPY: dict[str, Any] = {
    "_reconstruct": _Maker(arrays.unfilled_array),
    "_frombuffer": _Maker(arrays.array_from_buffer),
    "scalar": _Maker(arrays.scalar),
    "dtype": _Maker(arrays.pickled_type),
    "ndarray": arrays.NdarrayType(),
}


def _array_of_library(_make: Any, _arguments: Any, state: Any, *_rest: Any) -> Any:
    """JAX's arrays: numpy's own pickle, taken apart."""
    return arrays.array_from_state(state)


def _empty_table() -> dict[Any, Any]:
    return {}


def _named_tuple(name: Any, _fields: Any, module: Any, *_defaults: Any) -> _LibraryName:
    """A class that dill spells by its name."""
    return _LibraryName(f"{_require_kind(str, module)}.{_require_kind(str, name)}")


_LIBRARY_NAMES: dict[str, Any] = {
    "_reconstruct_array": _Maker(_array_of_library),
    "_create_array": _Maker(_array_of_library),  # of dill
    "_create_namedtuple": _Maker(_named_tuple),
    "OrderedDict": _Maker(_empty_table),
}


def _find_name(module: str, name: str) -> Any:
    """What stands for a name of builtins or numpy; the modules of numpy's functions differ between its versions."""
    if module in ("builtins", "__builtin__") and name in _BUILTINS:
        return _BUILTINS[name]
    if module.split(".")[0] == "numpy" and name in _NUMPY:
        return _NUMPY[name]
    if (module, name) == ("_codecs", "encode"):
        return _Maker(_encode_text)
    raise PickleError(f"it asks for {module}.{name}, and only Python's own types and arrays are read")


def _require_kind(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise PickleError(f"it holds a {type(value).__name__} where a {kind.__name__} is expected")
    return value


_SCALARS = (str, bytes, int, float, complex, bool, type(None), np.generic)
_KEYS = (str, bytes, int, type(None))


def _check_key(value: Any) -> Any:
    """A key of a dictionary or a member of a set: text or a whole number of 64 bits, or a flat tuple of such.

    Deeper tuples would be hashed without bound; larger numbers can be chosen to have one hash.
    """
    parts = value if type(value) is tuple else (value,)
    if all(isinstance(part, _KEYS) and not (isinstance(part, int) and abs(part) >= 1 << 63) for part in parts):
        return value
    raise PickleError(f"it uses a {type(value).__name__} as a key")


def _pair_items(items: list[Any]) -> dict[Any, Any]:
    return {_check_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}


def _parts(value: Any) -> list[Any]:
    if isinstance(value, StandIn):
        return [value.arguments, value.state]
    return [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)


def _unfolded_size(value: Any, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """How many values stand in `value`, shared ones counted wherever they stand, and how deep."""
    if isinstance(value, list | tuple | set | frozenset | dict | StandIn):
        if id(value) not in known:
            if depth > _DEEPEST:
                raise PickleError(f"it is nested more than {_DEEPEST} deep")
            parts = _parts(value)
            inner = [_unfolded_size(part, known, depth + 1) for part in parts]
            known[id(value)] = 1 + sum(size for size, _ in inner), 1 + max((deep for _, deep in inner), default=0)
        if known[id(value)][1] > _DEEPEST:
            raise PickleError(f"it is nested more than {_DEEPEST} deep")
        return known[id(value)]
    if not isinstance(value, (*_SCALARS, bytearray, np.ndarray)):
        raise PickleError(f"it holds a {type(value).__name__}, and only plain values are read")
    return 1, 0
