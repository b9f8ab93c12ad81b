"""numpy arrays as pickles spell them, built only after their type and their length were checked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CODE = re.compile(r"(b1|i[1248]|u[1248]|f(2|4|8|12|16)|c(8|16|24|32)|[SU][1-9]\d{0,8})", re.ASCII)
_ORDERS = frozenset("<>|=")


class PickleError(ValueError):
    """What a pickle asks for and is not given."""


class NdarrayType:
    """Stands for the name `numpy.ndarray`, which is only ever an argument."""


@dataclass(frozen=True)
class PickledType:
    """A dtype of booleans, numbers or text: its code without byte order."""

    code: str
    order: str = "|"

    def with_state(self, state: Any) -> PickledType:
        """The dtype after `__setstate__`, of which only the byte order is taken."""
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in _ORDERS or any(state[2:5]):
            raise PickleError("it holds arrays of records, and only those of numbers and text are read")
        return PickledType(self.code, state[1])

    def resolve(self) -> np.dtype[Any]:
        """Numpy's own."""
        return np.dtype(self.order.replace("|", "=") + self.code)


class UnfilledArray:
    """What `_reconstruct` makes: an array whose state comes later."""


def pickled_type(code: Any, *_flags: Any) -> PickledType:
    """`numpy.dtype(code, ...)`; objects, records, dates and raw bytes are refused."""
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise PickleError(f"it holds an array of type {code!r:.40}, and only those of numbers and text are read")
    return PickledType(code)


def unfilled_array(kind: Any, *_empty: Any) -> UnfilledArray:
    """`numpy.core.multiarray._reconstruct(ndarray, ...)`."""
    if not isinstance(kind, NdarrayType):
        raise PickleError("it holds an array of a class of its own, and only numpy's are read")
    return UnfilledArray()


def array_from_state(state: Any) -> NDArray[Any]:
    """`__setstate__((version, shape, dtype, whether in Fortran's order, bytes))`."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise PickleError("it holds an array without its state")
    _, shape, kind, fortran, data = state
    return checked_array(data, kind, shape, "F" if fortran else "C")


def array_from_buffer(data: Any, kind: Any, shape: Any, order: Any = "C") -> NDArray[Any]:
    """`numpy.core.numeric._frombuffer(data, dtype, shape, order)`."""
    return checked_array(data, kind, shape, order)


def scalar(kind: Any, data: Any) -> Any:
    """`numpy.core.multiarray.scalar(dtype, data)`."""
    return checked_array(data, kind, (), "C")[()]


def checked_array(data: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    """An array of its own memory: `data` must be as long as type and shape say."""
    if isinstance(data, str):  # Python 2's bytes
        data = data.encode("latin1")
    if not isinstance(kind, PickledType) or not isinstance(data, bytes | bytearray):
        raise PickleError("it holds an array of objects, and only those of numbers and text are read")
    if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise PickleError(f"it holds an array of shape {shape!r:.40}")
    resolved = kind.resolve()
    if math.prod(shape) * resolved.itemsize != len(data):
        raise PickleError(f"it holds {len(data)} bytes for an array {shape!r:.40} of {resolved}")
    return np.frombuffer(data, resolved).reshape(shape, order="F" if order == "F" else "C").copy(order="K")
