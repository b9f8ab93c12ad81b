from __future__ import annotations

from pathlib import Path

import pytest

from dinobench.runtime.errors import InputError
from dinobench.runtime.names import file_below, inside, safe_name


@pytest.mark.parametrize("name", ["libby", "a b", "caf\xe9", "caf\udce9", "x.y", "-rf", "n01440764"])
def test_names_of_one_file_pass(name: str) -> None:
    assert safe_name(name, "sequence") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "/a",
        "a\\b",
        "C:x",
        "a\0b",
        "x" * 256,
        "\xe9" * 128,
        "con",
        "NUL.png",
        "  ",
        "new\nline",
        "x.",
        "x ",
        "\x1b[31m",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"sequence in list\.txt: .* rename it"):
        safe_name(name, "sequence in list.txt")


@pytest.mark.parametrize("name", ["a", "a/b.jpg", "a b/c d.png", "caf\xe9/x", "a\\b.png", "..a/b..", "a//b", "a" * 255])
def test_paths_below_a_root_pass(name: str) -> None:
    assert inside(Path("root"), name, "image") == Path("root") / name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "a/../b",
        "/etc/passwd",
        "../x",
        "a/..",
        "a\\..\\b",
        "C:\\x",
        "\\x",
        "a\0",
        "a/" + "x" * 256,
        "./a",
        "a/" * 1500 + "b",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"image: .* correct it"):
        inside(Path("root"), name, "image")


def test_only_files_below_a_root_are_found(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    for place in (tmp_path / "root" / "in.png", tmp_path / "out.png"):
        place.touch()
    (tmp_path / "root" / "link.png").symlink_to(tmp_path / "out.png")
    root = tmp_path / "root"
    assert file_below(root, "in.png") == root / "in.png"
    elsewhere = ["../out.png", str(tmp_path / "out.png"), "link.png", ".", "", "none.png", "a\0.png", "n" * 300]
    assert [file_below(root, name) for name in elsewhere] == [None] * len(elsewhere)
