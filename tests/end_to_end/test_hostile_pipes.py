"""A pipe in a file's place is refused: who opens one waits for ever."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dinobench.evaluators.common.ranking.files import score_retrieval_file
from dinobench.results.compare import read_values
from dinobench.results.figures.curves import read_log
from dinobench.results.records import read_record
from dinobench.results.tables.published import read_published
from dinobench.runtime.errors import InputError

TRUTH = {"imlist": ["a"], "qimlist": ["q"], "gnd": [{"easy": [0], "hard": [], "junk": []}]}


def score_rankings(path: Path) -> object:
    truth = path.with_name("gnd_x.json")
    truth.write_text(json.dumps(TRUTH))
    return score_retrieval_file(path, truth)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    "read",
    [score_rankings, read_record, read_log, read_published, read_values],
)
def test_a_pipe_in_a_files_place_is_refused_and_never_waited_for(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(InputError, match=r"x\.csv: it is a pipe; give a file"):
        read(tmp_path / "x.csv")
