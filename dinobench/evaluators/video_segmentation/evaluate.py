"""Video object segmentation on DAVIS by label propagation (paper, section 4.2.2 and Table 5; released script)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dinobench.data.decode import read_rgb
from dinobench.data.layouts.davis import Video
from dinobench.data.masks import Labels, write_labels
from dinobench.data.overlays import overlay, save_moving, save_picture, sheet, shrink
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.ranking.per_query import save_per_query
from dinobench.evaluators.video_segmentation.kept import KeptMasks
from dinobench.evaluators.video_segmentation.propagation import Propagation
from dinobench.evaluators.video_segmentation.scores import VideoScores, overall, score_masks, write_csv
from dinobench.evaluators.video_segmentation.sequences import sequences_in
from dinobench.evaluators.video_segmentation.settings import Settings, layer_of
from dinobench.evaluators.video_segmentation.tally import Tally, gathered, my_share, objects_jf
from dinobench.evaluators.video_segmentation.tracking import PatchNetwork, TrackingConfig, track_objects
from dinobench.evaluators.video_segmentation.variants import compares_directions
from dinobench.metrics.segmentation import summarize
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_table_atomically
from dinobench.runtime.processes import look_for_failures

SHEET_FRAMES, SHEET_WIDTH = 6, 320
STRIP_FRAMES, STRIP_SECONDS = 20, 0.15


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Follow the objects of every validation sequence; J&F, J and F in percent, floors beside them.

    Writes masks/SEQUENCE/*.png (indexed, palette), scores/SEQUENCE.csv, sheets/SEQUENCE.png (truth above result),
    strips/SEQUENCE.gif and overlays/SEQUENCE/*.jpg under the context's output. Under a process group each process
    takes its share of the sequences. A run that is started again after it was killed follows only the sequences that
    it had not followed.

    Raises:
        InputError: no sequence can be scored; one that cannot is named in a warning and the others go on.
    """
    if context.settings.variant == "masks":
        raise InputError(
            f"{context.task}@masks is for masks that another method wrote; score them by "
            "`dinobench score davis --results MASKS --data DAVIS --as CARD`"
        )
    root = context.dataset("val").root
    if root is None:
        raise InputError(f"task {context.task} needs a folder as --data, not {context.data}")
    sequences = sequences_in(root, context.layout)
    context.note_files("masks", sequences.masks)
    names = tuple(sequences.names[row] for row in context.scored_rows(len(sequences.names)))
    configs = sweep_configs(context.settings)
    tally = Tally([[] for _ in configs])
    layers, normalized = max(config.layer for config in configs), compares_directions(context.settings.variant)
    network = PatchNetwork(context, layers, normalized=normalized)
    kept = KeptMasks(context, configs)
    for name in progress(my_share(names), "sequences"):
        look_for_failures()
        try:
            _run_sequence(context, sequences.read(name), network, configs, tally, kept)
        except InputError as error:
            tally.failures[name] = str(error)
    scores = _build_scores(context, configs, gathered(tally, names))
    scores.temporary += [kept.path(name) for name in names]
    return scores


def sweep_configs(settings: Settings) -> list[TrackingConfig]:
    """The protocol's own configuration first, then every combination of the values listed in sweep_*."""
    own = _build_config(settings.n_last_frames, settings.radius, settings.topk, settings.temperature, settings.feature)
    combinations = itertools.product(
        settings.sweep_topk or (settings.topk,),
        settings.sweep_radius or (settings.radius,),
        settings.sweep_n_last_frames or (settings.n_last_frames,),
        settings.sweep_temperature or (settings.temperature,),
        settings.sweep_feature or (settings.feature,),
    )
    configs = [
        _build_config(frames, radius, topk, heat, feature) for topk, radius, frames, heat, feature in combinations
    ]
    return [own, *(config for config in configs if config != own)]


def _build_config(n_last_frames: int, radius: int, topk: int, temperature: float, feature: str) -> TrackingConfig:
    return TrackingConfig(Propagation(n_last_frames, radius, topk, temperature), layer_of(feature))


