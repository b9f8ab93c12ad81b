"""Recognition of instances with queries of none: the Met dataset's GAP, GAP without distractors, and accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinobench.data.dataset import UNLABELED, ImageSet
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.labeled_features import require_labels, whole_matrix
from dinobench.evaluators.common.ranking.per_query import save_per_query
from dinobench.evaluators.common.search import Bank, RowsInMemory, search
from dinobench.evaluators.instance_recognition.settings import Settings
from dinobench.metrics.recognition import (
    Recognized,
    recognition_figures,
    recognition_intervals,
    recognize,
)
from dinobench.metrics.search.neighbors import Neighbors
from dinobench.metrics.whitening import Whitening, learn_whitening
from dinobench.runtime.errors import InputError
from dinobench.runtime.parquet_files import write_columns


@dataclass(frozen=True, eq=False)
class Gallery:
    """Training features that are searched.

    Attributes:
        bank: (N, D) rows.
        labels: (N,) classes.
        classes: how many there are.
        whitening: of queries too; None for none.
    """

    bank: Bank
    labels: NDArray[np.int64]
    classes: int
    whitening: Whitening | None

    def rows(self, features: Tensor) -> Tensor:
        """(M, D) features as the bank has them."""
        if self.whitening is None:
            return features
        return torch.from_numpy(self.whitening.apply(features.double().numpy())).float()


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """`gap` of all queries, `gap_known` and `top1` of those that show a known thing, in percent.

    GAP is the mean precision at the right answers, all answers by falling confidence. k and sharpness are those with
    the best GAP on the split "val". Writes predictions.parquet and answers.parquet, from which the figures follow.

    Raises:
        InputError: training images without label, no query of a known thing, or more dimensions than there are.
    """
    settings = context.settings
    gallery = _gallery(context)
    scores = Scores({}, images={"train": len(gallery.labels)})
    choices = list(product(settings.ks, settings.sharpness))
    if max(settings.ks) > len(gallery.labels):
        raise InputError(f"k = {max(settings.ks)} of {len(gallery.labels)} training images; give less with --set ks=1")
    chosen = choices[0] if len(choices) == 1 else _choose(context, gallery, choices, scores)
    scores.details |= {"k": chosen[0], "sharpness": chosen[1]}
    images = context.dataset(settings.split)
    rows = context.scored_rows(len(images))
    tested = images.subset(rows)
    near = _neighbors(context, gallery, settings.split, tested if context.rescoring else images, chosen[0], tested=True)
    labels = tested.labels
    answer = recognize(*_first(near, gallery, chosen[0]), chosen[1], gallery.classes)
    scores.images[settings.split] = len(images)
    _add_figures(context, scores, tested.names, labels, answer, images.classes)
    return scores


def _gallery(context: EvaluationContext[Settings]) -> Gallery:
    settings, images = context.settings, context.dataset("train")
    require_labels(context, images)
    matrix = whole_matrix(context, "train", images, settings.feature)
    classes = len(np.unique(images.labels))
    if not settings.whitened:
        return Gallery(matrix, images.labels, classes, None)
    features = matrix.tensor()
    try:
        whitening = learn_whitening(features.numpy(), dim=settings.whitened, floor=0.0)
    except ValueError as error:
        raise InputError(f"{error}; give another --set whitened=...") from error
    bank = torch.from_numpy(whitening.apply(features.double().numpy())).float()
    return Gallery(RowsInMemory(bank), images.labels, classes, whitening)


def _neighbors(
    context: EvaluationContext[Settings],
    gallery: Gallery,
    split: str,
    images: ImageSet,
    k: int,
    *,
    tested: bool = False,
) -> Neighbors:
    matrix = whole_matrix(context, split, images, context.settings.feature, tested=tested)
    with context.clock.phase("search"):
        return search(gallery.rows(matrix.tensor()), gallery.bank, k, context.settings.search, context.device)


def _first(near: Neighbors, gallery: Gallery, k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Similarities of the first k neighbors, and their classes."""
    return near.similarities[:, :k].double().cpu().numpy(), gallery.labels[near.indices[:, :k].cpu().numpy()]


def _choose(
    context: EvaluationContext[Settings], gallery: Gallery, choices: list[tuple[int, float]], scores: Scores
) -> tuple[int, float]:
    """The k and sharpness with the best GAP on the split val, the first of several."""
    images = context.dataset("val")
    near = _neighbors(context, gallery, "val", images, max(k for k, _ in choices))
    known = images.labels != UNLABELED
    if not known.any():
        raise InputError(f"no photo of {images.name} shows a known thing; give one value of ks and of sharpness")
    found = []
    for k, sharpness in choices:
        answer = recognize(*_first(near, gallery, k), sharpness, gallery.classes)
        found.append(recognition_figures(answer.predicted == images.labels, answer.confidence, known)["gap"])
    scores.images["val"] = len(images)
    scores.details["val_gap"] = 100 * max(found)
    return choices[int(np.argmax(found))]


def _add_figures(
    context: EvaluationContext[Settings],
    scores: Scores,
    names: tuple[str, ...],
    labels: NDArray[np.int64],
    answer: Recognized,
    classes: tuple[str, ...],
) -> None:
    known, correct = labels != UNLABELED, answer.predicted == labels
    if not known.any() and not context.rescoring:
        raise InputError(f"no photo of {context.settings.split} of {context.data} shows a known thing; check its list")
    for name, value in recognition_figures(correct, answer.confidence, known).items():
        scores.metrics[name] = 100 * value
    for name, (low, high) in recognition_intervals(correct, answer.confidence, known, seed=context.seed).items():
        scores.intervals[name] = (100 * low, 100 * high)
    scores.details["distractors"] = int((~known).sum())
    path = context.output / "answers.parquet"
    columns = {"predicted": [classes[found] for found in answer.predicted], "confidence": answer.confidence}
    write_columns(path, {"image": list(names), "known": known, "correct": correct, **columns})
    save_per_query(
        scores,
        context.predictions_file,
        names,
        [100.0 * right if k else None for right, k in zip(correct, known, strict=True)],
    )
    scores.files.append(str(path))
