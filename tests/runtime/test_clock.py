from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from dinobench.runtime.clock import Clock, peak_memory_bytes, resident_bytes

MIB = 2**20


def test_phases_add_up():
    clock = Clock()
    for _ in range(2):
        with clock.phase("search"):
            pass
    first = clock.seconds["search"]
    with pytest.raises(KeyError), clock.phase("search"):
        raise KeyError
    assert list(clock.seconds) == ["search"]
    assert clock.seconds["search"] > first > 0


def test_the_peak_stays_after_memory_is_given_back():
    before = peak_memory_bytes()
    table = np.ones(before + 200 * MIB, np.uint8)
    assert table[-1] == 1
    del table
    assert peak_memory_bytes() >= before + 200 * MIB


@pytest.mark.skipif(resident_bytes() is None, reason="needs /proc/self/status")
def test_a_child_does_not_inherit_its_parents_peak():
    parent = np.ones(600 * MIB, np.uint8)
    code = "from dinobench.runtime.clock import peak_memory_bytes; print(peak_memory_bytes())"
    child = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert child < len(parent) < peak_memory_bytes()
    assert resident_bytes("RssAnon") + resident_bytes("RssFile") <= resident_bytes("VmHWM")


def test_no_such_figure():
    assert resident_bytes("VmNothing") is None
