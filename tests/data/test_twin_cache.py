"""Twins are drawn once, and again when the code that draws them changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinobench.data import twin_cache
from dinobench.runtime.errors import InputError


def test_a_twin_is_drawn_once_per_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Path] = []

    class Twin:
        @staticmethod
        def write(root: Path) -> None:
            drawn.append(root)
            (root / "image.txt").write_text("drawn")

    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(twin_cache, "get_twin", lambda _: Twin)
    first, second = twin_cache.twin_folder("davis"), twin_cache.twin_folder("davis")
    assert first == second
    assert (first / "image.txt").read_text() == "drawn"
    assert len(drawn) == 1
    monkeypatch.setattr(twin_cache, "_drawing_version", lambda: "another")
    assert twin_cache.twin_folder("davis") != first
    assert len(drawn) == 2


def test_an_unknown_twin_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="unknown twin"):
        twin_cache.twin_folder("nothing")
    assert list(tmp_path.iterdir()) == []
