"""YouTube-VOS and MOSE: masks at some frames, objects that enter late, and what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dinobench.data.layouts import mose, ytvos
from dinobench.data.masks import read_labels, write_labels
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ytvos")
    get_twin("ytvos").write(root, height=48)
    return root


def copied(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "copy"))


def test_the_twin_is_sound_and_one_object_enters_late(drawn: Path) -> None:
    findings = ytvos.check(drawn)
    assert findings.problems == ()
    assert findings.counts == {"videos": 3, "frames": 93, "masks": 21, "objects": 7, "objects that enter late": 1}
    assert len(ytvos.open(drawn, "val")) == 93
    video = ytvos.read_video(drawn, "entering")
    assert video.annotated == tuple(range(0, 31, 5))
    entries = video.entries()
    assert entries[0] == (1,)
    (late,) = set(entries) - {0}
    assert entries[late] == (2,)
    assert late % 5 == 0
    assert not (video.labels(late - 5) == 2).any()


def test_mose_has_a_mask_at_every_frame(tmp_path: Path) -> None:
    get_twin("mose").write(tmp_path, height=48)
    findings = mose.check(tmp_path / "train")
    assert findings.problems == ()
    assert (findings.counts["frames"], findings.counts["masks"]) == (30, 30)


def test_first_masks_alone_are_left_to_the_server(drawn: Path, tmp_path: Path) -> None:
    root = copied(drawn, tmp_path)
    (root / "train").rename(root / "valid")
    for folder in (root / "valid" / "Annotations").iterdir():
        for mask in sorted(folder.iterdir())[1:]:
            mask.unlink()
    (problem,) = ytvos.check(root).problems
    assert "server scores" in problem
    shutil.copytree(drawn / "train", root / "train")
    findings = ytvos.check(root)
    assert findings.problems == ()
    assert findings.notes == (f"the videos of {root / 'train'}",)


def test_what_does_not_fit_is_named(drawn: Path, tmp_path: Path) -> None:
    root = copied(drawn, tmp_path) / "train"
    (root / "JPEGImages" / "crowd" / "00005.jpg").unlink()
    told = json.loads((root / "meta.json").read_text())
    told["videos"]["entering"]["objects"]["9"] = {}
    (root / "meta.json").write_text(json.dumps(told))
    problems = ytvos.check(root).problems
    assert len(problems) == 2
    assert "lacks the frame 00005" in problems[0]
    assert "objects [1, 2], meta.json [1, 2, 9]" in problems[1]
    (root / "meta.json").write_text("[]")
    with pytest.raises(InputError, match="no 'videos'"):
        ytvos.check(root)
    with pytest.raises(InputError, match="no JPEGImages/"):
        ytvos.open(tmp_path / "copy" / "train" / "JPEGImages", "val")


def test_an_object_is_known_from_its_first_mask_on(tmp_path: Path) -> None:
    root = tmp_path / "train"
    get_twin("mose").write(tmp_path, height=48)
    path = root / "Annotations" / "crossing" / "00004.png"
    labels = read_labels(path).copy()
    labels[:4, :4] = 7
    write_labels(path, labels)
    video = mose.read_video(tmp_path, "crossing")
    assert video.entries() == {0: (1, 2), 4: (7,)}
    assert np.array_equal(video.all_labels()[4], labels)
