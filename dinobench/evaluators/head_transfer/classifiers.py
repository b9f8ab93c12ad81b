"""The classifier that is scored: a head from a file, or one made of ImageNet's training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from dinobench.data.imagenet_classes import wnids
from dinobench.data.manifest import manifest_of
from dinobench.data.open import open_dataset
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.labeled_features import require_labels, whole_matrix
from dinobench.evaluators.common.search import search
from dinobench.evaluators.head_transfer.rows import NamedHead, read_head, rows_of
from dinobench.evaluators.head_transfer.settings import HeadSettings
from dinobench.evaluators.logistic.sharing import shared_fit
from dinobench.features.matrix import FeatureMatrix
from dinobench.metrics.knn import vote_weights
from dinobench.runtime.errors import InputError

_ROLE = "train"  # of ImageNet's training images, in the record
_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class _Taught:
    """Training images: their features (N, D), labels (N,), and how many classes there are."""

    bank: FeatureMatrix
    labels: Tensor
    classes: int


def find_classifier(context: EvaluationContext[HeadSettings], scores: Scores) -> NamedHead:
    """The head of the settings, or a classifier of the training images that they name; all read class tokens then.

    Raises:
        InputError: no head, or no training images, or images that are not of ImageNet's classes.
    """
    settings = context.settings
    if settings.classifier == "head":
        return read_head(context, scores)
    if not settings.train:
        raise InputError(
            f"{context.task} by {settings.classifier} learns from ImageNet's training images: name them with --set "
            "train=FOLDER"
        )
    images = open_dataset(settings.train, "train", "imagefolder")
    require_labels(context, images)
    if strange := sorted(set(images.classes) - set(wnids())):
        raise InputError(
            f"{settings.train} has a class {strange[0]} that is not one of ImageNet's; give ImageNet itself"
        )
    context.manifests[_ROLE] = manifest_of(images)
    feature = next((name for name in settings.features if name != "auto"), "cls")
    labels = torch.from_numpy(images.labels.copy())
    taught = _Taught(whole_matrix(context, _ROLE, images, feature), labels, len(images.classes))
    scores.images[_ROLE] = len(images)
    scores.details |= {"classifier": settings.classifier, "feature": feature}
    make = _votes if settings.classifier == "knn" else _regression
    return NamedHead(make(context, taught), feature, rows_of(images.classes))


def _votes(context: EvaluationContext[HeadSettings], taught: _Taught) -> Callable[[Tensor], Tensor]:
    settings = context.settings

    def scores(features: Tensor) -> Tensor:
        near = search(features, taught.bank, min(settings.k, len(taught.bank)), "auto", context.device)
        weights = vote_weights(near.similarities, settings.temperature).cpu()
        votes = torch.zeros(len(features), taught.classes)
        votes.scatter_add_(1, taught.labels[near.indices.cpu()], weights)
        return votes.masked_fill(votes == 0, -torch.inf)

    return scores


def _regression(context: EvaluationContext[HeadSettings], taught: _Taught) -> Callable[[Tensor], Tensor]:
    rows = normalize(taught.bank.tensor(), dim=1).to(context.device)
    labels, penalty = taught.labels.to(context.device), context.settings.penalty
    with context.clock.phase("logistic regression"):
        fit = shared_fit(rows, labels, taught.classes, penalty=penalty, tolerance=_TOLERANCE)
    weight = fit.weight.cpu()
    return lambda features: normalize(features, dim=1) @ weight.T
