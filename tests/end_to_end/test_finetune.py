"""Table 6 by the command line: all seven tasks on their twins, a killed run that goes on, two processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

SHORT = ("--set", "epochs=2", "--set", "warmup_epochs=0", "--set", "workers=1")
SCRIPT = str(Path(sys.executable).with_name("dinobench"))
COMMAND = (SCRIPT, "eval", "--model", "random:vit_mini/4", "--protocol", "quick")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def _command(output: Path, task: str, *extra: str) -> list[str]:
    return [*COMMAND, "--task", task, "--data", "mini", "--output", str(output), *extra]


def _records(output: Path) -> dict[str, dict[str, Any]]:
    records = [json.loads(path.read_text()) for path in output.glob("*.json")]
    return {record["task"]: record for record in records}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)


@pytest.mark.slow
def test_table_6_runs_whole_on_the_twins(tmp_path: Path) -> None:
    done = _run(_command(tmp_path, "table6", *SHORT, "--set", "batch_size=48"))
    assert done.returncode == 0, done.stderr
    records = _records(tmp_path)
    columns = ("cifar10", "cifar100", "inat18", "inat19", "flowers", "cars", "imagenet")
    assert set(records) == {f"finetune-{name}" for name in columns}
    for record in records.values():
        assert not record["error"]
        assert not record["comparable"]
        assert set(record["metrics"]) == {"top1", "top5", "best_top1", "best_epoch"}


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_figures(tmp_path: Path) -> None:
    long = ("--set", "epochs=10", "--set", "workers=1", "--set", "save_weights=true")
    assert _run(_command(tmp_path / "whole", "finetune-cifar10", *long)).returncode == 0
    command = _command(tmp_path / "cut", "finetune-cifar10", *long)
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not list((tmp_path / "cut").rglob("checkpoint.pth")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert list((tmp_path / "cut").rglob("checkpoint.pth")), "killed before the first checkpoint or after the last"
    assert _run(command).returncode == 0
    whole, cut = (_records(tmp_path / name)["finetune-cifar10"] for name in ("whole", "cut"))
    assert cut["metrics"] == whole["metrics"]
    assert cut["details"] == whole["details"]


@pytest.mark.slow
def test_two_processes_train_and_score_as_one_does(tmp_path: Path) -> None:
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python")
    commands = {
        folder: _command(tmp_path / folder, "finetune-cifar10", *SHORT, "--set", "batch_size=40")
        for folder in ("one", "two")
    }
    for command in (commands["one"], [*launcher, *commands["two"]]):
        done = _run(command)
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = (_records(tmp_path / folder)["finetune-cifar10"] for folder in ("one", "two"))
    assert two["images"] == {"train": 120, "val": 60}
    losses = [[entry["loss"] for entry in record["details"]["history"]] for record in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert len(pd.read_parquet(next((tmp_path / "two").rglob("predictions.parquet")))) == 60


def test_bad_data_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    command = [
        *COMMAND,
        "--task",
        "finetune-flowers",
        "--data",
        str(tmp_path / "empty"),
        "--output",
        str(tmp_path / "out"),
    ]
    done = _run(command)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("Error: no file")
    assert "Traceback" not in done.stderr
