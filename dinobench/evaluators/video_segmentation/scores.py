"""J and F of a video's masks against its annotation: from arrays, or from the files that any method wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinobench.data.layouts.davis import Video
from dinobench.data.masks import Labels, read_labels
from dinobench.metrics.segmentation import ObjectScores, score_video, statistics, summarize
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_table_atomically


@dataclass(frozen=True)
class VideoScores:
    """Scores of every object of one sequence.

    Attributes:
        frames: names of the scored frames (all but the first and the last).
    """

    name: str
    frames: tuple[str, ...]
    objects: Mapping[int, ObjectScores]


def score_masks(video: Video, masks: Labels) -> VideoScores:
    """Score (T, H, W) predicted object numbers.

    Raises:
        InputError: the annotation cannot be read, differs in size, or knows fewer objects than the masks.
    """
    truth = video.all_labels()
    if truth.shape != masks.shape:
        raise InputError(f"sequence {video.name}: masks are {masks.shape}, its annotation {truth.shape}; same frames?")
    known, found = int(truth[0].max()), int(masks[1:-1].max())
    video.refuse_no_object(truth[0])
    if found > known:
        raise InputError(f"sequence {video.name}: masks hold object {found}, its first annotation only 1 to {known}")
    return VideoScores(video.name, tuple(path.stem for path in video.frames[1:-1]), score_video(truth, masks))


def score_files(video: Video, folder: Path) -> VideoScores:
    """Score the indexed PNGs in `folder`, named as the frames; the first and last are not needed."""
    scored = [read_labels(folder / f"{path.stem}.png") for path in video.frames[1:-1]]
    if video.merged:
        scored = [(mask > 0).astype(np.uint8) for mask in scored]
    if len({mask.shape for mask in scored}) > 1:
        raise InputError(f"masks in {folder} differ in size; write every frame at its original size")
    empty = np.zeros_like(scored[0])
    return score_masks(video, np.stack([empty, *scored, empty]))


def floors(video: Video) -> dict[str, VideoScores]:
    """What needs no model at all: the first mask in every frame, and no object anywhere."""
    copies = np.broadcast_to(video.labels(0), (len(video.frames), *video.labels(0).shape))
    return {"copy": score_masks(video, copies), "empty": score_masks(video, np.zeros_like(copies))}


def overall(videos: Iterable[VideoScores]) -> dict[str, float]:
    """J&F, J and F over the objects of all sequences together, in percent, as Table 5 has them."""
    pooled = {f"{video.name}_{number}": score for video in videos for number, score in video.objects.items()}
    return {name: 100 * value for name, value in summarize(pooled).items()}


def per_object(videos: Iterable[VideoScores]) -> dict[str, dict[str, float]]:
    """SEQUENCE_NUMBER to mean, recall and decay of J and F, in percent."""
    return {
        f"{video.name}_{number}": {
            f"{letter}_{name}": 100 * value
            for letter, values in (("j", score.j), ("f", score.f))
            for name, value in vars(statistics(values)).items()
        }
        for video in videos
        for number, score in video.objects.items()
    }


def write_csv(path: Path, video: VideoScores) -> None:
    """One line per object and scored frame: sequence, object, frame, J, F (shares of 1)."""
    rows = (
        (video.name, number, frame, f"{j:.6f}", f"{f:.6f}")
        for number, score in video.objects.items()
        for frame, j, f in zip(video.frames, score.j, score.f, strict=True)
    )
    write_table_atomically(path, ("sequence", "object", "frame", "j", "f"), rows)
