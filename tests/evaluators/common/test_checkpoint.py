from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dinobench.evaluators.common import checkpoint
from dinobench.runtime.errors import InputError


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a" / checkpoint.NAME
    identity = {"classes": 3, "crop_scale": [0.1, 1.0], "model": "abc"}
    checkpoint.save(path, identity, {"step": 5, "weights": torch.arange(3)})
    state = checkpoint.load(path, identity)
    assert state is not None
    assert state["step"] == 5
    assert state["weights"].tolist() == [0, 1, 2]


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / checkpoint.NAME, {}) is None


def test_another_run_is_refused_by_what_differs(tmp_path: Path) -> None:
    path = tmp_path / checkpoint.NAME
    checkpoint.save(path, {"classes": 102, "lr": 0.1}, {})
    with pytest.raises(InputError, match=r"classes was 102 and is 20; .*another --output"):
        checkpoint.load(path, {"classes": 20, "lr": 0.1})


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / checkpoint.NAME
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        checkpoint.load(path, {})
