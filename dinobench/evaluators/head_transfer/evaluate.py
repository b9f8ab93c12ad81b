"""Accuracy of a head trained on ImageNet on other images of its classes: ReaL, V2, A, R, Sketch, ObjectNet."""

from __future__ import annotations

import torch

from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.labeled_features import reasons_line, skipped_line, stored_matrix
from dinobench.evaluators.common.ranking.per_query import add_share, save_per_query
from dinobench.evaluators.head_transfer.classifiers import find_classifier
from dinobench.evaluators.head_transfer.rows import accepted_rows, correct_images
from dinobench.evaluators.head_transfer.settings import Settings
from dinobench.runtime.errors import InputError

_TOPS = (1, 5)


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Top-1 and top-5 in percent: an image is right if any of its classes is; images without a class are left out.

    Writes predictions.parquet (1 where the first is right).

    Raises:
        InputError: no head, or one that does not cover the data's classes.
    """
    settings = context.settings
    scores = Scores({})
    head = find_classifier(context, scores)
    everything = context.dataset(settings.split)
    part = context.rescoring is not None
    images = everything.subset(context.scored_rows(len(everything))) if part else everything
    with context.clock.phase(f"features of {settings.split}"):
        matrix = stored_matrix(context, None if part else settings.split, images, head.feature, tested=True)
    if line := skipped_line(images, matrix.unreadable):
        if settings.unreadable != "skip":
            raise InputError(
                f"{line} ({reasons_line(images, matrix.unreadable)}); repair them, or --set unreadable=skip"
            )
        scores.warnings.append(line)
        scores.not_comparable.append(line)
    rows = matrix.rows.tolist()
    accepted = accepted_rows(images, rows, context.layout, settings.labels, head)
    counted = [place for place, names in enumerate(accepted) if names]
    if not counted:
        raise InputError(f"no image of {images.name} has a class of ImageNet; check the data")
    if left_out := len(accepted) - len(counted):
        scores.details["without_class"] = left_out
    features = matrix.only(head.feature).tensor()[torch.tensor(counted)]
    right = [accepted[place] for place in counted]
    among = {row for names in right for row in names} if settings.among == "data" else set(head.row.values())
    logits = head.scores(features)
    scores.images[settings.split] = len(everything)
    scores.details |= {"scored": len(counted), "chosen_among": len(among)}
    for top in _TOPS:
        hits = correct_images(logits, right, sorted(among), top).double().numpy()
        add_share(scores, f"top{top}", hits, context.seed)
    if settings.predictions:
        names = [images.names[rows[place]] for place in counted]
        save_per_query(scores, context.predictions_file, names, scores.values["top1"].tolist())
    return scores
