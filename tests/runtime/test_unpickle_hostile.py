"""Pickles made to corrupt memory, to take it all, or never to end: each is one line, quickly."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from dinobench.runtime.errors import InputError
from dinobench.runtime.unpickle import read_pickle

POINTER = struct.pack("<Q", 0x414141414140)


def _name(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _bytes(data: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(data)) + data


NDARRAY, DTYPE = _name("numpy", "ndarray"), _name("numpy", "dtype")
OBJECT = DTYPE + _text("O") + b"\x85R"
# dtype('V8') whose state says that it has a field "a" of objects
FIELDS = b"}" + _text("a") + OBJECT + b"K\x00\x86s"
DISGUISED = (
    DTYPE + _text("V8") + b"\x85R(" + b"K\x03" + _text("|") + b"N(" + _text("a") + b"t" + FIELDS + b"K\x08K\x01K\x1btb"
)
ONE = b"K\x01\x85"
RECONSTRUCT = _name("numpy.core.multiarray", "_reconstruct") + b"(" + NDARRAY + b"K\x00\x85" + _bytes(b"b") + b"tR"
EIGHT = DTYPE + _text("i8") + b"\x85R"
CORRUPTING = {
    "ndarray": NDARRAY + b"(" + ONE + OBJECT + _bytes(POINTER) + b"tR",
    "ndarray of a field": NDARRAY + b"(" + ONE + DISGUISED + _bytes(POINTER) + b"tR",
    "before its buffer": NDARRAY + b"(" + ONE + EIGHT + _bytes(POINTER) + b"J" + struct.pack("<i", -4096) + b"tR",
    "_frombuffer": _name("numpy.core.numeric", "_frombuffer")
    + b"("
    + _bytes(POINTER)
    + DISGUISED
    + ONE
    + _text("C")
    + b"tR",
    "scalar": _name("numpy.core.multiarray", "scalar") + b"(" + DISGUISED + _bytes(POINTER) + b"tR",
    "_reconstruct": RECONSTRUCT + b"(K\x01" + ONE + DISGUISED + b"\x89" + _bytes(POINTER) + b"tb",
    "objects in a list": RECONSTRUCT + b"(K\x01" + ONE + OBJECT + b"\x89]K\x07atb",
    "too long": RECONSTRUCT + b"(K\x01" + b"K\x09\x85" + EIGHT + b"\x89" + _bytes(POINTER) + b"tb",
    "no memory": RECONSTRUCT + b"(K\x01" + b"J\x00\x00\x00\x7f\x85" + EIGHT + b"\x89" + _bytes(b"") + b"tb",
    "array of zero bytes": RECONSTRUCT
    + b"(K\x01J\x00\x00\x00\x7f\x85"
    + DTYPE
    + _text("S0")
    + b"\x85R\x89"
    + _bytes(b"")
    + b"tb",
}


@pytest.mark.parametrize("kind", CORRUPTING)
def test_arrays_over_foreign_bytes_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(b"\x80\x03" + CORRUPTING[kind] + b".")
    with pytest.raises(InputError, match=r"evil\.pkl"):
        read_pickle(path)


def _laughs() -> bytes:
    """Lists of ten references to the list before, forty times."""
    program = b"\x80\x02]q\x00"
    for level in range(40):
        program += b"](" + b"h" + bytes([level]) + (b"h" + bytes([level])) * 9 + b"eq" + bytes([level + 1])
    return program + b"."


BOMBS = {
    "list of bytes": b"\x80\x02"
    + _name("builtins", "list")
    + _name("builtins", "bytes")
    + b"J\x00\x00\x00\x40\x85R\x85R.",
    "bytes": b"\x80\x02" + _name("builtins", "bytes") + b"J\x00\x00\x00\x40\x85R.",
    "bytearray": b"\x80\x02" + _name("builtins", "bytearray") + b"\x8a\x05\x00\x00\x00\x00\x02\x85R.",
    "length of bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b".",
    "copies": b"\x80\x03"
    + _bytes(bytes(1 << 16))
    + b"q\x000"
    + b"]("
    + (_name("builtins", "bytearray") + b"h\x00\x85R") * 5000
    + b"e.",
    "laughs": _laughs(),
    "deep lists": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "deep key": b"\x80\x02}" + b")" + b"\x85" * 500_000 + b"Ns.",
    "itself": b"\x80\x02]q\x00h\x00a.",
    "keys of one hash": b"\x80\x02}("
    + b"".join(pickle.dumps(i * (2**61 - 1), 2)[2:-1] + b"N" for i in range(99))
    + b"u.",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_memory_and_time_are_bounded_by_the_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bomb.pkl"
    path.write_bytes(BOMBS[kind])
    with pytest.raises(InputError, match=r"bomb\.pkl"):
        read_pickle(path)


def test_a_far_place_in_the_memo_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "memo.pkl"
    path.write_bytes(b"K\x01r\xff\xff\xff\x1f.")
    assert read_pickle(path) == 1


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("code", ["?", "<i2", ">u8", "<f2", ">f8", "<c8", "S3", "<U4", ">U2"])
def test_arrays_of_every_plain_type_come_back(tmp_path: Path, protocol: int, code: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(code)
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps([array, array.T, array, array[0, 1], np.asfortranarray(array)], protocol))
    found = read_pickle(path)
    for got, wanted in zip(found, [array, array.T, array, array[0, 1], array], strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == wanted.dtype
    assert found[0] is found[2] and found[0].flags.writeable


def test_bytes_and_arrays_of_python_2_are_read(tmp_path: Path) -> None:
    state = "(I1\n(I2\ntp3\ncnumpy\ndtype\np4\n(S'i2'\np5\nI0\nI1\ntp6\nRp7\n(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
    path = tmp_path / "old.pkl"
    start = "(lp0\nS'a\\xe9'\np1\nacnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\n(I0\nt"
    path.write_bytes((start + "S'b'\ntR" + state + "S'\\x01\\x00\\xff\\x00'\ntba.").encode())
    text, array = read_pickle(path)
    assert text == "a\xe9" and array.tolist() == [1, 255] and array.dtype == np.int16
