"""Copydays folders: blocks, counts, and which original a copy was made from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dinobench.data.layouts import copydays
from dinobench.runtime.errors import InputError


def write(root: Path, **blocks: list[str]) -> Path:
    for block, names in blocks.items():
        folder = root / block.replace("_", "/")
        folder.mkdir(parents=True)
        for name in names:
            Image.new("RGB", (8, 8)).save(folder / name)
    return root


def test_blocks_are_read_sorted(tmp_path: Path) -> None:
    root = write(tmp_path, original=["200100.jpg", "200000.jpg"], strong=["200001.jpg"], crops_20=["200000.jpg"])
    assert copydays.open(root, "original").names == ("original/200000.jpg", "original/200100.jpg")
    assert copydays.present_blocks(root) == ["original", "strong", "crops/20"]
    findings = copydays.check(root)
    assert findings.counts["original images"] == 2 and len(findings.files) == 4
    assert any("strong holds 1 images, the published block 229" in problem for problem in findings.problems)


def test_missing_blocks_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, original=["200000.jpg"])
    with pytest.raises(InputError, match="at least one block of copies"):
        copydays.present_blocks(root)
    with pytest.raises(InputError, match="no images in"):
        copydays.open(root, "strong")
    with pytest.raises(InputError, match="no block 'weak'"):
        copydays.open(root, "weak")


def test_strong_copies_share_four_characters() -> None:
    originals = ["original/200000.jpg", "original/200100.jpg", "original/200150.jpg"]
    found = copydays.pair_copies("strong", ["strong/200001.jpg", "strong/200101.jpg"], originals)
    assert found.positives == [[0], [1, 2]]
    assert "several originals begin with 2001" in found.note
    assert copydays.pair_copies("strong", ["strong/200001.jpg"], originals[:2]).note == ""


@given(st.sets(st.integers(0, 999_999), min_size=1, max_size=20))
def test_other_blocks_match_by_name_in_any_order(numbers: set[int]) -> None:
    originals = [f"original/{number:06d}.jpg" for number in sorted(numbers)]
    copies = [name.replace("original", "jpegqual/3").replace(".jpg", ".png") for name in reversed(originals)]
    found = copydays.pair_copies("jpegqual/3", copies, originals)
    assert found.positives == [[i] for i in reversed(range(len(originals)))] and not found.note


def test_other_names_match_by_order_if_the_counts_agree() -> None:
    found = copydays.pair_copies("crops/10", ["a.jpg", "b.jpg"], ["1.jpg", "2.jpg"])
    assert found.positives == [[0], [1]] and "paired by place" in found.note
    with pytest.raises(InputError, match=r"1 images of block crops/10 match no original, first b\.jpg"):
        copydays.pair_copies("crops/10", ["b.jpg"], ["1.jpg", "2.jpg"])
    with pytest.raises(InputError, match="strong match no original"):
        copydays.pair_copies("strong", ["2999.jpg"], ["2000.jpg"])


def test_copies_are_paired_by_the_original_that_they_name() -> None:
    originals = [f"original/{number}.jpg" for number in (1, 10, 2)]
    copies = [f"jpegqual/10/{number}_q10.jpg" for number in (10, 1, 2)]  # "10_" sorts before "1_"
    found = copydays.pair_copies("jpegqual/10", copies, originals)
    assert found.positives == [[1], [0], [2]] and "10_q10 is taken for a copy" in found.note
    cameras = [f"original/IMG_{number:04d}.jpg" for number in range(3)]
    strong = copydays.pair_copies("strong", [f"strong/IMG_{number:04d}_s.jpg" for number in range(3)], cameras)
    assert strong.positives == [[0], [1], [2]] and "do not tell originals apart" in strong.note
    unnamed = copydays.pair_copies("strong", ["strong/IMG_x.jpg"], cameras)
    assert unnamed.positives == [[0, 1, 2]] and "several originals begin with IMG_" in unnamed.note


def test_archives_that_unpack_flat_are_told_apart_by_their_names(tmp_path: Path) -> None:
    root = write(tmp_path, crops_20=["200000.jpg"])
    for name in ("200000.jpg", "200100.jpg", "200001.jpg", "readme.jpg"):
        Image.new("RGB", (8, 8)).save(root / name)
    assert copydays.open(root, "original").names == ("200000.jpg", "200100.jpg")
    assert copydays.open(root, "strong").names == ("200001.jpg",)
    assert copydays.present_blocks(root) == ["original", "strong", "crops/20"]
