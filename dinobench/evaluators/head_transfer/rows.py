"""Rows of a head by ImageNet's classes, and which of them are right for an image."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from dinobench.data.content import digest_of_files
from dinobench.data.dataset import ImageSet
from dinobench.data.imagenet_classes import real_labels, wnids
from dinobench.data.registry import get_layout
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.head_transfer.settings import HeadSettings
from dinobench.evaluators.linear.evaluate import usual_feature
from dinobench.evaluators.linear.head_file import load_head
from dinobench.evaluators.linear.heads import LinearHead
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

_NUMBER = re.compile(r"val_(\d{8})")


@dataclass(frozen=True)
class NamedHead:
    """A classifier whose rows are known by name.

    Attributes:
        scores: from features (N, D) to (N, C), -inf where a row may not be chosen.
        feature: that it reads.
        row: of each wnid.
    """

    scores: Callable[[Tensor], Tensor]
    feature: str
    row: Mapping[str, int]


def read_head(context: EvaluationContext[Any], scores: Scores) -> NamedHead:
    """The head of the settings; its digest and its order go into the record.

    Raises:
        InputError: no head, or one whose rows are of no known class.
    """
    settings: HeadSettings = context.settings
    if not settings.head:
        raise InputError(
            f"{context.task} scores a head that was trained on ImageNet: give --set head=FILE, such as the "
            "head.safetensors of a run of task linear"
        )
    path, model = Path(settings.head), context.model
    file = load_head(path)
    asked = next((name for name in settings.features if name != "auto"), "")
    feature = file.feature_for(asked, usual_feature(model.architecture, model.backbone)[0], model.backbone.dim)
    head, order = file.concatenated(feature, settings.head_order, model.family)
    names = file.rows.names or (wnids() if len(head.weight) == len(wnids()) else ())
    if not set(names) & set(wnids()):
        raise InputError(
            f"{path} has {len(head.weight)} rows that are not classes of ImageNet; give a head trained on its 1000 "
            "classes, or put their names beside it in classes.txt"
        )
    source = file.rows.source or "the order of ImageNet's class names"
    scores.details |= {"head": str(path), "feature": feature, "order": order, "rows_by": source}
    scores.deviations["head_digest"] = digest_of_files([path])
    return NamedHead(partial(_head_scores, context, feature, head), feature, rows_of(names))


def rows_of(names: Sequence[str]) -> dict[str, int]:
    """The row of each class."""
    return {name: row for row, name in enumerate(names)}


def accepted_rows(
    images: ImageSet, rows: Sequence[int], layout: str, labels: str, head: NamedHead
) -> list[tuple[int, ...]]:
    """The head's rows that are right for each image that was read; none where the image counts for nothing.

    Args:
        images: the set.
        rows: indices of the images that could be read.
        layout: of the data.
        labels: "folders" or "real".
        head: whose rows are asked for.

    Raises:
        InputError: a class that the head does not know, or images that are not ImageNet's validation images.
    """
    if labels == "real":
        found = {index: tuple(wnids()[label] for label in _real_of(images.names[index])) for index in rows}
    else:
        of_class = getattr(get_layout(layout), "accepted_wnids", _own_names)(images)
        found = {index: of_class[images.classes[int(images.labels[index])]] for index in rows}
    unknown = sorted({name for names in found.values() for name in names} - set(head.row))
    if unknown:
        raise InputError(
            f"the head does not cover {len(unknown)} classes of {images.name} ({first_few(unknown)}); give a head that "
            "was trained on all of ImageNet's classes"
        )
    return [tuple(head.row[name] for name in found[index]) for index in rows]


def _own_names(images: ImageSet) -> Mapping[str, tuple[str, ...]]:
    return {name: (name,) for name in images.classes}


def _real_of(name: str) -> tuple[int, ...]:
    match = _NUMBER.search(PurePosixPath(name).name)
    if match is None or not 0 < int(match[1]) <= len(real_labels()):
        raise InputError(f"{name} is not one of ImageNet's validation images (ILSVRC2012_val_00000001.JPEG and so on)")
    return real_labels()[int(match[1]) - 1]


def _head_scores(context: EvaluationContext[Any], feature: str, head: LinearHead, features: Tensor) -> Tensor:
    """(N, C) of features (N, D); InputError where the head reads another number of features."""
    if features.shape[1] != head.weight.shape[1]:
        raise InputError(
            f"{context.settings.head} reads {head.weight.shape[1]} numbers per image, but feature {feature} of "
            f"{context.model.name} has {features.shape[1]}; name the head's feature with --set features=..."
        )
    return head.scores(features)


def correct_images(scores: Tensor, accepted: Sequence[tuple[int, ...]], among: Sequence[int], top: int) -> Tensor:
    """(N,) bool: whether one of the `top` rows among `among` with the highest scores is right.

    Args:
        scores: (N, C) of the head.
        accepted: right rows of each image.
        among: rows that may be chosen.
        top: how many count.
    """
    allowed = torch.tensor(sorted(among))
    best = scores[:, allowed].topk(min(top, len(allowed)))
    chosen = allowed[best.indices].masked_fill(best.values == -torch.inf, -1)
    right = [bool(set(row) & set(names)) for row, names in zip(chosen.tolist(), accepted, strict=True)]
    return torch.tensor(right, dtype=torch.bool)
