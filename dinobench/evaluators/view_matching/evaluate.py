"""Recall of points of an object in another photo of it: how near in space, and in the image, their matches lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dinobench.data.posed_views import PosedView, SeenView
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.layout_readers import layout_reader, note_annotations
from dinobench.evaluators.common.match_pictures import SHOWN, draw_sheet, picture_of
from dinobench.evaluators.common.patch_maps import PatchEncoder
from dinobench.evaluators.common.ranking.per_query import add_share, save_per_query
from dinobench.evaluators.view_matching.pairs import angles_between, draw_pairs
from dinobench.evaluators.view_matching.settings import Settings
from dinobench.evaluators.view_matching.squares import Square, square_of
from dinobench.metrics.bootstrap import accuracy_interval
from dinobench.metrics.surface_matches import moved, projected, ratio_matches
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import gather_objects, own_share, rank

ViewReader = Callable[[PosedView], SeenView]

CENTIMETERS, PIXELS, ANGLES = (1, 2, 5), (5, 25, 50), (0, 30, 60, 90, 120)
_MAIN, _DRAWN = 2, 12  # centimeters of the figure; matches that a picture shows


@dataclass(frozen=True)
class Matched:
    """What one pair gave.

    Attributes:
        shares: of its matches that lie near enough, by the name of the figure.
        angle: degrees between the views.
        picture: of the first few.
    """

    shares: dict[str, float]
    angle: float
    picture: NDArray[np.uint8] | None


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Shares of matches in percent, means over the pairs: `recall_2cm` leads, as probe3d's figures by angle.

    `recall_2cm_0_30` and so on are of the pairs whose views differ by these degrees; `chance_2cm` is the floor, where
    each point is matched with any of the other view's. Processes share the pairs. Writes predictions.parquet and
    matches.png.

    Raises:
        InputError: data without depth and poses, no pair, or features that are not finite.
    """
    settings = context.settings
    images = context.dataset(settings.split)
    views: list[PosedView] = layout_reader(context, images, "posed_views", "no camera poses", "navi")(images)
    read: ViewReader = layout_reader(context, images, "read_view", "no camera poses", "navi")
    note_annotations(context, "poses and depth maps", images)
    pairs, alone = draw_pairs(views, settings, context.seed)
    if not pairs:
        raise InputError(f"no two photos of an object of {context.data} differ by at most {settings.largest_angle:g}°")
    pairs = [pairs[row] for row in context.scored_rows(len(pairs))]
    encoder = PatchEncoder(context, settings.layer)
    share = own_share(len(pairs))
    with context.clock.phase("matching"):
        mine = [
            _match_pair(encoder, [views[number] for number in pairs[each]], read, settings, each < SHOWN)
            for each in progress(share, "pairs", len(share))
        ]
    found = [each for part in gather_objects(mine, "matches of each process's pairs") for each in part]
    scores = Scores({}, images={settings.split: len(images)}, details={"pairs": len(pairs)})
    if alone:
        scores.warnings.append(f"{alone} photos have no other view within {settings.largest_angle:g} degrees")
    _add_figures(context, scores, found)
    names = [f"{images.names[one]}-{views[other].photo.stem}" for one, other in pairs]
    save_per_query(scores, context.predictions_file, names, scores.values[f"recall_{_MAIN}cm"].tolist())
    picture = context.output / "matches.png"
    if rank() == 0:
        draw_sheet(picture, [each.picture for each in found if each.picture is not None])
    scores.files.append(str(picture))
    return scores


@torch.no_grad()
def _match_pair(
    encoder: PatchEncoder, pair: Sequence[PosedView], read: ViewReader, settings: Settings, drawn: bool
) -> Matched:
    one, other = pair
    side = settings.grid * encoder.patch or settings.image_size
    squares = [square_of(view, read(view), side, settings.reduced) for view in pair]
    (source, placed), (target, there) = (point_features(encoder, square, settings.step) for square in squares)
    if min(len(placed), len(there)) < 2:
        raise InputError(f"{one.depth} or {other.depth} has fewer than two points of the object; check them")
    rows, columns = ratio_matches(source, target, settings.matches)
    pose = torch.from_numpy(other.pose @ np.linalg.inv(one.pose)).float()
    expected, matched = moved(placed[rows.cpu()], pose), there[columns.cpu()]
    shares = near_shares(expected, matched, squares[1].focal)
    reach = _MAIN / 100
    shares[f"chance_{_MAIN}cm"] = float((torch.cdist(expected, there) < reach).double().mean())
    picture = None
    if drawn:
        near = (expected - matched).norm(dim=1) < reach
        picture = _picture(squares, placed[rows.cpu()], matched, near.numpy())
    return Matched(shares, float(angles_between(one, [other])[0]), picture)


def point_features(encoder: PatchEncoder, square: Square, step: int) -> tuple[Tensor, Tensor]:
    """(n, D) features, between patches by bicubic, and (n, 3) places of every `step`-th pixel that shows the object."""
    points = torch.from_numpy(square.points[::step, ::step])
    maps = encoder.maps(encoder.images([square.pixels])).permute(0, 3, 1, 2)
    size = [side // step for side in square.points.shape[:2]]
    features = F.interpolate(maps, size=size, mode="bicubic")[0].permute(1, 2, 0)
    points = points[: size[0], : size[1]]
    shown = points[..., 2] > 0
    return features[shown.to(features.device)], points[shown]


def near_shares(expected: Tensor, matched: Tensor, focal: float) -> dict[str, float]:
    """Shares of matches within each distance in space, and in the image; (n, 3) points before the other camera."""
    away = (expected - matched).norm(dim=1)
    apart = (projected(expected, focal) - projected(matched, focal)).norm(dim=1)
    found = {f"recall_{each}cm": float((away < each / 100).double().mean()) for each in CENTIMETERS}
    return found | {f"recall_{each}px": float((apart < each).double().mean()) for each in PIXELS}


def _picture(squares: Sequence[Square], placed: Tensor, matched: Tensor, near: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A few of the matches, from the best to the last."""
    chosen = np.unique(np.linspace(0, len(near) - 1, _DRAWN).astype(int))
    points = [_shares_of(square, each[chosen].numpy()) for square, each in zip(squares, (placed, matched), strict=True)]
    return picture_of([square.pixels for square in squares], points, near[chosen])


def _shares_of(square: Square, points: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, 2) where points of a square lie in it, as shares of its side."""
    high, wide = np.nonzero(square.points[..., 2] > 0)
    known = square.points[high, wide]
    rows = [int(np.abs(known - point).sum(1).argmin()) for point in points]
    return np.stack([wide[rows], high[rows]], 1) / len(square.points)


def _add_figures(context: EvaluationContext[Settings], scores: Scores, found: Sequence[Matched]) -> None:
    for name in found[0].shares:
        add_share(scores, name, np.array([each.shares[name] for each in found]), context.seed)
    angles, main = np.array([each.angle for each in found]), scores.values[f"recall_{_MAIN}cm"]
    for low, high in pairwise(ANGLES):
        inside = (angles >= low) & (angles < high)
        if inside.any():
            name = f"recall_{_MAIN}cm_{low}_{high}"
            scores.values[name] = np.where(inside, main, np.nan)
            scores.metrics[name] = float(main[inside].mean())
            scores.intervals[name] = accuracy_interval(main[inside] / 100, seed=context.seed)
    scores.details["pairs_of_angle"] = dict(
        zip(map(str, ANGLES), np.histogram(angles, bins=ANGLES)[0].tolist(), strict=False)
    )
