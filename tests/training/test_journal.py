from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinobench.runtime import console
from dinobench.runtime.errors import InputError
from dinobench.training.journal import LOG, RunJournal
from tests.end_to_end.test_full_disk import at_most


def test_a_line_that_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path, 3, 0, speaking=True)
    journal.write({"step": 1, "loss": 2.5})
    whole = (tmp_path / LOG).read_text()
    for room in (0, 10):  # none, and too little
        with at_most(len(whole) + room), pytest.raises(InputError, match=r"log\.jsonl: .* run again"):
            journal.write({"step": 2, "loss": 2.25})
        assert (tmp_path / LOG).read_text() == whole
    journal.write({"step": 2, "loss": 2.25})
    journal.close()
    assert [json.loads(line)["step"] for line in (tmp_path / LOG).read_text().splitlines()] == [1, 2]


def test_a_training_in_a_log_or_notebook_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter(range(0, 10_000, 25))  # a step takes 25 seconds
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    journal = RunJournal(tmp_path, 108, 100, speaking=True)  # continued after 100 steps
    for step in range(101, 105):
        journal.write({"step": step, "loss": 5.25, "lr": 0.0005})
        journal.step()
    journal.close()
    assert capsys.readouterr().err.splitlines() == [
        "steps: 101 of 108, 2 min 55 s left, loss 5.25, lr 0.0005",
        "steps: 104 of 108, 1 min 40 s left, loss 5.25, lr 0.0005",
    ]
    monkeypatch.setattr(console, "_has_bars", lambda: True)
    journal = RunJournal(tmp_path, 108, 54, speaking=True)
    assert "steps:  50%" in capsys.readouterr().err
    journal.close()
