"""Each part of `make gpu` runs on a GPU that is pretended; the page and its continuation are made on the CPU."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.pretend_gpu import pretend_gpu

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PARTS = ["training step, batch 2", "extraction", "k-NN among 300 rows", "linear probe", "fine-tuning step, batch 2"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is no need to pretend")
@pytest.mark.parametrize("table", PARTS)
def test_a_part_runs_on_the_pretended_gpu(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    gpu = importlib.import_module("gpu")
    monkeypatch.setattr(gpu, "REPEATS", 1)
    sides = gpu.all_parts(gpu.SIZES["tiny"], with_released=False)[table]
    with pretend_gpu():
        measured = sides["ours" if "ours" in sides else "13 heads"](gpu.Setup(torch.device("cuda"), gpu.SIZES["tiny"]))
    assert measured.rate > 0
    assert measured.unit


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--device", "cpu", "--sizes", "tiny"]
    command += ["--output", str(tmp_path), "linear"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    page = Path(first.stdout.splitlines()[-1])
    (kept,) = tmp_path.glob(".*.json")
    found = json.loads(kept.read_text())
    whole = found["linear probe"]["13 heads"]
    found["linear probe"] = {"1 head": {"rate": 2 * whole["rate"], "unit": "rows/s"}}
    kept.write_text(json.dumps(found))
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 head" not in second.stdout, "what was measured is not measured again"
    assert "| 1 head | " in page.read_text()
    assert "13 heads" in second.stdout
