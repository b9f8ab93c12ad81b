"""A table's jobs in a queue: one array on Slurm, one after the other on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dinobench.pipeline.table_jobs import QueuedCommand, submit_commands
from dinobench.runtime import cluster
from dinobench.runtime.errors import InputError

pytest.importorskip("submitit")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_jobs_of_this_machine_run_in_turn_and_failures_are_told(tmp_path: Path) -> None:
    note = "with open({!r}, 'a') as log: log.write({!r} + '\\n')"
    commands = {name: python(note.format(str(tmp_path / "log"), name)) for name in ("one", "two")}
    commands["bad"] = python("import sys; sys.exit('Error: no such data')")
    lines: list[str] = []
    failed = submit_commands(commands, "local", tmp_path / "jobs", {}, lines.append)
    assert (tmp_path / "log").read_text().splitlines() == ["one", "two"]
    assert failed == {"bad": "no such data"}
    assert [line.partition(",")[0] for line in lines] == ["one done", "two done", "bad failed"]


def test_a_job_that_dies_is_tried_once_more_there_and_goes_on_when_it_is_queued_again(tmp_path: Path) -> None:
    dies = f"import os, signal\nopen({str(tmp_path / 'log')!r}, 'a').write('x')\nos.kill(os.getpid(), signal.SIGKILL)"
    job = QueuedCommand(tuple(python(dies)))
    assert job().startswith("died twice")
    assert (tmp_path / "log").read_text() == "xx"
    assert job.checkpoint().function is job


def test_slurm_gets_one_array_with_the_resources_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    for name, body in (("sbatch", f'cp "$1" {tmp_path}/script; echo "Submitted batch job 77"'), ("srun", "true")):
        (place / name).write_text(f"#!/bin/sh\n{body}\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    lines: list[str] = []
    commands = {f"model task{number}": python("") for number in range(3)}
    resources = {"gres": "gpu:1", "nodes": 1, "partition": "night"}
    assert submit_commands(commands, "slurm", tmp_path / "jobs", resources, lines.append) == {}
    script = (tmp_path / "script").read_text()
    for words in ("--array=0-2", "--gres=gpu:1", "--nodes=1", "--partition=night", "--time=1440"):
        assert f"#SBATCH {words}" in script
    assert lines[0].startswith("3 jobs in the queue as 77, ")


def test_without_the_library_a_cluster_or_a_known_resource_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="cannot submit to slurm"):
        cluster.submit([print], "slurm", tmp_path, "name", {})
    with pytest.raises(InputError, match="cannot submit to local: Parameter 'nodez'"):
        cluster.submit([print], "local", tmp_path, "name", {"nodez": 1})
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match="needs submitit; install dinobench\\[slurm\\]"):
        cluster.submit([print], "slurm", tmp_path, "name", {})
