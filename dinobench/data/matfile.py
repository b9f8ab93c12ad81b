"""MATLAB files of version 5 to 7.2, read by their published layout; scipy's reader crashes on damaged ones.

The layout is that of "MAT-File Format", MathWorks, chapter "Level 5 MAT-Files". Every length is checked against the
bytes that are there before anything is built.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_TEXT = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_COMPLEX = 0x0800
_DEEPEST = 20
_LARGEST_RATIO = 200  # of a compressed variable; lists of names and boxes compress ten times
_SPARE = 1 << 20


class MatError(ValueError):
    """What is wrong with the bytes of a MATLAB file."""


def mat_variables(data: bytes) -> dict[str, Any]:
    """The variables by name: arrays without their unit dimensions, text as str, structures as structured arrays.

    Variables of other kinds (objects, functions, sparse matrices) are left out.

    Raises:
        MatError: no MATLAB file of version 5 to 7.2, or damaged.
    """
    if len(data) < 128 or data[126:128] not in (b"IM", b"MI"):
        raise MatError("it has no header of MATLAB's versions 5 to 7.2; save it with version 7 (save -v7)")
    order = "<" if data[126:128] == b"IM" else ">"
    if struct.unpack(f"{order}H", data[124:126])[0] == 0x0200:
        raise MatError("it is a MATLAB 7.3 file; save it with version 7 or older (save -v7)")
    variables: dict[str, Any] = {}
    for kind, body in _read_elements(data[128:], order, len(data)):
        if kind == _MATRIX and body:
            matrix = _read_head(body, order)
            if matrix.name and (matrix.kind in _CLASSES or matrix.kind in (_CELL, _STRUCT, _CHAR)):
                variables[matrix.name] = _drop_unit_axes(matrix.value(0))
    return variables


def _read_elements(data: bytes, order: str, size: int = 0) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of each element in `data`; compressed ones unpacked where a file's `size` bounds them."""
    place = 0
    while place + 8 <= len(data):
        kind, count = struct.unpack_from(f"{order}II", data, place)
        if kind >> 16:  # a small element: its bytes stand in the second half of the tag
            kind, count, start, after = kind & 0xFFFF, kind >> 16, place + 4, place + 8
            if count > 4:
                raise MatError("a small element has more than four bytes")
        else:
            start = place + 8
            after = start + count + (0 if kind == _COMPRESSED else -count % 8)
        if start + count > len(data):
            raise MatError("an element is longer than the file")
        body = data[start : start + count]
        if kind == _COMPRESSED:
            if not size:
                raise MatError("a compressed element lies within another")
            yield from _read_elements(_inflate_element(body, size), order)
        else:
            yield kind, body
        place = after


def _inflate_element(body: bytes, size: int) -> bytes:
    largest = _LARGEST_RATIO * size + _SPARE
    try:
        unpacked = zlib.decompressobj().decompress(body, largest)
    except zlib.error as error:
        raise MatError(f"a variable cannot be unpacked ({error})") from error
    if len(unpacked) == largest:
        raise MatError("a variable unpacks to more bytes than the file's size justifies")
    return unpacked


