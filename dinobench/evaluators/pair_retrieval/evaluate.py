"""Retrieval between two kinds of images of the same things, in both directions, by cosine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.labeled_features import require_labels, whole_matrix
from dinobench.evaluators.common.ranking.per_query import add_share, save_per_query
from dinobench.evaluators.common.search import search
from dinobench.evaluators.pair_retrieval.settings import Settings
from dinobench.metrics.average_precision import list_precisions
from dinobench.metrics.bootstrap import accuracy_interval
from dinobench.runtime.errors import InputError

TOPS = (1, 5)


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Mean average precision and recall in the first 1 and 5 places, in percent, over the queries of both splits.

    `map_old` and `map_new` are of the queries of one split alone, by its name. Writes predictions.parquet.

    Raises:
        InputError: images without label, or splits that share no class.
    """
    settings = context.settings
    sets = {split: context.dataset(split) for split in (settings.one, settings.other)}
    for images in sets.values():
        require_labels(context, images)
    asked = context.scored_rows(sum(map(len, sets.values())))
    first = len(sets[settings.one])
    parts = {settings.one: asked[asked < first], settings.other: asked[asked >= first] - first}
    scores = Scores({}, images={split: len(images) for split, images in sets.items()})
    ranked = {
        split: _ranked(context, split, images.subset(rows) if context.rescoring else images, found, sets[found])
        for (split, images), found, rows in zip(sets.items(), reversed(sets), parts.values(), strict=True)
        if len(rows)
    }
    names = [images.names[row] for images, rows in zip(sets.values(), parts.values(), strict=True) for row in rows]
    _add_figures(context, scores, ranked)
    save_per_query(scores, context.predictions_file, names, scores.values["map"].tolist())
    return scores


def _ranked(
    context: EvaluationContext[Settings], split: str, images: ImageSet, searched: str, others: ImageSet
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(M, K) whether the image at each place is of the query's class, and (M,) how many there are."""
    settings = context.settings
    queries = whole_matrix(context, split, images, settings.feature, tested=True)
    bank = whole_matrix(context, searched, others, settings.feature)
    kinds = {name: number for number, name in enumerate(others.classes)}
    wanted = np.array([kinds.get(images.classes[label], -1) for label in images.labels.tolist()])
    relevant = (wanted[:, None] == others.labels).sum(1)
    if not relevant.all():
        row = int(np.flatnonzero(relevant == 0)[0])
        raise InputError(
            f"{images.names[row]} has no partner of class {images.classes[images.labels[row]]} in {searched}"
        )
    with context.clock.phase("search"):
        places = min(settings.places or len(bank), len(bank))
        near = search(queries.tensor(), bank, places, settings.search, context.device)
    return others.labels[near.indices.cpu().numpy()] == wanted[:, None], relevant


def _add_figures(
    context: EvaluationContext[Settings],
    scores: Scores,
    ranked: dict[str, tuple[NDArray[np.bool_], NDArray[np.int64]]],
) -> None:
    precisions = {split: list_precisions(*each) for split, each in ranked.items()}
    add_share(scores, "map", np.concatenate(list(precisions.values())), context.seed)
    for top in TOPS:
        found = [same[:, :top].any(1).astype(np.float64) for same, _ in ranked.values()]
        add_share(scores, f"top{top}", np.concatenate(found), context.seed)
    for split, values in precisions.items():
        scores.metrics[f"map_{split}"] = 100 * float(values.mean())
        scores.intervals[f"map_{split}"] = accuracy_interval(values, seed=context.seed)
        scores.values[f"map_{split}"] = 100 * np.concatenate(
            [values if each == split else np.full(len(other), np.nan) for each, other in precisions.items()]
        )
