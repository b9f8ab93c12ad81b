"""Lines of what gave out within a run, from the messages of torch, NumPy and Python."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.runtime.errors import InputError
from dinobench.runtime.hardware_failures import failure_line, is_device_failure, reason_of

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB.")
MPS = RuntimeError("MPS backend out of memory (MPS allocated: 1.20 GB). Tried to allocate 4.00 GB on private pool.")
LAUNCH = torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later")
FULL = torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported later")
CUBLAS = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)")


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (CUDA, "it asked for 2.00 GiB"),
        (MPS, "it asked for 4.00 GB"),
        (FULL, "CUDA error: out of memory"),
        (CUBLAS, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_too_little_memory_is_said_with_its_remedy(error: Exception, asked: str) -> None:
    assert failure_line(error).startswith(f"out of memory ({asked}); lower batch_size")
    assert not is_device_failure(error)


def test_what_allocators_of_this_machine_raise_is_recognized() -> None:
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(10**15)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(10**15)
    assert "it asked for 4000000000000000 bytes" in failure_line(of_torch.value)
    assert "it asked for 7.11 PiB" in failure_line(of_numpy.value)


def test_a_device_that_gave_out_is_told_from_an_error_of_the_program() -> None:
    assert is_device_failure(LAUNCH)
    assert reason_of(LAUNCH).startswith("the device failed (CUDA error: unspecified launch failure); ")
    assert not failure_line(RuntimeError("shapes differ"))
    assert reason_of(RuntimeError("shapes\n differ")) == "RuntimeError: shapes differ"
    assert reason_of(InputError("no such file")) == "no such file"
