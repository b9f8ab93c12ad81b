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
    assert copydays.positives_of("strong", ["strong/200001.jpg", "strong/200101.jpg"], originals) == [[0], [1, 2]]


@given(st.sets(st.integers(0, 999_999), min_size=1, max_size=20))
def test_other_blocks_match_by_name_in_any_order(numbers: set[int]) -> None:
    originals = [f"original/{number:06d}.jpg" for number in sorted(numbers)]
    copies = [name.replace("original", "jpegqual/3").replace(".jpg", ".png") for name in reversed(originals)]
    assert copydays.positives_of("jpegqual/3", copies, originals) == [[i] for i in reversed(range(len(originals)))]


def test_other_names_match_by_order_if_the_counts_agree() -> None:
    assert copydays.positives_of("crops/10", ["a.jpg", "b.jpg"], ["1.jpg", "2.jpg"]) == [[0], [1]]
    with pytest.raises(InputError, match=r"1 images of block crops/10 match no original, first b\.jpg"):
        copydays.positives_of("crops/10", ["b.jpg"], ["1.jpg", "2.jpg"])
    with pytest.raises(InputError, match="strong match no original"):
        copydays.positives_of("strong", ["2999.jpg"], ["2000.jpg"])
