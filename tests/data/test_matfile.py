"""MATLAB files: equal to scipy's reader on sound ones, one line on damaged ones, and no crash."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from dinobench.data.layouts._files import read_mat
from dinobench.data.matfile import MatError, mat_variables
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data

VARIABLES = {
    "numbers": np.arange(6.0).reshape(2, 3),
    "bytes": np.array([[7, 8, 9]], dtype=np.uint8),
    "one": np.array([[5]], dtype=np.int16),
    "none": np.zeros((0, 3)),
    "complex": np.array([1 + 2j, 3]),
    "text": "two words",
    "rows": np.array(["ab", "cd"]),
    "accents": "caf\xe9 \u4e2d",
    "cells": np.array(["a", "bcd", 3.5, np.arange(2)], dtype=object),
    "table": np.array([("x.jpg", 1), ("y.jpg", 2)], dtype=[("fname", object), ("class", object)]),
    "nested": {"a": 1, "b": {"c": [1, 2]}},
}


def _written(**options: Any) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, VARIABLES, **options)
    return stream.getvalue()


def _same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype.names != other.dtype.names:
        return False
    if one.dtype.names:
        return all(_same(one[name], other[name]) for name in one.dtype.names)
    if one.dtype == object:
        return all(map(_same, one.reshape(-1).tolist(), other.reshape(-1).tolist()))
    return bool((one == other).all())


@pytest.mark.parametrize("compressed", [False, True])
def test_variables_are_those_of_scipy(compressed: bool) -> None:
    data = _written(do_compression=compressed)
    wanted = scipy.io.loadmat(io.BytesIO(data), squeeze_me=True)
    found = mat_variables(data)
    assert set(found) == set(VARIABLES)
    assert [name for name in found if not _same(found[name], wanted[name])] == []


@pytest.mark.parametrize("folder", ["flowers-102", "stanford_cars"])
def test_the_released_files_read_as_by_scipy(folder: str) -> None:
    for path in shared_data(folder).rglob("*.mat"):
        wanted = scipy.io.loadmat(path, squeeze_me=True)
        assert all(_same(value, wanted[name]) for name, value in mat_variables(path.read_bytes()).items())


def test_damage_raises_and_never_crashes() -> None:
    """Of this kind of damage a third ends scipy's reader in a segmentation fault."""
    rng = random.Random(0)
    sound = _written()
    refused = 0
    for _ in range(2000):
        data = bytearray(sound)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.choice([0, 1, 2, 14, 127, 255, rng.randrange(256)])
        try:
            mat_variables(bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
        except (MatError, ValueError, TypeError, OverflowError):
            refused += 1
    assert refused > 1000


def test_a_variable_that_unpacks_without_bound_is_refused() -> None:
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"x": np.zeros(1 << 22)}, do_compression=True)
    with pytest.raises(MatError, match="unpacks to more bytes"):
        mat_variables(stream.getvalue())


def test_other_versions_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    scipy.io.savemat(path, {"x": np.ones(3)}, format="4")
    with pytest.raises(InputError, match="save it with version 7"):
        read_mat(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(200))
    with pytest.raises(InputError, match=r"7\.3"):
        read_mat(path)
