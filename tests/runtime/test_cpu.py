from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import torch
from dinobench.runtime.cpu import tune_cpu, _product_error, _WORST_ERROR
tune_cpu(); tune_cpu()
print(torch.get_float32_matmul_precision(), _product_error() <= _WORST_ERROR)
"""


@pytest.mark.parametrize(("variable", "untouched"), [("1", True), ("0", False)])
def test_products_stay_exact_and_the_variable_switches_it_off(monkeypatch, variable, untouched):
    monkeypatch.setenv("DINOBENCH_NO_TUNING", variable)
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    precision, exact = done.stdout.split()
    assert exact == "True"
    assert precision == "highest" or not untouched


def test_inexact_products_are_found_out(monkeypatch):
    import torch

    from dinobench.runtime import cpu

    before = torch.get_float32_matmul_precision()
    monkeypatch.setattr(cpu, "_product_error", lambda: 1e-3)
    cpu._use_onednn()
    assert torch.get_float32_matmul_precision() == before
