"""What came of a set of sequences: figures, floors, intervals, and the sequences that could not be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinobench.data.layouts.davis import Video, read_video, sequence_names
from dinobench.evaluators.base import Scores
from dinobench.evaluators.video_segmentation.scores import VideoScores, floors, overall, per_object, score_files
from dinobench.metrics.bootstrap import interval
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import gather_objects, rank, world_size

FLOOR_METRICS = ("jf_mean", "j_mean", "f_mean")


@dataclass
class Tally:
    """Scores of the sequences so far.

    Attributes:
        by_config: of every configuration, the protocol's own first; each a list over sequences.
        floors: the same for what needs no model: the first mask copied, and nothing predicted.
        failures: sequence to the reason why it was not scored.
    """

    by_config: list[list[VideoScores]]
    floors: dict[str, list[VideoScores]] = field(default_factory=lambda: {"copy": [], "empty": []})
    frames: int = 0
    warnings: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def add(self, video: Video, scores: Sequence[VideoScores]) -> None:
        """Note one sequence: its scores by every configuration, and its floors."""
        floor_scores = floors(video)
        for done, score in zip(self.by_config, scores, strict=True):
            done.append(score)
        for name, score in floor_scores.items():
            self.floors[name].append(score)
        self.frames += len(video.frames)

    def merge(self, other: Tally) -> None:
        """Add another process's sequences to these."""
        for done, more in zip(self.by_config, other.by_config, strict=True):
            done += more
        for name, videos in other.floors.items():
            self.floors[name] += videos
        self.frames += other.frames
        self.warnings += other.warnings
        self.failures |= other.failures
        self.files += other.files

    def sort(self, names: Sequence[str]) -> None:
        """Put the sequences into the order of `names`: the last bits of a mean follow the order of what is added."""
        place = {name: number for number, name in enumerate(names)}
        for videos in (*self.by_config, *self.floors.values()):
            videos.sort(key=lambda video: place[video.name])
        self.failures = dict(sorted(self.failures.items(), key=lambda failure: place[failure[0]]))

    def _floor_values(self) -> dict[str, NDArray[np.float64]]:
        found = {floor: _object_values(videos) for floor, videos in self.floors.items()}
        return {f"{floor}_{name}": values[name] for floor, values in found.items() for name in FLOOR_METRICS}

    def scores(self) -> Scores:
        """Figures in percent, floors beside them, bootstrap intervals over objects.

        Raises:
            InputError: no sequence was scored.
        """
        main = self.by_config[0]
        if not main:
            raise InputError(f"no sequence could be scored; the first: {next(iter(self.failures.values()))}")
        metrics = overall(main)
        for floor, videos in self.floors.items():
            figures = overall(videos)
            metrics |= {f"{floor}_{name}": figures[name] for name in FLOOR_METRICS}
        failed = len(self.failures)
        return Scores(
            metrics,
            _object_intervals(main),
            values=_object_values(main) | self._floor_values(),
            details={"objects": per_object(main), "sequences": {video.name: overall([video]) for video in main}},
            images={"val": self.frames},
            warnings=[*self.failures.values(), *self.warnings],
            not_comparable=[f"{failed} of {failed + len(main)} sequences were not scored"] if failed else [],
            files=sorted(self.files),
        )


def _object_values(videos: Sequence[VideoScores]) -> dict[str, NDArray[np.float64]]:
    """What every object gives to each figure, in percent."""
    jf, objects = objects_jf(videos), per_object(videos).values()
    names = list(next(iter(objects)))
    return {"jf_mean": np.array(list(jf.values()))} | {
        name: np.array([each[name] for each in objects]) for name in names
    }


def objects_jf(videos: Sequence[VideoScores]) -> dict[str, float]:
    """SEQUENCE_NUMBER to J&F in percent."""
    return {name: (each["j_mean"] + each["f_mean"]) / 2 for name, each in per_object(videos).items()}


def _object_intervals(videos: Sequence[VideoScores]) -> dict[str, tuple[float, float]]:
    objects = per_object(videos).values()
    return {
        "jf_mean": interval(list(objects_jf(videos).values())),
        "j_mean": interval([each["j_mean"] for each in objects]),
        "f_mean": interval([each["f_mean"] for each in objects]),
    }


def my_share(names: Sequence[str]) -> Sequence[str]:
    """The sequences that this process takes on; all of them without a process group."""
    return names[rank() :: world_size()]


def gathered(mine: Tally, names: Sequence[str]) -> Tally:
    """The sequences of all processes together, in the order of `names`, as one process scores them."""
    if world_size() == 1:
        return mine
    whole = Tally([[] for _ in mine.by_config])
    for part in gather_objects(mine, "the scores of the sequences"):
        whole.merge(part)
    whole.sort(names)
    return whole


def score_folder(results: Path, data: Path, year: str = "2017", split: str = "val") -> Scores:
    """Score a folder of SEQUENCE/00000.png masks; a sequence that cannot be scored is named, the others go on.

    Args:
        results: indexed PNGs named as the frames.
        data: DAVIS folder.
        year: "2017", or "2016" for one object per sequence.
        split: which list of that year.

    Raises:
        InputError: no sequence can be scored.
    """
    tally = Tally([[]])
    for name in progress(sequence_names(data, split, year), "sequences"):
        try:
            video = read_video(data, name, merged=year == "2016")
            tally.add(video, [score_files(video, results / name)])
        except InputError as error:
            tally.failures[name] = str(error)
    return tally.scores()
