"""Stored features of a split with their labels, as the classifiers on frozen features want them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.setting_groups import LabeledImagesSettings
from dinobench.features.maps import MapSettings
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.names import names_maps
from dinobench.features.store import FeatureStore
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import agree
from dinobench.runtime.text import first_few

_NAMED = 5  # unreadable images that a message names


@dataclass(frozen=True)
class LabeledFeatures:
    """Features of the readable images of a split.

    Attributes:
        matrix: (N, D).
        labels: (N,) int64.
        names: identity of each image, N.
        classes: class names.
        skipped: a line for the record where images could not be read, else empty.
    """

    matrix: FeatureMatrix
    labels: Tensor
    names: tuple[str, ...]
    classes: tuple[str, ...]
    skipped: str


def require_labels(context: EvaluationContext[Any], images: ImageSet) -> None:
    """InputError where an image has no label."""
    if not images.labeled:
        raise InputError(
            f"{images.name} of {context.data} has images without label, and {context.task} needs one for each; "
            "name labeled images with --data"
        )


def labeled_features(
    context: EvaluationContext[LabeledImagesSettings], split: str, feature: str = "cls", *, tested: bool = False
) -> LabeledFeatures:
    """Features of a split from the store, extracted where they are not there yet.

    Args:
        context: whose data and model.
        split: of the data.
        feature: see `dinobench.features.names`.
        tested: whether these are the images to score, of which a rescoring takes a part, from pixels.

    Raises:
        InputError: an image without label, or one that cannot be read unless the setting `unreadable` is "skip".
    """
    images = context.dataset(split)
    require_labels(context, images)
    part = bool(tested and context.rescoring)
    images = images.subset(context.scored_rows(len(images))) if part else images
    with context.clock.phase(f"features of {split}"):
        matrix = stored_matrix(context, None if part else split, images, feature, tested=tested)
    _note_zeros(context, images, matrix)
    skipped = skipped_line(images, matrix.unreadable)
    reasons = reasons_line(images, matrix.unreadable)
    if skipped and context.settings.unreadable != "skip":
        raise InputError(f"{skipped}; repair or remove them, or leave them out with --set unreadable=skip ({reasons})")
    skipped = skipped and f"{skipped} ({reasons})"
    names = tuple(images.names[row] for row in matrix.rows.tolist())
    return LabeledFeatures(matrix, torch.from_numpy(images.labels[matrix.rows]), names, images.classes, skipped)


def _note_zeros(context: EvaluationContext[Any], images: ImageSet, matrix: FeatureMatrix) -> None:
    """Features of zeros alone are told: they are like no other image, whatever it shows."""
    for column, count in matrix.zero.items():
        context.notes.append(
            f"the model's {column} is zero throughout for {count} of {len(matrix)} images of {images.name}; check it"
        )


def stored_matrix(
    context: EvaluationContext[Any],
    split: str | None,
    images: ImageSet,
    feature: str,
    *,
    tested: bool = False,
    kept: MapSettings | None = None,
) -> FeatureMatrix:
    """The store's features of `images`, which are a whole split of the context or, with None, a part of one.

    A rescoring computes those that are `tested` anew. `kept` says in which numbers and of what input maps are.
    """
    manifest = context.manifests[split].sha256 if split else None
    store = FeatureStore(context.fresh_features if tested else None)
    if names_maps(feature):
        matrix = store.maps(context.model, images, feature, context.extraction, manifest, kept)
    else:
        matrix = store.features(context.model, images, feature, context.extraction, manifest)
    agree(sorted(matrix.unreadable), f"which images of {images.name} cannot be read", "give all the same cache folder")
    return matrix


def whole_matrix(
    context: EvaluationContext[Any],
    split: str,
    images: ImageSet,
    feature: str,
    *,
    tested: bool = False,
    kept: MapSettings | None = None,
) -> FeatureMatrix:
    """The store's features of images of a split, of which none may be left out.

    Args:
        context: whose model.
        split: of which they are: the whole, or a part.
        images: to be read.
        feature: see `dinobench.features.names`.
        tested: whether a rescoring computes them anew.
        kept: of maps, their numbers and input.

    Raises:
        InputError: an image that cannot be read.
    """
    whole = len(images) == context.manifests[split].images
    with context.clock.phase(f"features of {split}"):
        matrix = stored_matrix(context, split if whole else None, images, feature, tested=tested, kept=kept)
    if line := skipped_line(images, matrix.unreadable):
        raise InputError(f"{line} ({reasons_line(images, matrix.unreadable)}); repair them")
    return matrix


def rows_by_name(asked: LabeledFeatures, found: LabeledFeatures) -> Tensor:
    """(len(asked),) where each image of `asked` stands in `found`, of which it is a part."""
    if asked is found:
        return torch.arange(len(found.labels))
    places = {name: row for row, name in enumerate(found.names)}
    return torch.tensor([places[name] for name in asked.names], dtype=torch.int64)


def require_same_classes(train: LabeledFeatures, test: LabeledFeatures) -> None:
    """Refuse splits whose classes differ, which would compare labels of different meaning.

    Raises:
        InputError: they differ.
    """
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))
        what = f"for example {odd[0]}" if odd else "in order"
        raise InputError(f"train has {len(train.classes)} classes and val {len(test.classes)}, and they differ, {what}")


def reasons_line(images: ImageSet, unreadable: Mapping[int, str]) -> str:
    """Why images cannot be read and what to do, each reason once with the first image that it holds for."""
    reasons: dict[str, str] = {}
    for index, line in unreadable.items():
        name = images.names[index]
        reasons.setdefault(line.partition(name)[2].lstrip(": ") or line, name)
    return "; ".join(f"{name}: {reason}" for reason, name in list(reasons.items())[:_NAMED])


def skipped_line(images: ImageSet, unreadable: Mapping[int, str]) -> str:
    """How many of the images could not be read, by index, and the names of the first; empty if none."""
    if not unreadable:
        return ""
    names = first_few([images.names[index] for index in unreadable], _NAMED)
    return f"{len(unreadable)} of {len(images)} images of {images.name} cannot be read: {names}"
