"""Landmark retrieval on revisited Oxford and Paris (paper, section 4.2 and Table 3; Radenovic et al. 2018)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts.revisitop import GROUPS, GroundTruth, ground_truth_file, read_ground_truth, refuse_other_set
from dinobench.data.open import dataset_root
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.ranking.database import Database, Matrix, expanded, finished
from dinobench.evaluators.common.ranking.descriptors import Describer, further_images, thumbnail
from dinobench.evaluators.common.ranking.per_query import save_per_query
from dinobench.evaluators.retrieval.gallery import draw_gallery
from dinobench.evaluators.retrieval.queries import queries_in_database, query_boxes
from dinobench.evaluators.retrieval.settings import Settings
from dinobench.features.preparation import Preparation
from dinobench.metrics.bootstrap import interval
from dinobench.metrics.ranking import SETUPS, Positions, score_setup
from dinobench.metrics.search.neighbors import Neighbors
from dinobench.metrics.whitening import Whitening, learn_whitening
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path, write_text_atomically
from dinobench.runtime.settings import plain

DEPTH = 1000
"""Results kept per query where distractors make a whole ranking too large to keep."""

SHOWN = 10
"""Results per query in rankings.json, for people and the gallery."""


@dataclass(frozen=True)
class _Images:
    """Those of the benchmark."""

    database: ImageSet
    queries: ImageSet


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Rank the database for every query; easy, medium and hard mAP and mP@k, in percent."""
    truth_file = ground_truth_file(dataset_root(context.data), context.dataset_name)
    refuse_other_set(truth_file, context.task)
    truth = read_ground_truth(truth_file)
    context.note_files("ground truth", [truth_file])
    if context.settings.expansion > len(truth.database):
        raise InputError(
            f"expansion = {context.settings.expansion} is more than the {len(truth.database)} images of the database"
        )
    with context.clock.phase("features"):
        truth, images = _scored_queries(context, truth, _Images(context.dataset("database"), context.dataset("query")))
        database, queries = _describe_all(context, truth, images)
    with context.clock.phase("search"):
        if context.settings.expansion:
            found = _nearest_images(context, database, queries, context.settings.expansion)
            queries = expanded(queries, database, found, context.settings.alpha)
        located = locate(database, queries, truth)
        scores = score_positions(located, truth, context.settings.ks)
        _export_rankings(context, database, queries, truth, images, scores)
    if line := queries_in_database(truth, images.database, images.queries):
        scores.warnings.append(line)
    scores.images |= {"database": len(truth.database), "query": len(truth.queries)}
    scores.details["ground_truth"] = truth_file.name
    scores.warnings += _idle_settings(context.settings)
    return scores


def _scored_queries(
    context: EvaluationContext[Settings], truth: GroundTruth, images: _Images
) -> tuple[GroundTruth, _Images]:
    """All queries, or those of a rescoring."""
    rows = context.scored_rows(len(truth.queries))
    asked = replace(
        truth,
        queries=tuple(truth.queries[row] for row in rows),
        boxes=truth.boxes[rows],
        judged=tuple(truth.judged[row] for row in rows),
    )
    return asked, _Images(images.database, images.queries.subset(rows))


def _idle_settings(settings: Settings) -> list[str]:
    """A line for each setting that was changed and does nothing."""
    needs = {
        "whitening_dim": (bool(settings.whitening), "whitening"),
        "whitening_power": (bool(settings.whitening), "whitening"),
        "alpha": (settings.expansion > 0, "expansion"),
        "gem_power": ("gem" in settings.feature.split("+"), "gem in feature"),
    }
    usual, chosen = plain(Settings()), plain(settings)
    return [
        f"{name} = {chosen[name]} changes nothing without {wanted}"
        for name, (acts, wanted) in needs.items()
        if not acts and chosen[name] != usual[name]
    ]


def locate(database: Database, queries: Matrix, truth: GroundTruth) -> list[dict[str, Positions]]:
    """Positions of each query's judged images, by group."""
    judged = [np.concatenate([groups[name] for name in GROUPS]) for groups in truth.judged]
    located = database.positions(queries, judged)
    return [split_groups(positions, groups) for positions, groups in zip(located, truth.judged, strict=True)]


def split_groups(positions: Positions, groups: Mapping[str, NDArray[np.int64]]) -> dict[str, Positions]:
    """Positions of easy, hard and junk images that were located together, in that order."""
    cuts = np.cumsum([len(groups[name]) for name in GROUPS])[:-1]
    return dict(zip(GROUPS, np.split(positions, cuts), strict=True))


