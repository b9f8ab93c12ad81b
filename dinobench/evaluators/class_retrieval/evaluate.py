"""Retrieval on any labeled images: each asks for the others of its class, by cosine."""

from __future__ import annotations

import numpy as np
import torch

from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.class_retrieval.settings import Settings
from dinobench.evaluators.common.labeled_features import LabeledFeatures, labeled_features, rows_by_name
from dinobench.evaluators.common.ranking.per_query import add_share, save_per_query
from dinobench.evaluators.common.search import search
from dinobench.metrics.class_retrieval import ClassRetrievalScores, class_retrieval_scores
from dinobench.runtime.errors import InputError


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """MAP at R, R-precision and recall at each k, in percent, means over the images; no image finds itself.

    Images that are alone in their class ask for nothing, but can be found. Names of further features end the metrics'
    names, such as `map_at_r_cls.2`.

    Raises:
        InputError: images without label or that cannot be read, or no class of two.
    """
    settings = context.settings
    everything = "+".join(settings.features)
    found = labeled_features(context, settings.split, everything)
    asked = labeled_features(context, settings.split, everything, tested=True) if context.rescoring else found
    labels = found.labels.numpy()
    relevant = (np.bincount(labels)[labels] - 1)[rows_by_name(asked, found)]
    asking = np.flatnonzero(relevant > 0)
    if not len(asking):
        raise InputError(f"no class of {context.data} has two images in {settings.split}; nothing can be retrieved")
    scores = Scores({}, images={settings.split: len(labels)})
    scores.warnings += [line for line in (found.skipped,) if line]
    if alone := len(asked.labels) - len(asking):
        scores.warnings.append(f"{alone} of {len(labels)} images are alone in their class and ask for nothing")
    ks = tuple(k for k in dict.fromkeys(settings.ks) if k < len(labels))
    if len(ks) < len(set(settings.ks)):
        scores.warnings.append(f"recall beyond {len(labels) - 1} places is left out: there are no more other images")
    for feature in settings.features:
        suffix = "" if feature == settings.features[0] else f"_{feature}"
        ranked = _score(context, found, asked, feature, asking, relevant[asking], ks)
        _add(scores, ranked, suffix, context.seed)
    if settings.predictions:
        names = [asked.names[row] for row in asking]
        main = scores.values["map_at_r"].tolist()
        save_per_query(scores, context.predictions_file, names, main)
    return scores


def _score(
    context: EvaluationContext[Settings],
    found: LabeledFeatures,
    asked: LabeledFeatures,
    feature: str,
    asking: np.ndarray,
    relevant: np.ndarray,
    ks: tuple[int, ...],
) -> ClassRetrievalScores:
    bank, rows = found.matrix.only(feature), rows_by_name(asked, found)[torch.from_numpy(asking)]
    places = max(int(relevant.max()), *ks, 1)
    with context.clock.phase("search"):
        queries = asked.matrix.only(feature).tensor()[torch.from_numpy(asking)]
        neighbors = search(queries, bank, places + 1, context.settings.search, context.device).without(rows)
    same = found.labels[neighbors.indices.cpu()] == found.labels[rows][:, None]
    return class_retrieval_scores(same.numpy(), relevant, ks)


def _add(scores: Scores, ranked: ClassRetrievalScores, suffix: str, seed: int) -> None:
    values = {"map_at_r": ranked.map_at_r, "r_precision": ranked.r_precision}
    values |= {f"recall_at_{k}": each for k, each in ranked.recalls.items()}
    for name, each in values.items():
        add_share(scores, f"{name}{suffix}", each, seed)
