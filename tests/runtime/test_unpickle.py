"""Pickles from elsewhere: plain values pass, anything that could run code does not."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from dinobench.runtime.errors import InputError
from dinobench.runtime.unpickle import read_pickle


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back(tmp_path: Path, protocol: int) -> None:
    content = {
        "a": [1, 2.5, "text", b"bytes", None, True, {3}, 1j],
        "array": np.arange(6).reshape(2, 3),
        "n": np.int64(7),
    }
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    found = read_pickle(path)
    np.testing.assert_array_equal(found.pop("array"), content.pop("array"))
    assert found == content


def test_arrays_pickled_by_older_numpy_are_read(tmp_path: Path) -> None:
    pickled = pickle.dumps(np.arange(3), protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path = tmp_path / "old.pkl"
    path.write_bytes(pickled)
    assert read_pickle(path).tolist() == [0, 1, 2]


@pytest.mark.parametrize("wanted", [os.system, eval, getattr, Path, np.load])
def test_anything_else_is_refused(tmp_path: Path, wanted: object) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps([wanted]))
    with pytest.raises(InputError, match="it asks for"):
        read_pickle(path)


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps(list(range(100)))[:50]])
def test_damage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.pkl"):
        read_pickle(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pkl"):
        read_pickle(tmp_path / "none.pkl")
