from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinobench.data.layouts.davis import read_video
from dinobench.data.masks import write_labels
from dinobench.evaluators.video_segmentation.scores import floors, overall, score_files, score_masks
from dinobench.evaluators.video_segmentation.tally import Tally, score_folder
from dinobench.runtime.errors import InputError
from tests.evaluators.videos import write_davis


def test_the_annotation_itself_scores_100(tmp_path: Path) -> None:
    data = write_davis(tmp_path)
    scores = score_folder(data / "Annotations" / "480p", data)
    assert scores.metrics["jf_mean"] == 100
    assert scores.metrics["j_decay"] == 0


def test_masks_of_unknown_objects_or_other_sizes_are_refused(tmp_path: Path) -> None:
    video = read_video(write_davis(tmp_path), "one")
    truth = video.all_labels()
    with pytest.raises(InputError, match="hold object 7"):
        score_masks(video, np.where(truth == 1, 7, 0).astype(np.uint8))
    with pytest.raises(InputError, match="same frames"):
        score_masks(video, truth[:, ::2])


def test_a_missing_mask_file_is_named(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data", ["one", "two"])
    for frame in range(1, 5):
        write_labels(tmp_path / "masks" / "one" / f"{frame:05d}.png", read_video(data, "one").labels(frame))
    scores = score_folder(tmp_path / "masks", data)
    assert scores.metrics["j_mean"] == 100
    assert any("two" in line and "00001.png" in line for line in scores.warnings)


def test_merged_objects_count_as_one(tmp_path: Path) -> None:
    data = write_davis(tmp_path)
    video = read_video(data, "two", merged=True)
    scores = score_files(video, data / "Annotations" / "480p" / "two")
    assert list(scores.objects) == [1]
    assert (scores.objects[1].j == 1).all()


def test_floors_stand_still_or_see_nothing(tmp_path: Path) -> None:
    video = read_video(write_davis(tmp_path), "one")
    copy, empty = floors(video)["copy"], floors(video)["empty"]
    assert copy.objects[1].j[0] > copy.objects[1].j[-1]
    assert overall([empty])["jf_mean"] == 0


def test_shares_of_processes_merge_into_the_whole(tmp_path: Path) -> None:
    data = write_davis(tmp_path)
    whole, parts = Tally([[]]), [Tally([[]]), Tally([[]])]
    for part, name in zip(parts, ("one", "two"), strict=True):
        video = read_video(data, name)
        score = score_masks(video, np.repeat(video.labels(0)[None], 6, axis=0))
        part.add(video, [score]), whole.add(video, [score])
    parts[1].merge(parts[0])  # the sequences stand in another order
    parts[1].sort(["one", "two"])
    assert [video.name for video in parts[1].by_config[0]] == ["one", "two"]
    assert parts[1].scores() == whole.scores()
