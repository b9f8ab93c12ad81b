"""Objects that enter in a later frame: seeded there, said, and scored from then on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.data.layouts import ytvos
from dinobench.data.masks import read_labels, write_labels
from dinobench.evaluators.base import Scores
from dinobench.evaluators.video_segmentation.evaluate import evaluate
from dinobench.evaluators.video_segmentation.propagation import LabelPropagator, Propagation
from dinobench.evaluators.video_segmentation.scores import floors, score_masks
from dinobench.metrics.segmentation import score_entering
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context
from tests.evaluators.video_segmentation.test_propagation import random_frames

FRAMES, EVERY, ENTRY = 11, 2, 4


def write_video(root: Path, name: str = "one") -> Path:
    """Two squares that slide; the second is there from frame 4 on, and every second frame has a mask."""
    rng = np.random.default_rng(3)
    ground, things = rng.integers(90, 140, (64, 128, 3)), rng.integers(0, 256, (2, 20, 20, 3))
    for kind in ("JPEGImages", "Annotations"):
        (root / kind / name).mkdir(parents=True)
    for time in range(FRAMES):
        pixels, labels = ground.copy(), np.zeros((64, 128), np.uint8)
        for index in range(1 if time < ENTRY else 2):
            place = np.s_[6 + 28 * index : 26 + 28 * index, 10 + 4 * time : 30 + 4 * time]
            pixels[place], labels[place] = things[index], 2 * index + 1
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"JPEGImages/{name}/{time:05d}.jpg", quality=95)
        if time % EVERY == 0:
            write_labels(root / f"Annotations/{name}/{time:05d}.png", labels)
    return root


def scored(data: Path, output: Path, **settings: object) -> Scores:
    chosen = {"image_size": 64, **settings}
    return evaluate(context("ytvos", "paper", data, output, model="random:vit_mini/4", **chosen))


@pytest.mark.parametrize("settings", [{}, {"variant": "dinov3", "normalization": "model"}])
def test_an_object_that_enters_is_seeded_there_and_said(settings: dict[str, object], tmp_path: Path) -> None:
    data = write_video(tmp_path / "data")
    scores = scored(data, tmp_path / "out", **settings)
    assert any("object 3 (frame 00004) first seen in a later frame" in line for line in scores.warnings)
    assert sorted(scores.details["objects"]) == ["one_1", "one_3"]
    masks = [read_labels(tmp_path / f"out/masks/one/{time:05d}.png") for time in range(FRAMES)]
    assert not any((mask == 3).any() for mask in masks[:ENTRY])
    truth = read_labels(data / "Annotations/one/00004.png")
    assert np.array_equal(masks[ENTRY] == 3, truth == 3)
    assert all((mask == 3).any() for mask in masks[ENTRY:])
    assert scores.metrics["jf_mean"] > scores.metrics["empty_jf_mean"] == 0
    lines = (tmp_path / "out/scores/one.csv").read_text().splitlines()
    assert [line.rsplit(",", 2)[0] for line in lines[1:]] == [
        *(f"one,1,0000{time}" for time in (2, 4, 6, 8)),
        *(f"one,3,0000{time}" for time in (6, 8)),
    ]


def test_a_video_without_an_object_in_its_first_frames_begins_where_one_enters(tmp_path: Path) -> None:
    data = write_video(tmp_path / "data")
    for time in (0, 2):
        write_labels(data / f"Annotations/one/{time:05d}.png", np.zeros((64, 128), np.uint8))
    scores = scored(data, tmp_path / "out", pictures=False)
    assert sorted(scores.details["objects"]) == ["one_1", "one_3"]
    assert not read_labels(tmp_path / "out/masks/one/00003.png").any()
    assert read_labels(tmp_path / "out/masks/one/00004.png").any()


def test_other_codes_follow_the_first_frame_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="variant=stc follows those of the first"):
        scored(write_video(tmp_path / "data"), tmp_path / "out", variant="stc")


def test_each_object_counts_after_the_frame_where_it_enters() -> None:
    truth = np.zeros((6, 8, 8), np.uint8)
    truth[:, :3, :3], truth[2:, 5:, 5:], truth[4:, 4, 0] = 1, 4, 9
    found = np.where(truth == 4, 0, truth)
    scores = score_entering(truth, found)
    assert sorted(scores) == [1, 4]  # object 9 enters in the last frame that is scored
    assert scores[1].j.tolist() == [1, 1, 1, 1]
    assert scores[4].j.tolist() == [0, 0]
    assert scores[4].f.tolist() == [0, 0]


def test_floors_copy_each_objects_first_mask_and_true_masks_are_whole(tmp_path: Path) -> None:
    video = ytvos.read_video(write_video(tmp_path), "one")
    copied = floors(video)["copy"].objects
    assert 0 < copied[3].j[0] < 1
    assert copied[3].j.tolist() == pytest.approx([12 / 28, 4 / 36])  # squares of 20 pixels that moved by 8 and 16
    whole = score_masks(video, video.all_labels()).objects
    assert {number: each.j.tolist() for number, each in whole.items()} == {1: [1] * 4, 3: [1] * 2}


def test_planted_labels_stay_in_the_context() -> None:
    features, _ = random_frames(8, 4, 5, 2)
    first = torch.zeros(4, 5, 3, dtype=torch.float64)
    first[..., 0] = 1
    propagator = LabelPropagator(features[0], first, Propagation(n_last_frames=1, radius=0, topk=20))
    propagator.step(features[1])
    entering = torch.zeros_like(first)
    entering[2, 3, 2] = 1
    propagator.plant(entering)
    for frame in features[2:]:
        soft = propagator.step(frame)
        torch.testing.assert_close(soft.sum(-1), torch.ones(4, 5, dtype=torch.float64))
    nearest = propagator.step(features[1])
    assert nearest[2, 3, 2] == nearest[..., 2].max() > 0
