"""Percentage of correct keypoints (PCK): points of one photo found in another of the same category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.data.keypoints import KeypointPair, Points
from dinobench.data.transforms import resampling
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.layout_readers import layout_reader, note_annotations
from dinobench.evaluators.common.match_pictures import SHOWN, draw_sheet, picture_of
from dinobench.evaluators.common.patch_maps import PatchEncoder
from dinobench.evaluators.common.ranking.per_query import add_share, save_per_query
from dinobench.evaluators.keypoint_matching.settings import Settings
from dinobench.metrics.keypoint_matches import class_point_shares, match_points, point_intervals
from dinobench.runtime.console import progress
from dinobench.runtime.parquet_files import write_columns
from dinobench.runtime.processes import gather_objects, own_share, rank

_KEPT_MAPS = 64


@dataclass(frozen=True)
class Matched:
    """What one pair gave.

    Attributes:
        hits: points that were found.
        still: points that lie near enough where they lay in the source.
        picture: of the first few.
    """

    hits: int
    still: int
    picture: NDArray[np.uint8] | None


class SquareMaps:
    """Patches of images as squares, the last few of which are kept: neighboring pairs share images.

    Args:
        encoder: the network.
        images: the set.
        side: of the squares, in pixels.
    """

    def __init__(self, encoder: PatchEncoder, images: ImageSet, side: int) -> None:
        self.encoder, self.images, self.side = encoder, images, side
        self.kept: dict[int, tuple[NDArray[np.uint8], Tensor, int]] = {}

    def __call__(self, index: int) -> tuple[NDArray[np.uint8], Tensor, int]:
        """The square (S, S, 3), its patches (h, w, D), and the longer side of the image in pixels."""
        if index not in self.kept:
            while len(self.kept) >= _KEPT_MAPS:
                self.kept.pop(next(iter(self.kept)))
            pixels, extent = white_square(self.images.read(index), self.side)
            self.kept[index] = pixels, self.encoder.maps(self.encoder.images([pixels]))[0], extent
        return self.kept[index]


def white_square(image: Image.Image, side: int) -> tuple[NDArray[np.uint8], int]:
    """An image padded with white at the right and below to a square, then resized; and the square's former side."""
    extent = max(image.size)
    square = Image.new("RGB", (extent, extent), "white")
    square.paste(image)
    return np.asarray(square.resize((side, side), resampling("bicubic"))), extent


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Shares of points in percent: `pck` is the mean over categories, `pck_point` of all, `pck_image` that over pairs.

    `still_pck` is the floor, where each point stays where it lay. Processes share the pairs. Writes
    predictions.parquet, pairs.parquet and matches.png.

    Raises:
        InputError: data without pairs of points, or features that are not finite.
    """
    settings = context.settings
    images = context.dataset(settings.split)
    read = layout_reader(context, images, "keypoint_pairs", "no pairs with points", "spair")
    note_annotations(context, "pairs", images)
    everything = read(images)
    pairs = drawn_pairs(everything, settings.pairs, context.seed)
    pairs = [pairs[row] for row in context.scored_rows(len(pairs))]
    encoder = PatchEncoder(context, settings.layer)
    maps = SquareMaps(encoder, images, settings.grid * encoder.patch)
    share = own_share(len(pairs))
    with context.clock.phase("matching"):
        mine = [match_pair(maps, pairs[each], settings, each < SHOWN) for each in progress(share, "pairs", len(share))]
    shares = gather_objects(mine, "matches of each process's pairs")
    scores = Scores({}, images={settings.split: len(images), "pairs": len(everything)}, details={"pairs": len(pairs)})
    _add_figures(context, scores, pairs, [each for share in shares for each in share])
    return scores


def drawn_pairs(pairs: list[KeypointPair], count: int, seed: int) -> list[KeypointPair]:
    """`count` pairs of each category, or all where `count` is 0 or no more are there; category by category."""
    groups: dict[str, list[KeypointPair]] = {}
    for pair in pairs:
        groups.setdefault(pair.category, []).append(pair)
    found = []
    for number, (_, group) in enumerate(sorted(groups.items())):
        if count and len(group) > count:
            chosen = np.random.default_rng([seed, number]).choice(len(group), count, replace=False)
            group = [group[place] for place in np.sort(chosen)]
        found += group
    return found


@torch.no_grad()
def match_pair(maps: SquareMaps, pair: KeypointPair, settings: Settings, drawn: bool) -> Matched:
    """Find each point of the source in the target."""
    (one, source, extent), (other, target, target_extent) = maps(pair.source), maps(pair.target)
    points = _shares(pair.source_points, extent, maps.side, settings.whole_pixels)
    truth = _shares(pair.target_points, target_extent, maps.side, settings.whole_pixels)
    found = match_points(source, target, torch.from_numpy(points).float(), settings.corner).cpu().double().numpy()
    scale = pair.target_extent / target_extent
    right, still = (np.linalg.norm(each - truth, axis=1) / scale < settings.distance for each in (found, points))
    picture = picture_of([one, other], [points, found], right) if drawn else None
    return Matched(int(right.sum()), int(still.sum()), picture)


def _shares(points: Points, extent: int, side: int, whole: bool) -> Points:
    """Points as shares of the square's side."""
    scaled = points * side / extent
    return (np.trunc(scaled) if whole else scaled) / side


def _add_figures(
    context: EvaluationContext[Settings], scores: Scores, pairs: list[KeypointPair], found: list[Matched]
) -> None:
    names, classes = np.unique([pair.category for pair in pairs], return_inverse=True)
    points = np.array([len(pair.source_points) for pair in pairs], dtype=np.float64)
    hits, still = (np.array([getattr(each, key) for each in found], dtype=np.float64) for key in ("hits", "still"))
    intervals = point_intervals(hits, points, classes, seed=context.seed)
    scores.metrics["pck"] = 100 * class_point_shares(hits, points, classes)
    scores.intervals["pck"] = (100 * intervals["class"][0], 100 * intervals["class"][1])
    scores.metrics["pck_point"] = 100 * float(hits.sum() / points.sum())
    scores.intervals["pck_point"] = (100 * intervals["point"][0], 100 * intervals["point"][1])
    add_share(scores, "pck_image", hits / points, context.seed)
    scores.metrics["still_pck"] = 100 * class_point_shares(still, points, classes)
    by_class = {
        str(name): 100 * float(hits[classes == n].sum() / points[classes == n].sum()) for n, name in enumerate(names)
    }
    scores.details["pck_of_category"] = by_class
    save_per_query(scores, context.predictions_file, [pair.name for pair in pairs], (100 * hits / points).tolist())
    kept, picture = context.output / "pairs.parquet", context.output / "matches.png"
    columns = {"pair": [pair.name for pair in pairs], "category": [pair.category for pair in pairs]}
    write_columns(kept, {**columns, "hits": hits, "still": still, "points": points})
    if rank() == 0:
        draw_sheet(picture, [each.picture for each in found if each.picture is not None])
    scores.files += [str(kept), str(picture)]
