"""Region similarity, and the statistics and averages that the DAVIS benchmark reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinobench.metrics.boundary import BoolArray, boundary_f_measure

FloatArray = NDArray[np.float64]
LabelArray = NDArray[np.uint8]
VOID = 255


@dataclass(frozen=True)
class Statistics:
    """What DAVIS says of one object's scores over time.

    Attributes:
        mean: mean over the frames.
        recall: share of the frames above 0.5.
        decay: mean of the first quarter of the frames minus that of the last.
    """

    mean: float
    recall: float
    decay: float


@dataclass(frozen=True)
class ObjectScores:
    """J and F of one object in every frame that counts for it, each (T,)."""

    j: FloatArray
    f: FloatArray


def jaccard(truth: BoolArray, prediction: BoolArray, void: BoolArray | None = None) -> FloatArray:
    """Intersection over union of masks, 1 where both are empty.

    Args:
        truth: (..., H, W) bool.
        prediction: (..., H, W) bool.
        void: (..., H, W) bool, pixels that count for neither.

    Returns:
        (...) float64.
    """
    if void is not None:
        truth, prediction = truth & ~void, prediction & ~void
    common, union = count_pixels(truth & prediction), count_pixels(truth | prediction)
    return np.where(union == 0, 1.0, common / np.maximum(union, 1))


def count_pixels(masks: BoolArray) -> NDArray[np.int64]:
    """Size of every mask: (..., H, W) bool to (...); per mask, as NumPy counts along axes five times slower."""
    flat = masks.reshape(-1, *masks.shape[-2:])
    return np.array([np.count_nonzero(mask) for mask in flat], dtype=np.int64).reshape(masks.shape[:-2])


def statistics(values: FloatArray) -> Statistics:
    """Mean, recall and decay of (T,) scores; NaN frames leave the means and count as not recalled.

    The quarters share their edge frames, as in the official kit. The kit keeps the edges in 8 bits, which goes wrong
    above 256 frames; here they are exact.
    """
    edges = np.floor(np.linspace(1, len(values), 5) + 0.5 + 1e-10).astype(int) - 1
    first, last = values[: edges[1] + 1], values[edges[3] :]
    return Statistics(_known_mean(values), float(np.mean(values > 0.5)), _known_mean(first) - _known_mean(last))


def _known_mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def score_objects(truth: LabelArray, prediction: LabelArray, objects: int) -> dict[int, ObjectScores]:
    """J and F of objects 1..`objects` in every frame given.

    Args:
        truth: (T, H, W) object numbers; 255 is background here, as in the official kit.
        prediction: (T, H, W) object numbers; an object that never occurs counts as empty.
        objects: how many objects the truth's first annotated frame has.
    """
    return {number: _score_object(truth == number, prediction == number) for number in range(1, objects + 1)}


def _score_object(true: BoolArray, found: BoolArray) -> ObjectScores:
    f = [boundary_f_measure(*pair) for pair in zip(true, found, strict=True)]
    return ObjectScores(jaccard(true, found), np.array(f, dtype=np.float64))


def score_entering(truth: LabelArray, prediction: LabelArray) -> dict[int, ObjectScores]:
    """Scores of objects that may enter late: each over the annotated frames after the one where it enters.

    The first and the last annotated frame are not scored, as DAVIS has it; an object that enters too late to be scored
    is left out.

    Args:
        truth: (T, H, W) object numbers of the annotated frames, T at least 3.
        prediction: (T, H, W) object numbers of the same frames.
    """
    scores = {}
    for number in np.unique(truth[(truth > 0) & (truth != VOID)]).tolist():
        true = truth == number
        after = int(true.any(axis=(1, 2)).argmax()) + 1
        if after < len(truth) - 1:
            scores[int(number)] = _score_object(true[after:-1], prediction[after:-1] == number)
    return scores


def score_video(truth: LabelArray, prediction: LabelArray) -> dict[int, ObjectScores]:
    """The semi-supervised DAVIS score: objects of the first frame, without the first and the last frame.

    Args:
        truth: (T, H, W) object numbers, T at least 3.
        prediction: (T, H, W) object numbers.
    """
    first = truth[0]
    objects = int(first[first != VOID].max(initial=0))
    return score_objects(truth[1:-1], prediction[1:-1], objects)


def summarize(scores: Mapping[str, ObjectScores]) -> dict[str, float]:
    """Means over objects of mean, recall and decay of J and F, and J&F, as shares of 1.

    Args:
        scores: per object of all sequences together.
    """
    summary = {}
    for letter in ("j", "f"):
        per_object = [statistics(getattr(score, letter)) for score in scores.values()]
        for name in ("mean", "recall", "decay"):
            summary[f"{letter}_{name}"] = float(np.mean([getattr(entry, name) for entry in per_object]))
    return {"jf_mean": (summary["j_mean"] + summary["f_mean"]) / 2, **summary}


def davis_scores(videos: Mapping[str, tuple[LabelArray, LabelArray]]) -> dict[str, float]:
    """J&F of masks of one's own, as DAVIS scores them: over all objects of all videos.

    Args:
        videos: by name the truth and the prediction, both (T, H, W) uint8 object numbers, 0 for the background; T is at
            least 3, for the first and the last frame are not scored.

    Returns:
        `jf_mean`, and mean, recall and decay of J and F, as shares of 1.

    Raises:
        ValueError: no video, shapes that differ, or a first frame without an object.
    """
    objects: dict[str, ObjectScores] = {}
    for name, (truth, prediction) in videos.items():
        if truth.shape != prediction.shape or truth.ndim != 3 or len(truth) < 3:
            raise ValueError(
                f"video {name}: truth {truth.shape} and prediction {prediction.shape}; give (T, H, W) twice"
            )
        scores = score_video(truth, prediction)
        if not scores:
            raise ValueError(f"video {name}: the first frame of the truth holds no object")
        objects |= {f"{name}_{number}": each for number, each in scores.items()}
    if not objects:
        raise ValueError("there is no video to score; give at least one")
    return summarize(objects)
