from __future__ import annotations

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"half a file", "it is damaged")])
def test_no_checkpoint_is_one_line_with_a_remedy_that_watch_has(tmp_path, content, words):
    if content is not None:
        (tmp_path / "checkpoint.pth").write_bytes(content)
    result = CliRunner().invoke(main, ["watch", str(tmp_path), "--once"])
    assert result.exit_code == 2
    assert words in result.output
    assert "give the directory of a run" in result.output
    assert "--output" not in result.output
