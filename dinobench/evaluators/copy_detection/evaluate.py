"""Copy detection on Copydays (paper, section 4.2 and Table 4; released eval_copy_detection)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data.layouts.copydays import BLOCKS, pair_copies, present_blocks
from dinobench.data.open import dataset_root
from dinobench.data.transforms import EvaluationTransform
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.ranking.database import Database, Matrix, finished
from dinobench.evaluators.common.ranking.descriptors import Describer, further_images, longest, square
from dinobench.evaluators.common.ranking.per_query import save_per_query
from dinobench.evaluators.copy_detection.settings import Settings
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.preparation import Preparation, evaluation
from dinobench.metrics.bootstrap import interval
from dinobench.metrics.ranking import Positions, positions_in_list, standard_ap, trapezoid_ap
from dinobench.metrics.whitening import Whitening, learn_whitening
from dinobench.models.loading.spec import LoadedBackbone
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_text_atomically
from dinobench.runtime.parquet_files import write_columns
from dinobench.runtime.text import first_few

MEASURES = {"trapezoid": trapezoid_ap, "standard": standard_ap}

MAIN_BLOCK = "strong"
"""The block that Table 4 reports."""

SHOWN = 20
"""Results per copy in ranks.json where all images are ranked."""

PAPER_SIZES = {8: 320}
"""Input side of Table 4 by patch size, where it is not the model's own."""


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Mean AP of finding the original of each copy, per block, in percent; Table 4 reports `strong_map`."""
    root = dataset_root(context.data)
    scores = Scores({}, details={"average_precision": {}})
    describer = Describer(context, context.settings.feature, context.settings.gem_power)
    blocks = _chosen_blocks(present_blocks(root), context.settings.blocks)
    with context.clock.phase("features"):
        features = {block: _block_features(context, describer, block) for block in ["original", *blocks]}
        distractors = _further_features(context, describer, root, "distractors", scores)
        learning = _further_features(context, describer, root, "whitening", scores)
    with context.clock.phase("search"):
        whitening = _learn_whitening(learning, context.settings.centered)
        database = Database(finished(features["original"], whitening), distractors, whitening)
        originals, ranks = context.dataset("original").names, {}
        for block in blocks:
            every = context.dataset(block).names
            rows, pairing = context.scored_rows(len(every)), pair_copies(block, every, originals)
            asked = features[block][rows] if block == "original" else features[block]  # others hold these alone
            queries = finished(asked, whitening)
            names, positives = [every[row] for row in rows], [pairing.positives[row] for row in rows]
            scores.warnings += [pairing.note] if pairing.note else []
            found = _find_copies(context, database, queries)
            located = _locate_originals(context, database, queries, positives, found)
            score_block(scores, block, names, located, context.settings.measure)
            ranks[block] = dict(zip(names, found.tolist(), strict=True))
            if block == MAIN_BLOCK or len(blocks) == 1:
                values = scores.details["average_precision"][block]
                save_per_query(scores, context.predictions_file, list(values), list(values.values()))
    _save_copies(context, scores)
    write_text_atomically(context.output / "ranks.json", json.dumps(ranks) + "\n")  # as `score copydays` reads it
    scores.files.append(str(context.output / "ranks.json"))
    scores.images = {**{block: len(values) for block, values in features.items()}, **scores.images}
    scores.warnings += _unusual_sizes(scores.images, present_blocks(root))
    return scores


def _save_copies(context: EvaluationContext[Settings], scores: Scores) -> None:
    """Average precision in percent of every copy of every block."""
    rows = [(block, *each) for block, values in scores.details["average_precision"].items() for each in values.items()]
    path = context.output / "copies.parquet"
    write_columns(path, dict(zip(("block", "image", "average_precision"), zip(*rows, strict=True), strict=True)))
    scores.files.append(str(path))


def check_measure(measure: str) -> None:
    """Refuse an unknown kind of AP."""
    if measure not in MEASURES:
        raise InputError(f"measure is {measure!r}; use {' or '.join(MEASURES)}")


def score_block(scores: Scores, block: str, names: Sequence[str], located: Sequence[Positions], measure: str) -> None:
    """Add a block's mAP, in percent, and the average precision of each copy to `scores`.

    Args:
        scores: added to.
        block: its name, as in "jpegqual/3".
        names: of the copies.
        located: positions of each copy's originals among the results.
        measure: "trapezoid" or "standard".
    """
    check_measure(measure)
    values = [100 * MEASURES[measure](positions, len(positions)) for positions in located]
    metric = f"{block.replace('/', '_')}_map"
    scores.metrics[metric] = float(np.mean(values))
    scores.intervals[metric] = interval(values)
    scores.details["average_precision"][block] = dict(zip(names, values, strict=True))


def _block_features(context: EvaluationContext[Settings], describer: Describer, block: str) -> Matrix:
    images, tested = context.dataset(block), block != "original"
    images = images.subset(context.scored_rows(len(images))) if tested else images
    return describer.describe(images, _framing(context), tested=tested).tensor().numpy()


def _framing(context: EvaluationContext[Settings]) -> Preparation:
    size = _image_size(context)
    if context.settings.framing == "stretch":
        return square(size)
    if context.settings.framing == "longest":
        return longest(size)
    return evaluation(EvaluationTransform(size, int(256 / 224 * size), "bilinear", (), ()))


def _image_size(context: EvaluationContext[Settings]) -> int:
    """The side asked for, or Table 4's: 320 for patches of 8 pixels, otherwise the model's own input."""
    model: LoadedBackbone = context.model
    return context.settings.image_size or PAPER_SIZES.get(model.backbone.patch_size, model.preprocessing.size)


def _chosen_blocks(present: Sequence[str], wanted: Sequence[str]) -> list[str]:
    missing = [block for block in wanted if block not in present]
    if missing:
        raise InputError(f"no images of block {', '.join(missing)}; there are {', '.join(present)}")
    return list(wanted or present)


def _further_features(
    context: EvaluationContext[Settings], describer: Describer, root: Path, role: str, scores: Scores
) -> FeatureMatrix | None:
    """Descriptors of the distractors or of the images to learn whitening from; a loud word where there are none."""
    given = context.settings.distractors if role == "distractors" else context.settings.whitening
    folder = given or str(root / role)
    if not given and not Path(folder).is_dir():
        scores.images[role] = 0
        scores.warnings.append(
            f"NO {role.upper()}: no folder {folder} and no --set {role}=FOLDER; the figure is easier than Table 4's"
            if role == "distractors"
            else f"NO WHITENING: no folder {folder} and no --set {role}=FOLDER; raw descriptors are compared"
            + (", and centered changes nothing" if context.settings.centered else "")
        )
        return None
    images = further_images(context, folder, role)
    scores.images[role] = len(images)
    return describer.describe(images, _framing(context))


def _learn_whitening(features: FeatureMatrix | None, centered: bool) -> Whitening | None:
    if features is None:
        return None
    try:
        return learn_whitening(features.tensor().numpy(), centered=centered)
    except ValueError as error:
        raise InputError(f"cannot learn whitening: {error}; give more images as --set whitening=FOLDER") from error


def _find_copies(context: EvaluationContext[Settings], database: Database, queries: Matrix) -> NDArray[np.int64]:
    """(copies, results) ids, best first: those that count, or the first few where all do."""
    count, method = context.settings.top or SHOWN, context.settings.search
    return database.nearest(queries, count, method, context.device).indices.numpy()


def _locate_originals(
    context: EvaluationContext[Settings],
    database: Database,
    queries: Matrix,
    positives: Sequence[Sequence[int]],
    found: NDArray[np.int64],
) -> list[Positions]:
    """Positions of each copy's originals, infinite beyond the `top` results (0: all of them)."""
    wanted: list[NDArray[np.int64]] = [np.array(ids, dtype=np.int64) for ids in positives]
    if not context.settings.top:
        return database.positions(queries, wanted)
    return [positions_in_list(ranked, ids) for ranked, ids in zip(found, wanted, strict=True)]


def _unusual_sizes(images: Mapping[str, Any], present: Sequence[str]) -> list[str]:
    """One line on blocks that are not those of the published set."""
    odd = [
        f"{block} {images[block]} instead of {size}"
        for block, size in BLOCKS.items()
        if images.get(block, size) != size
    ]
    missing = [block for block in BLOCKS if block not in present]
    lines = [f"blocks of other sizes than the published ones: {first_few(odd)}"] if odd else []
    return lines + ([f"blocks missing: {', '.join(missing)}"] if missing else [])
