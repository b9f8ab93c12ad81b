"""Video object segmentation on DAVIS by label propagation (paper, section 4.2.2 and Table 5; released script)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dinobench.data.decode import read_rgb
from dinobench.data.layouts.davis import Video, read_video, sequence_names
from dinobench.data.masks import Labels, write_labels
from dinobench.data.overlays import overlay, save_moving, save_picture, sheet, shrink
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.bounds import check_counts
from dinobench.evaluators.common.ranking.per_query import save_per_query
from dinobench.evaluators.video_segmentation.follow import PatchNetwork, Way, follow, normalization
from dinobench.evaluators.video_segmentation.propagation import Propagation
from dinobench.evaluators.video_segmentation.scores import VideoScores, overall, score_masks, write_csv
from dinobench.evaluators.video_segmentation.tally import Tally, gathered, my_share, objects_jf
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_text_atomically

SHEET_FRAMES, SHEET_WIDTH = 6, 320
STRIP_FRAMES, STRIP_SECONDS = 20, 0.15
SWEPT = ("topk", "radius", "n_last_frames", "temperature", "layer")
LEAST = {"topk": 1, "radius": 0, "n_last_frames": 0, "layer": 1}


def evaluate(context: EvaluationContext) -> Scores:
    """Follow the objects of every validation sequence; J&F, J and F in percent, floors beside them.

    Writes masks/SEQUENCE/*.png (indexed, palette), scores/SEQUENCE.csv, sheets/SEQUENCE.png (truth above result),
    strips/SEQUENCE.gif and overlays/SEQUENCE/*.jpg under the context's output. Under a process group each process
    takes its share of the sequences.

    Raises:
        InputError: no sequence can be scored; one that cannot is named in a warning and the others go on.
    """
    root = context.dataset("val").root
    if root is None:
        raise InputError(f"task {context.task} needs a folder as --data, not {context.data}")
    merged = context.layout == "davis2016"
    names = sequence_names(root, "val", "2016" if merged else "2017")
    ways = ways_of(context.settings)
    check_counts(context.settings, short_side=1)
    normalization(context.model.preprocessing, context.settings["normalization"])
    tally = Tally([[] for _ in ways])
    network = PatchNetwork(context, max(way.layer for way in ways))
    for name in progress(my_share(names), "sequences"):
        try:
            _run(context, read_video(root, name, merged=merged), network, ways, tally)
        except InputError as error:
            tally.failures[name] = str(error)
    return _scores(context, ways, gathered(tally))


def ways_of(settings: Mapping[str, Any]) -> list[Way]:
    """The protocol's own way first, then every combination of the values listed in sweep_*.

    Raises:
        InputError: a value that makes no sense.
    """
    check_counts(settings, **LEAST, **{f"sweep_{key}": least for key, least in LEAST.items()})
    for value in [settings["temperature"], *settings["sweep_temperature"]]:
        if not isinstance(value, int | float) or not value > 0:
            raise InputError(f"temperature = {value!r} makes no sense; give a number above 0, such as 0.1")
    own = {key: settings[key] for key in SWEPT}
    values = [settings[f"sweep_{key}"] or [own[key]] for key in SWEPT]
    combinations = [dict(zip(SWEPT, chosen, strict=True)) for chosen in itertools.product(*values)]
    return [_way(own), *(_way(each) for each in combinations if each != own)]


def _way(values: Mapping[str, Any]) -> Way:
    propagation = Propagation(values["n_last_frames"], values["radius"], values["topk"], float(values["temperature"]))
    return Way(propagation, values["layer"])


def _run(context: EvaluationContext, video: Video, network: PatchNetwork, ways: Sequence[Way], tally: Tally) -> None:
    """Follow and score one sequence, and write its files."""
    with context.clock.phase("propagation"):
        masks, warnings = follow(video, network, ways, context.settings, context.model.preprocessing, context.workers)
    with context.clock.phase("scoring"):
        scores = [score_masks(video, each) for each in masks]
        tally.add(video, scores)
    with context.clock.phase("files"):
        tally.files += _write(context, video, masks[0], scores[0])
    tally.warnings += warnings


def _write(context: EvaluationContext, video: Video, masks: Labels, scores: VideoScores) -> list[str]:
    output = context.output
    for frame, mask in zip(video.frames, masks, strict=True):
        write_labels(output / "masks" / video.name / f"{frame.stem}.png", mask)
    table = output / "scores" / f"{video.name}.csv"
    write_csv(table, scores)
    if not context.settings["pictures"]:
        return [str(table)]
    return [str(table), *map(str, _draw(output, video, masks))]


def _draw(output: Path, video: Video, masks: Labels) -> list[Path]:
    """Overlays of every frame, a contact sheet and a moving strip; returns the last two."""
    strip = []
    moving = set(_spread(len(masks), STRIP_FRAMES))
    for index, (frame, mask) in enumerate(zip(video.frames, masks, strict=True)):
        tinted = overlay(np.asarray(read_rgb(frame)), mask)
        save_picture(output / "overlays" / video.name / f"{frame.stem}.jpg", tinted)
        if index in moving:
            strip.append(shrink(tinted, SHEET_WIDTH))
    still, animated = output / "sheets" / f"{video.name}.png", output / "strips" / f"{video.name}.gif"
    save_picture(still, _contact_sheet(video, masks))
    save_moving(animated, strip, STRIP_SECONDS)
    return [still, animated]


def _contact_sheet(video: Video, masks: Labels) -> Any:
    """Truth above result, for frames spread evenly over the sequence."""
    chosen = _spread(len(masks), SHEET_FRAMES)
    pixels = {index: np.asarray(read_rgb(video.frames[index])) for index in chosen}
    truth = [shrink(overlay(pixels[index], video.labels(index)), SHEET_WIDTH) for index in chosen]
    result = [shrink(overlay(pixels[index], masks[index]), SHEET_WIDTH) for index in chosen]
    frames = [video.frames[index].stem for index in chosen]
    return sheet([truth, result], [[f"truth {frames[0]}", *frames[1:]], ["result"]])


def _spread(length: int, count: int) -> list[int]:
    return [int(index) for index in np.unique(np.linspace(0, length - 1, count).round())]


def _scores(context: EvaluationContext, ways: Sequence[Way], tally: Tally) -> Scores:
    scores = tally.scores()
    if len(ways) > 1:
        rows = [_sweep_row(way, videos) for way, videos in zip(ways, tally.by_way, strict=True)]
        scores.details["sweep"] = rows
        _write_sweep(context.output / "sweep.csv", rows)
        scores.files.append(str(context.output / "sweep.csv"))
    objects = objects_jf(tally.by_way[0])
    save_per_query(scores, context.output / "predictions.csv", list(objects), list(objects.values()))
    return scores


def _sweep_row(way: Way, videos: Sequence[VideoScores]) -> dict[str, float]:
    return {**asdict(way.propagation), "layer": way.layer, **overall(videos)}


def _write_sweep(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    lines = [",".join(rows[0]), *(",".join(f"{value:g}" for value in row.values()) for row in rows)]
    write_text_atomically(path, "\n".join(lines) + "\n")
