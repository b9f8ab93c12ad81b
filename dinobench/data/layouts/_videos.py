"""Folders of videos whose masks stand at some frames alone, and whose objects may enter late: YouTube-VOS and MOSE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._places import contents
from dinobench.data.layouts._walk import is_hidden
from dinobench.data.layouts.davis import Video, frames_below, in_time, paired_video
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json
from dinobench.runtime.names import inside

FRAMES, MASKS = Path("JPEGImages"), Path("Annotations")
_SPLITS = {"val": ("valid", "val", "train"), "train": ("train",)}
_MOST_FRAMES_PER_MASK = 6  # one mask for five frames, and some more where the last ones have none
_META = ("meta.json", "meta_train.json", "meta_valid.json")


def split_root(root: Path, split: str = "val") -> Path:
    """The folder of a split that holds JPEGImages and Annotations: the root itself, or one below it.

    The training set stands in for a validation set that is not there or holds first masks alone.

    Raises:
        InputError: no such folder, or first masks alone, which only the benchmark's own server can score.
    """
    places = [place for place in (root, *(root / name for name in _SPLITS.get(split, (split,)))) if _has_videos(place)]
    if not places:
        raise InputError(f"no {FRAMES}/ beside {MASKS}/ in {root} or its {split}/; it holds {contents(root)}")
    scorable = [place for place in places if _is_annotated(place)]
    if not scorable:
        raise InputError(
            f"{places[0] / MASKS} holds the first masks of objects alone, which the benchmark's server scores; "
            "give the training set, or annotations of your own"
        )
    return scorable[0]


def _has_videos(folder: Path) -> bool:
    return (folder / FRAMES).is_dir() and (folder / MASKS).is_dir()


def _is_annotated(place: Path) -> bool:
    """Whether there are masks at every fifth frame or more often, and not the first masks of objects alone."""
    names = [path.name for path in _videos(place / MASKS)]
    masks, frames = (sum(len(in_time(place / kind / name)) for name in names) for kind in (MASKS, FRAMES))
    return 0 < frames <= _MOST_FRAMES_PER_MASK * masks


def _videos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))


def video_names(root: Path, split: str) -> tuple[str, ...]:
    """Names of a split's videos that have masks."""
    place = split_root(root, split)
    names = tuple(path.name for path in _videos(place / MASKS))
    for name in names:
        inside(place / FRAMES, name, f"video in {place / MASKS}")
    return names


def read_video(root: Path, name: str) -> Video:
    """The frames of one video, and masks where there are any.

    Raises:
        InputError: no frames, a mask without a frame, or fewer than three masks.
    """
    place = split_root(root)
    return paired_video(name, place / FRAMES / name, place / MASKS / name, every=False)


def mask_files(root: Path, names: Iterable[str]) -> list[Path]:
    """Every mask of these videos, in order."""
    place = split_root(root)
    return [path for name in names for path in in_time(place / MASKS / name)]


def open_videos(root: Path, split: str, name: str) -> ImageSet:
    """Every frame of the split's videos, unlabeled."""
    return frames_below(split_root(root, split), FRAMES, f"{name}/{split}", video_names(root, split))


def check_videos(root: Path) -> Findings:
    """Videos, frames, masks and objects, those that enter late among them, and every video that cannot be scored."""
    try:
        names, place = video_names(root, "val"), split_root(root)
    except InputError as error:
        return Findings({}, (str(error),))
    problems: list[str] = []
    files: list[Path] = []
    counts = dict.fromkeys(("videos", "frames", "masks", "objects", "objects that enter late"), 0)
    told = _objects_told(place)
    for name in names:
        try:
            video = read_video(root, name)
            entries = video.entries()
            numbers = {number for entered in entries.values() for number in entered}
            if name in told and told[name] != numbers:
                problems.append(
                    f"video {name}: its masks hold objects {sorted(numbers)}, meta.json {sorted(told[name])}"
                )
        except InputError as error:
            problems.append(str(error))
            continue
        files += video.frames
        late = sum(len(entered) for frame, entered in entries.items() if frame > 0)
        for key, count in zip(counts, (1, len(video.frames), len(video.masks), len(numbers), late), strict=True):
            counts[key] += count
    notes = () if place == root else (f"the videos of {place}",)
    return Findings(counts, tuple(problems), tuple(files), notes)


def _objects_told(place: Path) -> dict[str, set[int]]:
    """Numbers of each video's objects as a meta.json beside the folders tells them; empty where there is none.

    Raises:
        InputError: the file is not what it should be.
    """
    path = next((place / name for name in _META if (place / name).is_file()), None)
    if path is None:
        return {}
    content = read_json(path)
    videos = content.get("videos") if isinstance(content, Mapping) else None
    if not isinstance(videos, Mapping):
        raise InputError(f"{path} has no 'videos'; fetch it again")
    return {str(name): _numbers(video, path) for name, video in videos.items()}


def _numbers(video: Any, path: Path) -> set[int]:
    try:
        return {int(number) for number in video["objects"]}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: a video has no 'objects' by number; fetch it again") from error
