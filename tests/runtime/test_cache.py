from pathlib import Path

import pytest

from dinobench.runtime.cache import built_folder, cache_folder


def test_built_once_and_then_found(tmp_path: Path) -> None:
    calls = []

    def build(folder: Path) -> None:
        calls.append(folder)
        (folder / "image").write_text("pixels")

    first, second = (built_folder(tmp_path / "twins" / "x", build) for _ in range(2))
    assert first == second
    assert (first / "image").read_text() == "pixels"
    assert len(calls) == 1


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        built_folder(tmp_path / "x", build)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_follows_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path))
    assert cache_folder("a", "b") == tmp_path / "a" / "b"
