"""Errors of ImageNet's head on ImageNet-C, by corruption and severity, and their mean over AlexNet's (mCE)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinobench.data.layouts.imagenet_c import SEVERITIES, corruptions
from dinobench.data.open import dataset_root
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.labeled_features import labeled_features
from dinobench.evaluators.corruption_errors.settings import Settings
from dinobench.evaluators.head_transfer.classifiers import find_classifier
from dinobench.evaluators.head_transfer.rows import NamedHead, accepted_rows, correct_images
from dinobench.metrics.corruptions import ALEXNET, mean_accuracy, mean_corruption_error
from dinobench.runtime.errors import InputError
from dinobench.runtime.parquet_files import write_columns


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """`accuracy`, the mean over corruptions and severities in percent, and `mce`, the lower the better, where all are.

    Writes corruptions.parquet, the share of wrong images of each corruption and severity.

    Raises:
        InputError: no head, one that does not cover the data's classes, or no corruption.
    """
    scores = Scores({})
    head = find_classifier(context, scores)
    found = corruptions(dataset_root(context.data))
    if not found:
        raise InputError(f"{context.data} has no corruption; `dinobench data check imagenet-c` prints the tree")
    errors = {name: _errors_of(context, name, head, scores) for name in found}
    means = {name: float(np.mean(list(each.values()))) for name, each in errors.items()}
    scores.metrics["accuracy"] = mean_accuracy(means)
    if missing := sorted(set(ALEXNET) - set(means)):
        line = f"{len(missing)} of the 15 corruptions of the mean corruption error are missing: {', '.join(missing)}"
        scores.warnings.append(line)
        scores.not_comparable.append(line)
    else:
        scores.metrics["mce"] = mean_corruption_error(means)
    scores.details["error_of_corruption"] = {name: 100 * mean for name, mean in means.items()}
    _save(context, scores, errors)
    return scores


def _errors_of(
    context: EvaluationContext[Settings], corruption: str, head: NamedHead, scores: Scores
) -> dict[str, float]:
    """Share of wrong images by severity."""
    found = {}
    for severity in SEVERITIES:
        split = f"{corruption}/{severity}"
        wrong = _wrong_images(context, split, head)
        scores.images[split] = len(wrong)
        found[severity] = float(wrong.mean())
    return found


def _wrong_images(context: EvaluationContext[Settings], split: str, head: NamedHead) -> NDArray[np.bool_]:
    images = context.dataset(split)
    features = labeled_features(context, split, head.feature)
    place = {name: index for index, name in enumerate(images.names)}
    accepted = accepted_rows(images, [place[name] for name in features.names], context.layout, "folders", head)
    logits = head.scores(features.matrix.only(head.feature).tensor())
    right: NDArray[np.bool_] = correct_images(logits, accepted, sorted(head.row.values()), 1).numpy()
    return ~right


def _save(context: EvaluationContext[Settings], scores: Scores, errors: dict[str, dict[str, float]]) -> None:
    rows = [(name, severity, error) for name, each in errors.items() for severity, error in each.items()]
    names, severities, values = zip(*rows, strict=True)
    path = context.output / "corruptions.parquet"
    write_columns(path, {"corruption": names, "severity": severities, "error": np.array(values)})
    scores.files.append(str(path))
