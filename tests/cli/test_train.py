from __future__ import annotations

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.training import run


@pytest.mark.parametrize(("rank", "lines"), [(None, 2), ("0", 2), ("1", 0)])
def test_the_first_process_alone_tells_where_the_run_is(monkeypatch, tmp_path, rank, lines):
    monkeypatch.setattr(run, "train", lambda *_, **__: tmp_path)
    result = CliRunner().invoke(main, ["train"], env={"RANK": rank, "WORLD_SIZE": rank and "2"})
    assert result.exit_code == 0
    assert result.output.count(str(tmp_path)) == lines
