"""Reading pickles from elsewhere without running what they may carry."""

from __future__ import annotations

import builtins
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from dinobench.runtime.errors import InputError

_BUILTINS = frozenset(
    {"bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"}
)


def read_pickle(path: Path) -> Any:
    """The object in a pickle made of Python's own types and numpy arrays, written by Python 2 or 3.

    Raises:
        InputError: no such file, a damaged pickle, or one that asks for anything else.
    """
    try:
        with path.open("rb") as stream:
            return _Unpickler(stream, encoding="latin1").load()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    except Exception as error:  # a damaged pickle raises anything from EOFError to KeyError
        raise InputError(f"cannot read {path} as a pickle of plain values: {error}; fetch it again") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Builtin containers and numbers, and what rebuilds numpy arrays; nothing else."""
        if module in ("builtins", "__builtin__") and name in _BUILTINS:
            return getattr(builtins, name)
        if module.split(".")[0] == "numpy" and name in _NUMPY:
            return _NUMPY[name]
        if (module, name) == ("_codecs", "encode"):
            return _latin1_bytes
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only Python's own types and arrays are read")


# Taken from numpy's own answers when it is pickled: the functions' modules differ between its versions.
_NUMPY: dict[str, Any] = {
    "_reconstruct": np.empty(0).__reduce__()[0],
    "_frombuffer": np.empty(0).__reduce_ex__(5)[0],
    "scalar": np.float64(0).__reduce__()[0],
    "dtype": np.dtype,
    "ndarray": np.ndarray,
}


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """How protocol 2 spells bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding}, and only latin1 is read")
    return text.encode(encoding)