def _run_sequence(
    context: EvaluationContext[Settings],
    video: Video,
    network: PatchNetwork,
    configs: Sequence[TrackingConfig],
    tally: Tally,
    kept: KeptMasks,
) -> None:
    """Follow and score one sequence, and write its files."""
    with context.clock.phase("propagation"):
        masks, warnings = kept.load(video.name) or _tracked(context, video, network, configs, kept)
    with context.clock.phase("scoring"):
        scores = [score_masks(video, each) for each in masks]
        tally.add(video, scores)
    with context.clock.phase("files"):
        tally.files += _write(context, video, masks[0], scores[0])
    tally.warnings += warnings


def _tracked(
    context: EvaluationContext[Settings],
    video: Video,
    network: PatchNetwork,
    configs: Sequence[TrackingConfig],
    kept: KeptMasks,
) -> tuple[list[Labels], list[str]]:
    masks, warnings = track_objects(
        video, network, configs, context.settings, context.model.preprocessing, context.workers
    )
    kept.save(video.name, masks, warnings)
    return masks, warnings


def _write(context: EvaluationContext[Settings], video: Video, masks: Labels, scores: VideoScores) -> list[str]:
    output = context.output
    for frame, mask in zip(video.frames, masks, strict=True):
        write_labels(output / "masks" / video.name / f"{frame.stem}.png", mask)
    table = output / "scores" / f"{video.name}.csv"
    write_csv(table, scores)
    if not context.settings.pictures:
        return [str(table)]
    return [str(table), *map(str, _draw_overlays(output, video, masks, scores))]


def _draw_overlays(output: Path, video: Video, masks: Labels, scores: VideoScores) -> list[Path]:
    """Overlays of every frame, a contact sheet and a moving strip; returns the last two."""
    strip = []
    moving = set(_spread_frames(len(masks), STRIP_FRAMES))
    for index, (frame, mask) in enumerate(zip(video.frames, masks, strict=True)):
        tinted = overlay(np.asarray(read_rgb(frame)), mask)
        save_picture(output / "overlays" / video.name / f"{frame.stem}.jpg", tinted)
        if index in moving:
            strip.append(shrink(tinted, SHEET_WIDTH))
    still, animated = output / "sheets" / f"{video.name}.png", output / "strips" / f"{video.name}.gif"
    save_picture(still, _contact_sheet(video, masks, scores))
    save_moving(animated, strip, STRIP_SECONDS)
    return [still, animated]


def _contact_sheet(video: Video, masks: Labels, scores: VideoScores) -> Any:
    """Truth above result, for frames spread evenly over the sequence, with its name and J&F in percent."""
    chosen = [video.annotated[place] for place in _spread_frames(len(video.annotated), SHEET_FRAMES)]
    pixels = {index: np.asarray(read_rgb(video.frames[index])) for index in chosen}
    truth = [shrink(overlay(pixels[index], video.labels(index)), SHEET_WIDTH) for index in chosen]
    result = [shrink(overlay(pixels[index], masks[index]), SHEET_WIDTH) for index in chosen]
    frames = [video.frames[index].stem for index in chosen]
    figure = 100 * summarize({str(number): each for number, each in scores.objects.items()})["jf_mean"]
    return sheet(
        [truth, result], [[f"{video.name}, truth, frame {frames[0]}", *frames[1:]], [f"result, J&F {figure:.1f}"]]
    )


def _spread_frames(length: int, count: int) -> list[int]:
    return [int(index) for index in np.unique(np.linspace(0, length - 1, count).round())]


def _build_scores(context: EvaluationContext[Settings], configs: Sequence[TrackingConfig], tally: Tally) -> Scores:
    scores = tally.scores()
    if len(configs) > 1:
        rows = [_sweep_row(config, videos) for config, videos in zip(configs, tally.by_config, strict=True)]
        scores.details["sweep"] = rows
        _write_sweep(context.output / "sweep.csv", rows)
        scores.files.append(str(context.output / "sweep.csv"))
    objects = objects_jf(tally.by_config[0])
    save_per_query(scores, context.predictions_file, list(objects), list(objects.values()))
    return scores


def _sweep_row(config: TrackingConfig, videos: Sequence[VideoScores]) -> dict[str, float]:
    return {**asdict(config.propagation), "layer": config.layer, **overall(videos)}


def _write_sweep(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    write_table_atomically(path, list(rows[0]), ([f"{value:g}" for value in row.values()] for row in rows))
