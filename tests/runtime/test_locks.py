from pathlib import Path

import pytest

from dinobench.runtime.errors import InputError
from dinobench.runtime.locks import try_lock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    held = try_lock(path)
    assert held is not None and try_lock(path) is None
    held.release()
    again = try_lock(path)
    assert again is not None
    again.release()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot lock"):
        try_lock(tmp_path / "file" / "lock")
