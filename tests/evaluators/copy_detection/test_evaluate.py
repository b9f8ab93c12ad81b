"""Copy detection from images to mAP, on a tiny Copydays in the true layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dinobench.evaluators.common.ranking.files import score_copydays_file
from dinobench.evaluators.copy_detection.evaluate import evaluate
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, picture, write_copydays


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))


def write_images(folder: Path, seeds: range) -> Path:
    folder.mkdir()
    for seed in seeds:
        picture(seed).save(folder / f"{seed}.png")
    return folder


@pytest.mark.parametrize("protocol", ["paper", "textbook"])
def test_light_copies_are_found(tmp_path: Path, protocol: str) -> None:
    data = write_copydays(tmp_path)
    scores = evaluate(context("copydays", protocol, data, tmp_path / "out"))
    assert scores.metrics["original_map"] == scores.metrics["jpegqual_75_map"] == 100
    assert set(scores.metrics) == {
        f"{block}_map" for block in ("original", "strong", "jpegqual_3", "jpegqual_75", "crops_50")
    }
    assert scores.images["strong"] == 4 and scores.images["distractors"] == scores.images["whitening"] == 0


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    scores = evaluate(context("copydays", "paper", write_copydays(tmp_path), tmp_path / "out"))
    said = "\n".join(scores.warnings)
    for word in ("NO DISTRACTORS", "NO WHITENING", "original 4 instead of 157", "blocks missing: jpegqual/5"):
        assert word in said


def test_distractors_and_whitening_come_from_folders(tmp_path: Path) -> None:
    data = write_copydays(tmp_path)
    write_images(data / "distractors", range(100, 130))
    other = write_images(tmp_path / "whiten", range(200, 240))
    scores = evaluate(context("copydays", "paper", data, tmp_path / "out", "random:vit_mini/4", whitening=str(other)))
    assert (scores.images["distractors"], scores.images["whitening"]) == (30, 40)
    assert not any("NO " in warning for warning in scores.warnings)
    assert scores.metrics["original_map"] == 100


def test_the_protocols_differ_where_a_copy_is_not_first(tmp_path: Path) -> None:
    data = write_copydays(tmp_path)
    shutil.copytree(data / "strong", data / "distractors")  # every copy finds itself before its original
    paper, textbook = (
        evaluate(context("copydays", protocol, data, tmp_path / "out")).metrics["strong_map"]
        for protocol in ("paper", "textbook")
    )
    assert paper < textbook


def test_blocks_can_be_chosen(tmp_path: Path) -> None:
    data = write_copydays(tmp_path)
    scores = evaluate(context("copydays", "paper", data, tmp_path / "out", blocks=["strong"]))
    assert list(scores.metrics) == ["strong_map"]
    with pytest.raises(InputError, match=r"no images of block crops/80"):
        evaluate(context("copydays", "paper", data, tmp_path / "out", blocks=["crops/80"]))


def test_a_copy_without_original_is_refused(tmp_path: Path) -> None:
    data = write_copydays(tmp_path)
    (data / "strong" / "900001.jpg").write_bytes((data / "strong" / "200001.jpg").read_bytes())
    with pytest.raises(InputError, match=r"match no original, first strong/900001\.jpg"):
        evaluate(context("copydays", "paper", data, tmp_path / "out"))


def test_the_rankings_kept_score_as_the_run_did(tmp_path: Path) -> None:
    data = write_copydays(tmp_path)
    write_images(data / "distractors", range(100, 130))
    scores = evaluate(context("copydays", "paper", data, tmp_path / "out", "random:vit_mini/4"))
    again = score_copydays_file(tmp_path / "out" / "ranks.json", data)
    assert str(tmp_path / "out" / "ranks.json") in scores.files
    assert again.metrics == scores.metrics
    assert again.details["average_precision"] == scores.details["average_precision"]
