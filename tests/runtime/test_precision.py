"""Precision by name, and the warning where a CPU imitates it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from dinobench.runtime import precision
from dinobench.runtime.errors import InputError
from dinobench.runtime.precision import autocast, check_precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def unsaid() -> None:
    precision._warn_of_imitation.cache_clear()


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_layers_compute_in_the_named_precision(name: str, dtype: torch.dtype) -> None:
    with autocast(CPU, name):
        assert F.linear(torch.ones(2, 3), torch.ones(4, 3)).dtype == dtype


def test_fp16_is_for_those_who_allow_it() -> None:
    with autocast(CPU, "fp16", ("fp32", "fp16")):
        assert F.linear(torch.ones(2, 3), torch.ones(4, 3)).dtype == torch.float16
    with pytest.raises(InputError, match="unknown precision 'fp16'; did you mean bf16"):
        autocast(CPU, "fp16")


def test_an_unknown_precision_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="unknown precision 'int8'; known: bf16, fp32"):
        check_precision("int8")


@pytest.mark.parametrize(("native", "lines"), [(False, 1), (True, 0)])
def test_a_cpu_without_bf16_says_once_that_it_is_slow(
    native: bool, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: native)
    for _ in range(3):
        autocast(CPU, "bf16")
    assert capsys.readouterr().err.count("no bf16 arithmetic") == lines


def test_fp32_says_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: False)
    autocast(CPU, "fp32")
    assert capsys.readouterr().err == ""
