"""Mean average precision over the classes of images that may hold several (paper, Table 10, column VOC07)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.labeled_features import whole_matrix
from dinobench.evaluators.common.layout_readers import layout_reader, note_annotations
from dinobench.evaluators.common.search import search
from dinobench.evaluators.multi_label.settings import Settings
from dinobench.features.matrix import FeatureMatrix
from dinobench.metrics.average_precision import average_precision, eleven_point_precision, map_interval, mean_of_known
from dinobench.metrics.logistic import fit_logistic
from dinobench.runtime.errors import InputError
from dinobench.runtime.parquet_files import write_columns

LabelReader = Callable[[ImageSet], NDArray[np.int8]]


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Mean over classes of the average precision on the validation split, in percent; `map_11` by VOC 2007's 11 places.

    Writes predictions.parquet, the score and the label of every class for every image.

    Images in which only objects called difficult are of a class count neither for nor against it. A class without a
    training or a test image is left out, and said.

    Raises:
        InputError: data without labels of several classes, or an image that cannot be read.
    """
    train, test = context.dataset("train"), context.dataset("val")
    read = _label_reader(context, train)
    known, truth = read(train), read(test)
    note_annotations(context, "labels", train, test)
    rows = context.scored_rows(len(test))
    feature = context.settings.feature
    features = whole_matrix(context, "train", train, feature)
    queries = whole_matrix(context, "val", test.subset(rows), feature, tested=True)
    scores = Scores({}, images={"train": len(train), "val": len(test)})
    with context.clock.phase("classifier"):
        found = (_votes if context.settings.classifier == "knn" else _regressions)(context, features, known, queries)
    present = (known == 1).any(0) & (truth == 1).any(0)
    if not present.any():
        raise InputError(f"no class of {context.data} has both a training and a test image; check its lists")
    if absent := [name for name, there in zip(train.classes, present, strict=True) if not there]:
        scores.warnings.append(
            f"{len(absent)} classes without a training or a test image are left out: {absent[0]} ..."
        )
    classes = np.array(train.classes)[present].tolist()
    truth = truth[rows]
    _add_figures(scores, found[:, present], truth[:, present], classes, context.seed)
    columns = {f"score:{name}": each for name, each in zip(classes, found[:, present].T, strict=True)}
    columns |= {f"truth:{name}": each for name, each in zip(classes, truth[:, present].T, strict=True)}
    write_columns(context.predictions_file, {"image": [test.names[row] for row in rows], **columns})
    scores.files.append(str(context.predictions_file))
    return scores


def _label_reader(context: EvaluationContext[Any], images: ImageSet) -> LabelReader:
    lacks = "no lists of several classes"
    read: LabelReader = layout_reader(context, images, "image_labels", lacks, "voc07_labels")
    return read


def _votes(
    context: EvaluationContext[Settings], features: FeatureMatrix, known: NDArray[np.int8], queries: FeatureMatrix
) -> NDArray[np.float64]:
    """(M, C) sums of exp(cosine / temperature) of the neighbors that hold a class."""
    settings = context.settings
    k = min(settings.k, len(features))
    near = search(queries.tensor(), features, k, settings.search, context.device)
    weights = torch.exp(near.similarities / settings.temperature).cpu()
    holds = torch.from_numpy(known == 1).double()
    found: NDArray[np.float64] = torch.einsum("mk,mkc->mc", weights.double(), holds[near.indices.cpu()]).numpy()
    return found


def _regressions(
    context: EvaluationContext[Settings], features: FeatureMatrix, known: NDArray[np.int8], queries: FeatureMatrix
) -> NDArray[np.float64]:
    """(M, C) log odds by one regression for each class, on l2-normalized features."""
    rows, asked = (normalize(each.tensor(), dim=1).to(context.device) for each in (features, queries))
    columns = [_one_class(context.settings, rows, torch.from_numpy(column), asked) for column in known.T]
    found: NDArray[np.float64] = torch.stack(columns, 1).double().cpu().numpy()
    return found


def _one_class(settings: Settings, rows: Tensor, labels: Tensor, asked: Tensor) -> Tensor:
    """(M,) log odds; zeros where no training image holds the class, or all do."""
    counted = (labels != 0).to(rows.device)
    positive = (labels == 1).to(rows.device)[counted].long()
    if positive.min() == positive.max():
        return torch.zeros(len(asked), device=asked.device)
    fit = fit_logistic(
        rows[counted],
        positive,
        2,
        penalty=settings.penalty,
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
    )
    return asked @ (fit.weight[1] - fit.weight[0])


def _add_figures(
    scores: Scores, found: NDArray[np.float64], truth: NDArray[np.int8], classes: list[str], seed: int
) -> None:
    columns = list(zip(found.T, truth.T, strict=True))
    by_class = np.array([average_precision(*column) for column in columns])
    scores.metrics["map"] = 100 * mean_of_known(by_class)
    low, high = map_interval(found, truth, seed=seed)
    scores.intervals["map"] = (100 * low, 100 * high)
    scores.metrics["map_11"] = 100 * mean_of_known(np.array([eleven_point_precision(*column) for column in columns]))
    scores.details["average_precision"] = dict(zip(classes, (100 * by_class).tolist(), strict=True))
