"""Processes of a stand-in for srun, and a machine that lacks what the others have: all end by one line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main
from tests.group import group_variables, in_launched

EVAL = ("eval", "--task", "knn-flowers", "--model", "random:vit_mini/8")
TRAIN = ("train", "--recipe", "mini")


def _slurm(tasks: int) -> list[dict[str, str]]:
    """What srun says to each task; every one sees one GPU only, if any."""
    shared = {"SLURM_NTASKS": str(tasks), "SLURM_STEP_NUM_TASKS": str(tasks), "CUDA_VISIBLE_DEVICES": "0"}
    return [{**shared, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(tasks)]


def _exported() -> list[dict[str, str]]:
    """Two tasks of srun told where they meet: RANK=$SLURM_PROCID, LOCAL_RANK=$SLURM_LOCALID and so on."""
    pairs = zip(_slurm(2), group_variables(2), strict=True)
    return [{**slurm, **group, "LOCAL_RANK": slurm["SLURM_LOCALID"]} for slurm, group in pairs]


def _run(rank: int, lines: Sequence[Sequence[str]]) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(lines[rank]))
    return done.exit_code, done.output.strip()


@pytest.mark.parametrize("command", [(*EVAL, "--data", "mini"), TRAIN, (*TRAIN, "--dry-run"), ("watch", ".")])
def test_srun_alone_is_one_line_in_each_process(
    command: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for code, said in in_launched(_run, _slurm(2), [command, command]):
        assert code == 2
        assert said.startswith("Error: srun started 2 processes that cannot find each other; start one a node and")
    assert not list(tmp_path.iterdir())


def test_srun_with_a_meeting_place_is_one_group(tmp_path: Path) -> None:
    """As the line above says."""
    command = (*EVAL, "--data", "mini", "--output", str(tmp_path))
    found = in_launched(_run, _exported(), [command, command])
    assert [code for code, _ in found] == [0, 0]
    (record,) = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    assert record["processes"] == 2


@pytest.mark.parametrize(
    ("command", "there", "missing"),
    [
        ((*EVAL, "--data"), "mini", "no/such/data"),
        (("eval", "--task", "knn-flowers", "--data", "mini", "--model"), "random:vit_mini/8", "no/such/model.pth"),
        ((*TRAIN, "--data"), "mini", "no/such/data"),
        ((*TRAIN, "--device"), "cpu", "xpu"),
        (("watch",), ".", "no/such/run"),
    ],
)
def test_what_one_machine_lacks_is_told_by_all(
    command: Sequence[str], there: str, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for lacking in (0, 1):
        lines = [(*command, missing if rank == lacking else there) for rank in range(2)]
        found = in_launched(_run, _exported(), lines)
        assert [code for code, _ in found] == [2, 2]
        (_, own), (_, others) = found[lacking], found[1 - lacking]
        assert own.startswith("Error: ")
        assert missing in own
        assert others == f"Error: process {lacking}: {own.removeprefix('Error: ')}"
    assert not list(tmp_path.rglob("*.json"))


def test_what_another_process_failed_by_is_one_line(tmp_path: Path) -> None:
    """Without its traceback, which the process that failed prints."""
    command = (*EVAL, "--data", "mini", "--output", str(tmp_path))
    failed, sound = in_launched(_unforeseen, group_variables(2), [command, command])
    assert failed == "ArithmeticError()"
    assert sound == (1, "Error: process 0 failed: ArithmeticError")


def _unforeseen(rank: int, lines: Sequence[Sequence[str]]) -> Any:
    """The first process meets an error that nobody foresaw."""
    from dinobench.pipeline import run

    def fail(*_: Any) -> Any:
        raise ArithmeticError

    if rank == 0:
        run.resolve_model = fail
    done = CliRunner().invoke(main, list(lines[rank]))
    return repr(done.exception) if rank == 0 else (done.exit_code, done.output.strip())