def score_positions(located: Sequence[Mapping[str, Positions]], truth: GroundTruth, ks: Sequence[int]) -> Scores:
    """Mean AP and mP@k of every setup, in percent, with the average precision of each query."""
    scores = Scores({}, details={"queries": list(truth.queries), "average_precision": {}})
    for setup in SETUPS:
        result = score_setup(located, setup, ks)
        left_out = [truth.queries[index] for index in np.flatnonzero(~result.counted)]
        if left_out:
            scores.warnings.append(f"{setup}: no positive for {', '.join(left_out)}; left out of the mean")
        if not result.counted.any():
            continue
        scores.metrics[f"{setup}_map"] = 100 * result.mean_ap
        low, high = interval(100 * result.ap[result.counted])
        scores.intervals[f"{setup}_map"] = (low, high)
        scores.values[f"{setup}_map"] = 100 * result.ap
        for k, precision, by_query in zip(ks, result.mean_precision, result.precision.T, strict=True):
            scores.metrics[f"{setup}_mp@{k}"] = 100 * float(precision)
            scores.values[f"{setup}_mp@{k}"] = 100 * by_query
        scores.details["average_precision"][setup] = [None if np.isnan(ap) else 100 * ap for ap in result.ap.tolist()]
    if not scores.metrics:
        raise InputError("no query has a positive image; is it the right ground truth?")
    return scores


def _describe_all(context: EvaluationContext[Settings], truth: GroundTruth, images: _Images) -> tuple[Database, Matrix]:
    settings = context.settings
    describer = Describer(context, settings.feature, settings.gem_power, settings.scales)
    size = settings.image_size or context.model.preprocessing.size
    whole = thumbnail(size)
    asked = thumbnail(size, query_boxes(truth, images.queries)) if settings.crop_query else whole
    if settings.region_whitening:
        regions = describer.region_whitening(further_images(context, settings.region_whitening, "regions"), whole)
        describer = Describer(context, settings.feature, settings.gem_power, settings.scales, regions)
    database = describer.describe(images.database, whole)
    queries = describer.describe(images.queries, asked, tested=True)
    whitening, distractors = _learned_whitening(context, describer, whole), None
    if settings.distractors:
        distractors = describer.describe(further_images(context, settings.distractors, "distractors"), whole)
    searched = finished(database.tensor().numpy(), whitening)
    return Database(searched, distractors, whitening), finished(queries.tensor().numpy(), whitening)


def _nearest_images(context: EvaluationContext[Settings], database: Database, queries: Matrix, count: int) -> Neighbors:
    return database.nearest(queries, count, context.settings.search, context.device)


def _learned_whitening(
    context: EvaluationContext[Settings], describer: Describer, preparation: Preparation
) -> Whitening | None:
    settings = context.settings
    if not settings.whitening:
        return None
    images = further_images(context, settings.whitening, "whitening")
    features = describer.describe(images, preparation).tensor().numpy()
    try:
        return learn_whitening(features, dim=settings.whitening_dim or None, power=settings.whitening_power)
    except ValueError as error:
        raise InputError(f"cannot learn whitening from {settings.whitening}: {error}") from error


def _export_rankings(
    context: EvaluationContext[Settings],
    database: Database,
    queries: Matrix,
    truth: GroundTruth,
    images: _Images,
    scores: Scores,
) -> None:
    """Write ranks.npy, as `dinobench score retrieval` reads it, and rankings.json, as the gallery does."""
    depth = min(len(truth.database), DEPTH) if context.settings.distractors else len(truth.database)
    found = _nearest_images(context, database, queries, depth)
    similarities, ids = found.similarities.numpy(), found.indices.numpy()
    with atomic_path(context.output / "ranks.npy") as path, path.open("wb") as stream:
        np.save(stream, ids.T.astype(np.int32))
    rows = [
        _query_ranking(truth, images, query, ids[query, :SHOWN], similarities[query, :SHOWN], scores)
        for query in range(len(queries))
    ]
    content = {"root": str((images.queries.root or dataset_root(context.data)).resolve()), "queries": rows}
    write_text_atomically(context.output / "rankings.json", json.dumps(content, indent=1) + "\n")
    draw_gallery(context.output / "rankings.json", context.output / "gallery.png")
    scores.files += [str(context.output / name) for name in ("ranks.npy", "rankings.json", "gallery.png")]
    medium = scores.details["average_precision"]["medium"]
    save_per_query(scores, context.predictions_file, truth.queries, medium)


def _query_ranking(
    truth: GroundTruth, images: _Images, query: int, ids: NDArray[np.int64], similarities: Matrix, scores: Scores
) -> dict[str, Any]:
    verdicts = {int(image): name for name in GROUPS for image in truth.judged[query][name]}
    return {
        "query": images.queries.names[query],
        "box": truth.boxes[query].tolist(),
        "average_precision": {setup: values[query] for setup, values in scores.details["average_precision"].items()},
        "results": [
            {
                "image": images.database.names[image] if image < len(truth.database) else None,
                "verdict": verdicts.get(image, "miss"),
                "similarity": round(float(similarity), 6),
            }
            for image, similarity in zip(ids.tolist(), similarities, strict=True)
        ],
    }
