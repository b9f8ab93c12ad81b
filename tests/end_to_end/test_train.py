"""`dinobench train` as a user runs it: killed, continued, on many processes, on bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import shared_data

TINY = ["architecture=vit_mini/8", "drop_path=0.0", "global_size=16", "local_size=8", "local_crops=2", "out_dim=32",
        "head_hidden=16", "head_bottleneck=8", "batch_size=140", "epochs=1", "warmup_epochs=1", "knn_every=0",
        "save_minutes=1e-9",
    "log_every=1"]  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

# Attempts are children of one process that has imported everything, so that an attempt costs little.
KILLED_AND_CONTINUED = """
import os, signal, sys
from pathlib import Path
from dinobench.runtime.settings import parse_pairs
from dinobench.training import checkpoints
from dinobench.training import run, training_run
folder, settings = Path(sys.argv[1]), parse_pairs(sys.argv[2:])

def attempt(target, die_in=None, at=0):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    calls = 0
    def counted(*arguments, **named):
        nonlocal calls
        calls += 1
        if calls == at:
            if die_in == "save":
                arguments[1].parent.mkdir(parents=True, exist_ok=True)
                (arguments[1].parent / ".checkpoint.pth.half.tmp").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)
    holder, name = (checkpoints, "save") if die_in == "save" else (training_run.Learner, "step")
    original = getattr(holder, name)
    if die_in:
        setattr(holder, name, counted)
    run.train("mini", "digits", target, settings=settings, device="cpu")
    os._exit(0)

assert attempt(folder / "whole") == 0
for die_in, at in (("save", 3), ("step", 4), ("save", 2)):
    assert attempt(folder / "killed", die_in, at) == signal.SIGKILL
assert attempt(folder / "killed") == 0
"""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(folder / "checkpoint.pth", weights_only=True)
    return {
        **state["student"],
        **{f"teacher.{key}": value for key, value in state["teacher"].items()},
        **state["dino_loss"],
    }


def run(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=cwd, env={**ENVIRONMENT, **more}, capture_output=True, text=True, timeout=300, check=False
    )


def dinobench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run(
        sys.executable, "-c", "from dinobench.cli.main import main; main()", *arguments, cwd=cwd, PYTHONPATH=str(ROOT)
    )


ROOT = Path(__file__).parents[2]


def test_killed_at_any_moment_the_weights_are_those_of_the_uninterrupted_run(tmp_path):
    done = run(sys.executable, "-c", KILLED_AND_CONTINUED, str(tmp_path), *TINY, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    killed, whole = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert killed.keys() == whole.keys()
    assert all(torch.equal(value, whole[key]) for key, value in killed.items())
    assert log_of(tmp_path / "killed") == log_of(tmp_path / "whole")


def log_of(folder: Path) -> list[dict[str, object]]:
    """The lines of the log without what the clock gives."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("time", "images_per_second")} for line in lines]


@pytest.mark.parametrize("processes", [2, 4])
def test_many_processes_equal_one(tmp_path, processes):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom dinobench.runtime.settings import parse_pairs\nfrom dinobench.training.run import train\n"
        'train("mini", "digits", sys.argv[1], settings=parse_pairs(sys.argv[2:]), device="cpu")\n'
    )
    few = [pair for pair in TINY if not pair.startswith(("epochs", "save_minutes", "batch_size"))]
    few += ["epochs=1", "batch_size=400"]
    alone = run(sys.executable, str(script), str(tmp_path / "one"), *few, cwd=ROOT, PYTHONPATH=str(ROOT))
    assert alone.returncode == 0, alone.stderr
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    many = run(*launcher, str(script), str(tmp_path / "many"), *few, cwd=ROOT, PYTHONPATH=str(ROOT))
    assert many.returncode == 0, many.stderr
    ours, theirs = weights(tmp_path / "many"), weights(tmp_path / "one")
    for key, value in ours.items():
        keep = torch.ones(len(value), dtype=torch.bool)
        if key.endswith("qkv.bias"):  # the key third's true gradient is 0: Adam follows rounding there
            keep[len(value) // 3 : 2 * len(value) // 3] = False
        torch.testing.assert_close(
            value[keep], theirs[key][keep], rtol=0, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}"
        )


def test_photographs(tmp_path):
    data = shared_data("imagenette")
    done = dinobench("train", "--data", str(data), "--output", "run", "--set", "epochs=1", "--set", "batch_size=200",
                     "--set", "warmup_epochs=1", "--set", "knn_images=100", "--set", "local_crops=1",
                     cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "20-NN" in done.stderr
    assert "run directory run" in done.stdout
    assert (tmp_path / "run" / "best.pth").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "mimi"], "did you mean mini"),
        (["--set", "momentum_teachr=0.9"], "did you mean momentum_teacher"),
        (["--set", "epochs=2", "--set", "warmup_epochs=3"], "warmup_epochs = 3 is longer than the run"),
        (["--data", "digits", "--set", "batch_size=100000"], "fewer than one batch"),
        (["--set", "optimizer=adam"], "did you mean adamw"),
        (["--set", "out_dim=many"], "out_dim of recipe mini is 'many'; give a whole number, at least 1"),
        (["--data", "nowhere/at/all"], "no folder"),
        (["--recipe", "own.toml"], "no recipe file"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, arguments, words):
    from click.testing import CliRunner

    from dinobench.cli.main import main

    output = tmp_path / "run"
    result = CliRunner().invoke(main, ["train", "--output", str(output), *arguments])
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output
    assert not output.exists()
