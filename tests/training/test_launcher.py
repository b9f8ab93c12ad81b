"""Jobs through submitit, with its executor for one machine: no cluster is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.runtime.errors import InputError
from dinobench.training.checkpoints import load
from dinobench.training.launcher import Training, submit
from dinobench.training.run import train

pytest.importorskip("submitit")
TINY = {"architecture": "vit_mini/8", "global_size": 16, "local_size": 8, "local_crops": 1, "out_dim": 32,
        "head_hidden": 16, "head_bottleneck": 8, "batch_size": 400, "epochs": 1, "warmup_epochs": 0, "workers": 0,
        "knn_every": 0}  # fmt: skip


def test_a_job_of_two_processes_equals_one(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    pairs = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    arguments = ["train", "--data", "digits", "--output", str(tmp_path / "job"), "--device", "cpu", *pairs,
                 "--launcher", "local", "--resource", "tasks_per_node=2"]  # fmt: skip
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert f"run directory {tmp_path / 'job'}" in done.output
    assert len(list((tmp_path / "job" / "jobs").glob("*_log.out"))) == 2
    train("mini", "digits", tmp_path / "one", settings=TINY, device="cpu")
    ours, theirs = (load(tmp_path / name / "checkpoint.pth")["teacher"] for name in ("job", "one"))
    for key, value in ours.items():
        torch.testing.assert_close(value, theirs[key], rtol=0, atol=1e-5)


def test_a_job_continues_when_it_is_queued_again(tmp_path):
    training = Training("mini", "digits", tmp_path / "run", TINY, "cpu")
    assert training.checkpoint().function is training


@pytest.mark.parametrize(
    ("launcher", "resources", "settings", "words"),
    [
        ("slurm", {}, {}, "cannot submit to slurm"),
        ("local", {"nodez": 2}, {}, "cannot submit to local: Parameter 'nodez'"),
        ("local", {"nodes": "two"}, {}, "cannot submit to local"),
        ("local", {}, {"epochs": 0}, "epochs of recipe mini is 0"),
    ],
)
def test_what_cannot_be_submitted_is_one_line(tmp_path: Path, launcher, resources, settings, words):
    with pytest.raises(InputError, match=words) as caught:
        submit(Training("mini", "digits", tmp_path / "run", {**TINY, **settings}, "cpu"), launcher, resources)
    assert "\n" not in str(caught.value)


def test_resources_need_a_launcher(tmp_path):
    done = CliRunner().invoke(main, ["train", "--output", str(tmp_path / "run"), "--resource", "nodes=2"])
    assert done.exit_code == 2
    assert "--launcher slurm" in done.output
