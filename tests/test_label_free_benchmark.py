"""The taus of benchmarks/label_free.py: their sign, what they leave out, and the runs that their intervals draw."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "label_free.py"))
RUNS = ("table7-row1", "table7-row3", "table7-row2")


def _rows() -> list[dict[str, Any]]:
    """Three runs of two snapshots; all measures agree with the accuracy, and a collapsed run has no LiDAR."""
    return [
        {
            "run": run,
            "snapshot": f"checkpoint000{number}",
            "knn": str(10 * place + number),
            "rankme": str(10 * place + number),
            "lidar": "" if run == "table7-row2" else str(10 * place + number),
            "alpha": str(1 + (-1) ** number / (10 * place + number)),
            "uniformity": str(-10 * place - number),
            "alignment": str(1 / (10 * place + number)),
        }
        for place, run in enumerate(RUNS, 1)
        for number in (1, 2)
    ]


@pytest.mark.parametrize("measure", SCRIPT["BETTER"])
def test_a_measure_that_agrees_with_the_accuracy_has_tau_1(measure: str) -> None:
    assert SCRIPT["tau_of"](_rows(), measure) == pytest.approx(1)
    worse = [{**row, "knn": str(-float(row["knn"]))} for row in _rows()]
    assert SCRIPT["tau_of"](worse, measure) == pytest.approx(-1)
    assert SCRIPT["tau_and_interval"](_rows(), measure) == "+1.00 (+1.00 to +1.00)"


def test_a_measure_that_no_snapshot_has_gives_no_tau() -> None:
    assert np.isnan(SCRIPT["tau_of"]([{**row, "lidar": ""} for row in _rows()], "lidar"))


def test_the_table_leaves_collapsed_runs_out_of_a_column() -> None:
    heading, _, *lines = SCRIPT["table"](_rows()).splitlines()
    assert heading == "| measure | all (6) | without collapsed (4) | last of each run (3) |"
    assert [line.split(" | ")[0].strip("| ") for line in lines] == list(SCRIPT["BETTER"])
