from __future__ import annotations

import json
from pathlib import Path

import pytest

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
