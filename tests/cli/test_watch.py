from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from dinobench import pipeline
from dinobench.cli.main import main
from dinobench.training import checkpoints
from tests.group import in_processes


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"half a file", "it is damaged")])
def test_no_checkpoint_is_one_line_with_a_remedy_that_watch_has(tmp_path, content, words):
    if content is not None:
        (tmp_path / "checkpoint.pth").write_bytes(content)
    result = CliRunner().invoke(main, ["watch", str(tmp_path), "--once"])
    assert result.exit_code == 2
    assert words in result.output
    assert "give the directory of a run" in result.output
    assert "--output" not in result.output


def test_a_folder_that_does_not_exist_is_not_waited_for(tmp_path):
    result = CliRunner().invoke(main, ["watch", str(tmp_path / "rnu")])
    assert result.exit_code == 2
    assert "there is no folder" in result.output and "dinobench train" in result.output


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf", "1e30"])
def test_a_time_that_no_clock_reaches_is_refused(tmp_path, seconds):
    result = CliRunner().invoke(main, ["watch", str(tmp_path), "--every", seconds])
    assert result.exit_code == 2
    assert "is not a number of seconds from 0 to 86400" in result.output


def test_a_checkpoint_is_read_when_it_is_new_and_scored_once(tmp_path, monkeypatch):
    states = [
        {"iteration": step, "epoch": step, "recipe": {"epochs": 2}, "data": {"spec": "mini"}} for step in (1, 1, 2)
    ]
    read, scored, path = [], [], tmp_path / "checkpoint.pth"
    path.write_bytes(b"")

    def load(*_):
        read.append(None)
        return states[len(read) - 1]

    def sleep(_):
        os.utime(path, ns=(len(read), len(read)))  # the training writes while nobody looks

    monkeypatch.setattr(checkpoints, "load", load)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(pipeline, "evaluate", lambda *arguments: scored.append(arguments) or [])
    result = CliRunner().invoke(main, ["watch", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert (len(read), len(scored)) == (3, 2)
    assert "step 1" in result.output and "step 2" in result.output


def watch_together(rank, run, results):
    """Two steps, the second one while the first is scored; the first process alone may look for them."""
    states = iter([{"iteration": n, "epoch": n, "recipe": {"epochs": 2}, "data": {"spec": "mini"}} for n in (1, 2)])
    scored = []

    def load(path, *_):
        assert rank == 0
        os.utime(path, ns=(len(scored), len(scored)))
        return next(states)

    def evaluate(tasks, model, data, *_):
        scored.append((model, data))
        os.utime(model, ns=(10, 10))
        record = SimpleNamespace(
            failed=len(scored) == 1, error="full", task="knn", main_metric="top1", metrics={"top1": 5}
        )
        return [record] if rank == 0 else []

    checkpoints.load, time.sleep, pipeline.evaluate = load, lambda _: None, evaluate
    ended = CliRunner().invoke(main, ["watch", str(run), "--results", str(results)])
    return ended.exit_code, scored, ended.output


def test_processes_watch_together(tmp_path):
    (tmp_path / "checkpoint.pth").write_bytes(b"")
    first, second = in_processes(watch_together, 2, tmp_path, tmp_path / "results")
    assert first[:2] == second[:2] == (1, [(str(tmp_path / "checkpoint.pth"), "mini")] * 2)
    assert "step 1" in first[2] and "step 2" in first[2] and second[2] == ""
