"""Jobs dealt out to devices, as processes."""

from __future__ import annotations

import sys
from pathlib import Path

from dinobench.pipeline.job_queue import run_on_devices


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def on(command: list[str], device: str) -> list[str]:
    return [*command, device]


def test_every_job_runs_on_some_device_and_failures_are_told_by_their_last_line(tmp_path: Path) -> None:
    note = "import sys, pathlib; pathlib.Path({!r}).write_text(sys.argv[1])"
    commands = {name: python(note.format(str(tmp_path / name))) for name in "abc"}
    commands["bad"] = python("import sys; print('x'); sys.exit('Error: no such data')")
    failed = run_on_devices(commands, ["cuda:0", "cuda:1"], on)
    assert {(tmp_path / name).read_text() for name in "abc"} <= {"cuda:0", "cuda:1"}
    assert failed == {"bad": "no such data"}


def test_a_job_whose_process_dies_is_tried_once_more_and_then_listed(tmp_path: Path) -> None:
    dies = (
        "import os, sys, pathlib, signal\n"
        f"with open({str(tmp_path / 'log')!r}, 'a') as log: log.write(sys.argv[1] + '\\n')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    lines: list[str] = []
    failed = run_on_devices({"job": python(dies)}, ["cuda:0"], on, lines.append)
    assert (tmp_path / "log").read_text().splitlines() == ["cuda:0", "cuda:0"]
    assert failed == {"job": "died on cuda:0 too"}
    assert "died on cuda:0" in lines[0]


def test_a_job_that_a_dead_device_had_ends_on_another(tmp_path: Path) -> None:
    code = "import os, sys, signal\nif sys.argv[1] == 'cuda:0': os.kill(os.getpid(), signal.SIGKILL)"
    failed = run_on_devices({f"job{n}": python(code) for n in range(3)}, ["cuda:0", "cuda:1"], on)
    assert failed == {}


def test_a_device_that_fails_by_its_own_word_is_left_for_another() -> None:
    """CUDA raises an error where the device is lost; the process ends by itself then, with exit code 1."""
    code = "import sys\nif sys.argv[1] == 'cuda:0': sys.exit('Error: the device failed (CUDA error: ECC); run again')"
    assert run_on_devices({f"job{n}": python(code) for n in range(3)}, ["cuda:0", "cuda:1"], on) == {}
    lines: list[str] = []
    assert run_on_devices({"job": python(code)}, ["cuda:0"], on, lines.append) == {"job": "died on cuda:0 too"}
    assert lines[0] == "job died on cuda:0 (the device failed (CUDA error: ECC); run again, exit code 1)"
    code = code.replace("if sys.argv[1] == 'cuda:0': ", "")
    both = run_on_devices({"job": python(code)}, ["cuda:0", "cuda:1"], on)["job"]
    assert both in ("died on cuda:0 too", "died on cuda:1 too")
