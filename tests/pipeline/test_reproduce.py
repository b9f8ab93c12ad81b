"""Jobs of a table, run one model after the other."""

from __future__ import annotations

import pytest

from dinobench.pipeline import reproduce
from dinobench.pipeline.matrix import MatrixJob
from dinobench.pipeline.reproduce import TablePlan, TableRequest, run_jobs
from dinobench.runtime.errors import InputError


def test_a_model_that_fails_is_told_at_once_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def run(plan: TablePlan, model: str, jobs: object, show: object) -> list[object]:
        told.append(f"{model} runs")
        if model == "first":
            raise InputError("its weights are damaged")
        return []

    monkeypatch.setattr(reproduce, "_run_here", run)
    jobs = [MatrixJob(model, "knn", "paper", "to run") for model in ("first", "second")]
    failed = run_jobs(TablePlan(TableRequest("2"), [], jobs, {}, {}), ["cpu"], told.append, print)
    assert told == ["first runs", "first failed: its weights are damaged", "second runs"]
    assert failed == {"first knn@paper": "its weights are damaged"}
