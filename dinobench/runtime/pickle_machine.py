"""The stack machine that pickles are programs of: it builds plain values and arrays, and calls nothing else."""

from __future__ import annotations

import codecs
import io
import pickletools
from collections.abc import Iterator
from itertools import islice
from typing import Any

from dinobench.runtime import pickled_arrays as arrays
from dinobench.runtime.pickled_arrays import PickleError
from dinobench.runtime.pickled_names import LibraryName, Maker, StandIn, check_key, find_name, require_kind

_SPARE = 1 << 16  # values and bytes that even the smallest pickle may ask for
_MEMO_BEFORE_BUILD = 64  # an array is remembered before its shape, type and bytes are
_OPCODES = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}


def most_values(size: int) -> int:
    """How many values and bytes a pickle of `size` bytes may ask for."""
    return 16 * size + _SPARE


def _read_opcodes(data: bytes) -> Iterator[tuple[str, Any]]:
    """Name and argument of every operation; the arguments are read by Python's own `pickletools`."""
    stream = io.BytesIO(data)
    while code := stream.read(1):
        opcode = _OPCODES.get(code)
        if opcode is None:
            raise PickleError(f"byte {code!r} at {stream.tell() - 1} is not an operation of a pickle")
        if opcode.name == "STRING":  # of Python 2: pickletools takes ASCII alone
            quoted = pickletools.read_stringnl(stream, decode=False)
            yield opcode.name, codecs.escape_decode(quoted)[0].decode("latin1")
        else:
            yield opcode.name, opcode.arg.reader(stream) if opcode.arg else None
        if opcode.name == "STOP":
            return
    raise PickleError("it ends too early")


class PickleMachine:
    """The stack machine that pickles are programs of."""

    def __init__(self, size: int, libraries: frozenset[str] = frozenset()) -> None:
        self.libraries = libraries
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.left = most_values(size)  # elements and bytes that may still be copied

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
        elif (step := getattr(self, f"_do_{name.lower()}", None)) is None:
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

    def _do_mark(self) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def _do_pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._since_mark()

    def _do_pop_mark(self) -> None:
        self._since_mark()

    def _do_dup(self) -> None:
        self.stack.append(self.stack[-1])

    def _do_empty_list(self) -> None:
        self.stack.append([])

    def _do_list(self) -> None:
        items = self._since_mark()  # which changes the stack
        self.stack.append(items)

    def _do_append(self) -> None:
        value = self.stack.pop()
        require_kind(list, self.stack[-1]).append(value)

    def _do_appends(self) -> None:
        values = self._since_mark()
        require_kind(list, self.stack[-1]).extend(values)

    def _do_tuple(self) -> None:
        items = self._since_mark()
        self.stack.append(tuple(items))

    def _do_tuple1(self) -> None:
        self._pop_last(1)

    def _do_tuple2(self) -> None:
        self._pop_last(2)

    def _do_tuple3(self) -> None:
        self._pop_last(3)

    def _pop_last(self, count: int) -> None:
        if len(self.stack) < count:
            raise PickleError("it takes more values than there are")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _do_empty_dict(self) -> None:
        self.stack.append({})

    def _do_dict(self) -> None:
        items = self._since_mark()
        self.stack.append(_pair_items(items))

    def _do_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        require_kind(dict, self.stack[-1])[check_key(key)] = value

    def _do_setitems(self) -> None:
        items = self._since_mark()
        require_kind(dict, self.stack[-1]).update(_pair_items(items))

    def _do_empty_set(self) -> None:
        self.stack.append(set())

    def _do_additems(self) -> None:
        items = self._since_mark()
        require_kind(set, self.stack[-1]).update(map(check_key, items))

    def _do_frozenset(self) -> None:
        items = self._since_mark()
        self.stack.append(frozenset(map(check_key, items)))

    def _do_global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self.stack.append(find_name(module, name, self.libraries))

    def _do_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(find_name(require_kind(str, module), require_kind(str, name), self.libraries))

    def _do_newobj(self) -> None:
        arguments, kind = require_kind(tuple, self.stack.pop()), self.stack.pop()
        self.stack.append(StandIn(require_kind(LibraryName, kind).name, arguments))

    def _do_reduce(self) -> None:
        arguments, function = require_kind(tuple, self.stack.pop()), self.stack.pop()
        if isinstance(function, LibraryName):
            self.stack.append(StandIn(function.name, arguments))
            return
        if not isinstance(function, Maker):
            raise PickleError(f"it calls a {type(function).__name__}")
        self._spend_budget(sum(len(a) for a in arguments if isinstance(a, str | bytes | bytearray | list | tuple)))
        self.stack.append(function.make(*arguments))

    def _do_build(self) -> None:
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


def _pair_items(items: list[Any]) -> dict[Any, Any]:
    return {check_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}
