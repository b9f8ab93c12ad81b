"""Memory and devices that give out within a command: one line, exit code 1, and what was measured stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from dinobench.pipeline import run

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB.")
LOST = torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Exception], None]:
    """Makes the scoring of one task raise."""
    score = run._scores_of

    def arrange(task: str, error: Exception) -> None:
        def fail(job: run.Job, context: Any) -> Any:
            if job.card.name == task:
                raise error
            return score(job, context)

        monkeypatch.setattr(run, "_scores_of", fail)

    return arrange


def evaluate(tasks: str, output: Path) -> Result:
    command = ["eval", "--task", tasks, "--model", "random:vit_mini/8", "--data", "digits", "--set", "image_size=16"]
    return CliRunner().invoke(main, [*command, "--output", str(output)])


def records(folder: Path) -> list[str]:
    return sorted(path.name.split("@")[0] for path in folder.glob("*.json"))


def test_too_little_memory_is_one_line(failing: Callable[[str, Exception], None], tmp_path: Path) -> None:
    failing("knn", FULL)
    done = evaluate("knn", tmp_path)
    assert done.exit_code == 1
    assert "Error: out of memory (it asked for 2.00 GiB); lower batch_size" in done.output
    assert "Traceback" not in done.output


def test_a_task_that_lacks_memory_stops_no_other(failing: Callable[[str, Exception], None], tmp_path: Path) -> None:
    failing("knn", FULL)
    done = evaluate("knn,label-free", tmp_path)
    assert "out of memory (it asked for 2.00 GiB)" in done.output
    assert records(tmp_path)[-1] == "label-free"


def test_a_device_that_gives_out_ends_all_tasks(failing: Callable[[str, Exception], None], tmp_path: Path) -> None:
    failing("knn", LOST)
    done = evaluate("label-free,knn,knn-10pct", tmp_path)
    assert done.exit_code == 1
    assert "Error: the device failed (CUDA error: unspecified launch failure)" in done.output
    assert "knn-10pct" not in records(tmp_path)
    assert "label-free" in records(tmp_path)