@dataclass(frozen=True)
class _Matrix:
    """A matrix whose head is read.

    Attributes:
        kind: its class, as MATLAB numbers them.
        parts: type and bytes of the elements after the name.
    """

    kind: int
    flags: int
    shape: tuple[int, ...]
    name: str
    parts: list[tuple[int, bytes]]
    order: str

    def value(self, depth: int) -> NDArray[Any]:
        """The array, with its unit dimensions; `depth` is the number of cells and structures around it."""
        if depth > _DEEPEST:
            raise MatError(f"it is nested more than {_DEEPEST} deep")
        if self.kind == _CELL:
            return self._read_objects(self.parts, depth).reshape(self.shape, order="F")
        if self.kind == _STRUCT:
            return self._read_structures(depth)
        if self.kind == _CHAR:
            return self._read_text()
        if self.kind in _CLASSES:
            return self._read_numbers()
        raise MatError(f"it holds a variable of MATLAB's class {self.kind}")

    @property
    def _value_count(self) -> int:
        return math.prod(self.shape)

    def _read_numbers(self) -> NDArray[Any]:
        values = self._numbers_of(0).astype(_CLASSES[self.kind])
        if self.flags & _COMPLEX:
            return values + 1j * self._numbers_of(1)
        return values

    def _numbers_of(self, part: int) -> NDArray[Any]:
        kind, body = self._part_at(part)
        if kind not in _NUMBERS:
            raise MatError("a matrix of numbers holds none")
        values = np.frombuffer(body, self.order + _NUMBERS[kind])
        if len(values) != self._value_count:
            raise MatError(f"a matrix of {self._value_count} numbers holds {len(values)}")
        return values.reshape(self.shape, order="F")

    def _read_text(self) -> NDArray[Any]:
        """One string for each row of characters."""
        kind, body = self._part_at(0) if self._value_count else (16, b"")
        if kind not in _TEXT or len(self.shape) != 2:
            raise MatError("a matrix of characters holds none")
        endian = {"utf-16": {"<": "-le", ">": "-be"}, "utf-32": {"<": "-le", ">": "-be"}}
        text = body.decode(_TEXT[kind] + endian.get(_TEXT[kind], {}).get(self.order, ""))
        if len(text) != self._value_count:
            raise MatError(f"a text of {self._value_count} characters holds {len(text)}")
        rows = self.shape[0] if self._value_count else 0
        return np.array(["".join(text[row::rows]) for row in range(rows)], dtype=np.str_)

    def _read_structures(self, depth: int) -> NDArray[Any]:
        (_, longest), (_, names) = self._part_at(0), self._part_at(1)
        length = struct.unpack(f"{self.order}i", longest)[0] if len(longest) == 4 else 0
        if length < 1 or len(names) % length:
            raise MatError("the names of a structure's fields are damaged")
        fields = [
            names[start : start + length].split(b"\0")[0].decode("latin1") for start in range(0, len(names), length)
        ]
        if len(set(fields)) != len(fields) or "" in fields or not fields:
            raise MatError("the names of a structure's fields are damaged")
        objects = self._read_objects(self.parts[2:], depth, len(fields)).reshape(-1, len(fields))
        table = np.empty(self._value_count, dtype=[(field, object) for field in fields])
        for position, field in enumerate(fields):
            table[field] = objects[:, position]
        return table.reshape(self.shape, order="F")

    def _read_objects(self, parts: list[tuple[int, bytes]], depth: int, each: int = 1) -> NDArray[Any]:
        """(N,) the matrices in `parts`, `each` of them for every element."""
        if len(parts) != self._value_count * each or any(kind != _MATRIX for kind, _ in parts):
            raise MatError(f"a cell or structure of {self._value_count * each} matrices holds {len(parts)}")
        objects = np.empty(len(parts), dtype=object)
        for position, (_, body) in enumerate(parts):
            objects[position] = _drop_unit_axes(_read_head(body, self.order).value(depth + 1)) if body else np.array([])
        return objects

    def _part_at(self, position: int) -> tuple[int, bytes]:
        if position >= len(self.parts):
            raise MatError("a matrix ends too early")
        return self.parts[position]


def _read_head(body: bytes, order: str) -> _Matrix:
    """The head of a matrix: class and flags, shape, name."""
    parts = list(_read_elements(body, order))
    if len(parts) < 3 or len(parts[0][1]) != 8 or len(parts[1][1]) % 4:
        raise MatError("a matrix has no flags, shape or name")
    flags = struct.unpack(f"{order}I", parts[0][1][:4])[0]
    shape = struct.unpack(f"{order}{len(parts[1][1]) // 4}i", parts[1][1])
    if not 2 <= len(shape) <= 32 or min(shape) < 0:
        raise MatError(f"a matrix has the shape {shape!r:.40}")
    return _Matrix(flags & 0xFF, flags, shape, parts[2][1].decode("latin1"), parts[3:], order)


def _drop_unit_axes(array: NDArray[Any]) -> Any:
    """Without unit dimensions: a number or text alone as Python's, a structure alone as an array of no dimension."""
    if not array.size:
        return array.reshape(0)
    squeezed = array.squeeze()
    return squeezed.item() if squeezed.ndim == 0 and squeezed.dtype.names is None else squeezed
