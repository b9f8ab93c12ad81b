"""RankMe, alpha-ReQ, LiDAR, uniformity and alignment of a model's features on images of any folder."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.labeled_features import reasons_line, skipped_line, stored_matrix
from dinobench.evaluators.common.samples import draw_images
from dinobench.evaluators.common.views import Views
from dinobench.evaluators.label_free.settings import Settings
from dinobench.features.extract import feature_batches
from dinobench.features.loading import in_chunks
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.names import parse_feature
from dinobench.metrics import spectrum
from dinobench.metrics.bootstrap import interval
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.parquet_files import write_columns
from dinobench.runtime.processes import gather_objects, own_share

Spectra = dict[str, spectrum.FloatArray]
"""Numbers by the measure that is computed from them."""


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Every measure of every feature of the settings: all of one image come from one forward pass.

    Metric names: `rankme`, `alpha`, `uniformity`, `lidar` and `alignment` of the first feature; those of the others
    end in its name, such as `rankme_cls.2`. The folder's training images are taken, or all where it has no splits.
    Writes predictions.parquet (of every image) and spectra.parquet, from which the figures can be computed again.

    Raises:
        InputError: fewer than two images, or one that cannot be read unless `unreadable` is "skip".
    """
    settings = context.settings
    images = draw_images(context.dataset("train"), settings.samples, context.seed)
    if len(images) < 2:
        raise InputError(f"{images.name} holds {len(images)} image; measures of a spectrum need at least two")
    if context.rescoring:
        return _score_images_again(context, images)
    matrix = _features(context, images)
    scores = Scores({}, images={"train": len(matrix)})
    viewed = images.subset(matrix.rows[: settings.view_images])
    scores.values["feature_length"] = _lengths(matrix, settings)
    views = _view_features(context, viewed, np.arange(len(viewed))) if settings.views else {}
    spectra: list[tuple[str, float]] = []
    for feature in settings.features:
        suffix = "" if feature == settings.features[0] else f"_{feature}"
        kept = _add_spectrum(scores, matrix.only(feature).tensor(), suffix, settings)
        if views:
            kept |= _add_views(scores, views[feature], len(matrix), suffix, settings.delta)
        spectra += [(f"{name}{suffix}", float(value)) for name, values in kept.items() for value in values]
    scores.details["view_images"] = len(viewed) if views else 0
    write_columns(context.predictions_file, {"image": [images.names[row] for row in matrix.rows], **scores.values})
    path = context.output / "spectra.parquet"
    write_columns(path, dict(zip(("measure", "value"), zip(*spectra, strict=True), strict=True)))
    scores.files += [str(context.predictions_file), str(path)]
    return scores


def _lengths(matrix: FeatureMatrix, settings: Settings) -> spectrum.FloatArray:
    """(N,) lengths of the first feature."""
    lengths: spectrum.FloatArray = matrix.only(settings.features[0]).tensor().double().norm(dim=1).cpu().numpy()
    return lengths


def _score_images_again(context: EvaluationContext[Settings], images: ImageSet) -> Scores:
    """What single images give, of a part of them: measures of a spectrum are of all images together."""
    settings, rows = context.settings, context.scored_rows(len(images))
    matrix = _features(context, images.subset(rows))
    scores = Scores({}, values={"feature_length": _lengths(matrix, settings)})
    seen = rows[rows < settings.view_images] if settings.views else rows[:0]
    views = _view_features(context, images, seen) if len(seen) and not matrix.unreadable else {}
    for feature, each in views.items():
        suffix = "" if feature == settings.features[0] else f"_{feature}"
        _add_views(scores, each, len(matrix), suffix, settings.delta)
    names = [images.names[row] for row in rows[matrix.rows]]
    write_columns(context.predictions_file, {"image": names, **scores.values})
    scores.files.append(str(context.predictions_file))
    return scores


