"""J and F of a video's masks against its annotation: from arrays, or from the files that any method wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinobench.data.layouts.davis import Video
from dinobench.data.masks import Labels, read_labels
from dinobench.metrics.segmentation import ObjectScores, score_entering, score_video, statistics, summarize
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_table_atomically


@dataclass(frozen=True)
class VideoScores:
    """Scores of every object of one sequence.

    Attributes:
        frames: names of the scored frames (all annotated ones but the first and the last); an object that enters later
            has scores for the last of them.
    """

    name: str
    frames: tuple[str, ...]
    objects: Mapping[int, ObjectScores]


def score_masks(video: Video, masks: Labels) -> VideoScores:
    """Score (T, H, W) predicted object numbers of all frames, or of the annotated ones.

    Raises:
        InputError: the annotation cannot be read, differs in size, or knows fewer objects than the masks.
    """
    truth = video.all_labels()
    if len(masks) == len(video.frames):
        masks = masks[list(video.annotated)]
    if truth.shape != masks.shape:
        raise InputError(f"sequence {video.name}: masks are {masks.shape}, its annotation {truth.shape}; same frames?")
    scored = tuple(video.frames[place].stem for place in video.annotated[1:-1])
    if video.marked:
        return VideoScores(video.name, scored, score_entering(truth, masks))
    known, found = int(truth[0].max()), int(masks[1:-1].max())
    video.refuse_no_object(truth[0])
    if found > known:
        raise InputError(f"sequence {video.name}: masks hold object {found}, its first annotation only 1 to {known}")
    return VideoScores(video.name, scored, score_video(truth, masks))


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
    """What needs no model at all: the first masks in every frame, and no object anywhere."""
    copies = _copied_masks(video)
    return {"copy": score_masks(video, copies), "empty": score_masks(video, np.zeros_like(copies))}


def _copied_masks(video: Video) -> Labels:
    """(annotated frames, H, W): each object's first mask in every frame from then on."""
    entries = video.entries()
    copies: list[Labels] = []
    for place in video.annotated:
        labels = video.labels(place) if place in entries or not copies else copies[-1]
        copies.append(_with_entered(copies[-1], labels, entries[place]) if place in entries and copies else labels)
    return np.stack(copies)


def _with_entered(before: Labels, labels: Labels, numbers: tuple[int, ...]) -> Labels:
    return np.where(np.isin(labels, numbers), labels, before)


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
        for frame, j, f in zip(video.frames[len(video.frames) - len(score.j) :], score.j, score.f, strict=True)
    )
    write_table_atomically(path, ("sequence", "object", "frame", "j", "f"), rows)