def _features(context: EvaluationContext[Settings], images: ImageSet) -> FeatureMatrix:
    """Stored features of the images; says or refuses what cannot be read."""
    everything = "+".join(context.settings.features)
    with context.clock.phase("features"):
        matrix = stored_matrix(context, None, images, everything, tested=True)
    if skipped := skipped_line(images, matrix.unreadable):
        line = f"{skipped} ({reasons_line(images, matrix.unreadable)})"
        if context.settings.unreadable != "skip":
            raise InputError(f"{line}; repair or remove them, or leave them out with --set unreadable=skip")
        context.notes.append(line)
    return matrix


def _view_features(
    context: EvaluationContext[Settings], images: ImageSet, rows: NDArray[np.int64]
) -> dict[str, Tensor]:
    """(n, q, D) features of q views of the images of `rows`, by the feature's name; processes share them.

    Whole batches are dealt: the last bits of a feature follow the size of its batch.
    """
    settings = context.settings
    names = {feature: parse_feature(feature) for feature in settings.features}
    columns = tuple(dict.fromkeys(column for each in names.values() for column in each))
    network = context.extractor(columns)
    batches_of_all = in_chunks(rows, context.batch_size)
    share = own_share(len(batches_of_all))
    chunks = batches_of_all[share.start : share.stop]
    found: list[list[Tensor]] = []
    for number in progress(range(settings.views), "views", settings.views):
        view = Views(settings, network.transform.size, network.transform.interpolation, context.seed, number)
        with context.clock.phase("views"):
            batches = list(feature_batches(network, images, chunks, context.workers, view.preparation))
        found.append([torch.cat([batch.columns[column] for batch in batches]) for column in columns] if batches else [])
    shares = gather_objects([torch.stack(each, 1) for each in zip(*found, strict=True)], "features of views")
    whole = dict(zip(columns, (torch.cat(each) for each in zip(*filter(None, shares), strict=True)), strict=True))
    return {feature: torch.cat([whole[column] for column in each], 2) for feature, each in names.items()}


def _add_spectrum(scores: Scores, features: Tensor, suffix: str, settings: Settings) -> Spectra:
    """The figures of a feature, and the numbers from which they follow."""
    if not features.any():
        raise InputError("the model's features are zero throughout; check its weights")
    singular, terms = spectrum.singular_values(features), spectrum.uniformity_terms(features)
    scores.metrics[f"rankme{suffix}"] = spectrum.effective_rank(singular)
    scores.metrics[f"uniformity{suffix}"] = spectrum.log_mean(terms)
    eigenvalues = spectrum.covariance_eigenvalues(features)
    kept = {"rankme": singular, "uniformity": terms, "alpha": eigenvalues}
    scores.details[f"eigenvalues{suffix}"] = eigenvalues[: settings.last_rank].tolist()
    try:
        alpha = spectrum.decay_exponent(eigenvalues, settings.first_rank, settings.last_rank)
    except ValueError as error:
        scores.warnings.append(f"no alpha{suffix}: {error}; lower first_rank, or give more images")
        return kept
    scores.metrics[f"alpha{suffix}"] = alpha
    return kept


def _add_views(scores: Scores, views: Tensor, images: int, suffix: str, delta: float) -> Spectra:
    """LiDAR of all views; alignment of the first two, with its interval over images, the first of `images`."""
    distances = spectrum.alignment(views[:, 0], views[:, 1])
    scores.metrics[f"alignment{suffix}"] = float(distances.mean())
    scores.intervals[f"alignment{suffix}"] = interval(distances)
    scores.values[f"alignment{suffix}"] = np.append(distances, np.full(images - len(distances), np.nan))
    try:
        values = spectrum.lidar_spectrum(views, delta)
        scores.metrics[f"lidar{suffix}"] = spectrum.effective_rank(values)
    except ValueError:
        scores.warnings.append(f"no lidar{suffix}: all images have the same features")
        return {}
    return {"lidar": values}
