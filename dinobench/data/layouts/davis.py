"""DAVIS 2017: frames, palette masks and lists of sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.decode import is_image_name, open_image, read_rgb
from dinobench.data.layouts._files import read_lines
from dinobench.data.layouts._places import contents, folder_with
from dinobench.data.layouts._walk import is_hidden
from dinobench.data.masks import VOID, Labels, read_labels
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError
from dinobench.runtime.names import inside
from dinobench.runtime.text import first_few

DATASETS = ("davis", "davis2017")
EXPECTED_TREE = """ROOT/
  ImageSets/2017/val.txt                       names of sequences, one per line
  JPEGImages/480p/<sequence>/00000.jpg ...
  Annotations/480p/<sequence>/00000.png ...    pixel values are object numbers
30 sequences, 1999 frames, 61 objects: "TrainVal, Images and Annotations (480p)" of
https://davischallenge.org/davis2017/code.html"""
_MANY_OBJECTS, _FEW_PIXELS = 10, 0.02  # no sequence of DAVIS has so many objects, most of them so small
_FRAMES, _MASKS = Path("JPEGImages/480p"), Path("Annotations/480p")


@dataclass(frozen=True)
class Video:
    """One sequence: its frames and the mask of every frame, in time order.

    Attributes:
        merged: whether all objects are one (DAVIS 2016), whatever their numbers.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path, ...]
    merged: bool = False

    def labels(self, index: int) -> Labels:
        """(H, W) object numbers of one frame; void counts as background unless all objects are merged.

        Raises:
            InputError: the mask or its frame cannot be read, or they differ in size.
        """
        labels = read_labels(self.masks[index], gray=self.merged)
        _refuse_smoothed(labels, self.masks[index])
        width, height = _frame_size(self.frames[index])
        if labels.shape != (height, width):
            raise InputError(
                f"mask {self.masks[index]} is {labels.shape[1]} x {labels.shape[0]} but its frame is "
                f"{width} x {height}; use frames and annotations of one resolution"
            )
        return (labels > 0).astype(np.uint8) if self.merged else np.where(labels == VOID, 0, labels)

    def refuse_no_object(self, first: Labels) -> None:
        """Raise InputError where the labels of the first mask hold no object."""
        if first.any():
            return
        void = "" if self.merged else f" ({VOID} is void here; in DAVIS 2016 it is the object: --task davis2016)"
        raise InputError(f"sequence {self.name}: its first mask {self.masks[0]} holds no object{void}")

    def all_labels(self) -> Labels:
        """(T, H, W) object numbers of all frames."""
        frames = [self.labels(index) for index in range(len(self.frames))]
        if len({frame.shape for frame in frames}) > 1:
            raise InputError(f"sequence {self.name}: its frames differ in size; use one resolution")
        return np.stack(frames)


def _refuse_smoothed(labels: Labels, path: Path) -> None:
    """InputError for a mask of dozens of numbers that cover a few pixels each: edges between two numbers."""
    pixels = np.bincount(labels.ravel(), minlength=256)[1:VOID]
    present = pixels[pixels > 0]
    if len(present) >= _MANY_OBJECTS and np.median(present) < _FEW_PIXELS * present.sum():
        raise InputError(
            f"mask {path} holds {len(present)} numbers, most of a few pixels: its edges were smoothed or compressed; "
            "resize masks to the nearest pixel and keep them as PNG"
        )


def _frame_size(frame: Path) -> tuple[int, int]:
    """Width and height of a frame from its header alone: scoring masks need not decode it."""
    try:
        with open_image(frame) as image:
            return image.size
    except Exception:  # Pillow raises anything on bad bytes; decoding says in one line what is wrong with them
        return read_rgb(frame).size


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """Every frame of the split's sequences, unlabeled; sequences that lack frames are left out here.

    Raises:
        InputError: no list of sequences, or no frames at all.
    """
    return frames_of(root, f"davis/{split}", sequence_names(root, split, "2017"))


def check(root: Path) -> Findings:
    """Sequences, frames and objects of the validation list, and every sequence that cannot be scored."""
    return check_sequences(root, "2017", merged=False)


def sequence_names(root: Path, split: str, year: str) -> tuple[str, ...]:
    """Names of a split's sequences; the lists of DAVIS 2016's own release, which name frames, serve too."""
    root = _images_root(root)
    listing = root / "ImageSets" / year / f"{split}.txt"
    if year == "2016" and not listing.is_file():
        listing = root / "ImageSets" / "480p" / f"{split}.txt"
    _refuse_other_year(root, split, year, listing)
    names = [_sequence_name(line) for line in read_lines(listing)]
    if not names:
        raise InputError(f"{listing} names no sequence; fetch it again")
    for name in names:
        inside(root / _FRAMES, name, f"sequence in {listing}")
    return tuple(dict.fromkeys(names))


def _sequence_name(line: str) -> str:
    """The sequence of a line: its name, or of the 2016 lists the folder of the frame that stands first."""
    first = line.split()[0]
    if not is_image_name(first):
        return line
    return first.partition(f"{_FRAMES}/")[2].rpartition("/")[0] or Path(first).parent.name


def _images_root(root: Path) -> Path:
    """The folder that holds JPEGImages: the root, or one below it such as DAVIS/."""
    return folder_with(root, (str(_FRAMES), "JPEGImages"))


def _in_time(folder: Path) -> list[Path]:
    """The images of a folder in time order: by number where all names are numbers, else by name."""
    files = [path for path in folder.glob("*") if is_image_name(path.name) and not is_hidden(path.name)]
    if all(path.stem.isdecimal() for path in files):
        return sorted(files, key=lambda path: (int(path.stem), path.name))
    return sorted(files)


def _refuse_other_year(root: Path, split: str, year: str, listing: Path) -> None:
    other, task = {"2016": ("2017", "davis"), "2017": ("2016", "davis2016")}[year]
    if not listing.is_file() and (root / "ImageSets" / other / f"{split}.txt").is_file():
        raise InputError(f"no file {listing}, but the list of DAVIS {other} is there: --task {task} scores that")


def read_video(root: Path, name: str, *, merged: bool = False) -> Video:
    """The files of one sequence.

    Raises:
        InputError: no folder, fewer than three frames, or a frame or mask without its partner.
    """
    root = _images_root(root)
    frames = {path.stem: path for path in _in_time(root / _FRAMES / name)}
    masks = {path.stem: path for path in _in_time(root / _MASKS / name) if path.suffix.lower() == ".png"}
    if not frames:
        raise InputError(f"sequence {name} has no frames at {root / _FRAMES / name}; fetch it again or unlist it")
    _refuse_unpaired(name, frames, masks)
    if len(frames) < 3:
        raise InputError(f"sequence {name} has {len(frames)} frames; the first and last are not scored, so it needs 3")
    return Video(name, tuple(frames.values()), tuple(masks.values()), merged)


def _refuse_unpaired(name: str, frames: Mapping[str, Path], masks: Mapping[str, Path]) -> None:
    for kind, have, need in (("mask", masks, frames), ("frame", frames, masks)):
        missing = sorted(set(need) - set(have))
        if missing:
            raise InputError(
                f"sequence {name} lacks the {kind} {missing[0]} ({len(missing)} missing in all); fetch it again"
            )


def mask_files(root: Path, names: Iterable[str]) -> list[Path]:
    """Every mask of these sequences, in order."""
    root = _images_root(root)
    return [path for name in names for path in _in_time(root / _MASKS / name)]


def frames_of(root: Path, name: str, sequences: tuple[str, ...]) -> ImageSet:
    """Every frame of `sequences` as an ImageSet."""
    root = _images_root(root)
    files = [path for sequence in sequences for path in _in_time(root / _FRAMES / sequence)]
    if not files:
        raise InputError(
            f"no frames below {root / _FRAMES} for the {len(sequences)} listed sequences ({first_few(sequences)}); "
            f"it holds {contents(root / _FRAMES)}; unpack DAVIS at 480p"
        )
    names = [path.relative_to(root).as_posix() for path in files]
    return from_files(name, root, names, [UNLABELED] * len(names), ())


def check_sequences(root: Path, year: str, *, merged: bool) -> Findings:
    """What `check` of either year says."""
    try:
        names = sequence_names(root, "val", year)
    except InputError as error:
        return Findings({}, (str(error),))
    problems: list[str] = []
    files: list[Path] = []
    objects = 0
    for name in names:
        try:
            video = read_video(root, name, merged=merged)
            files += video.frames
            objects += int(video.labels(0).max())
        except InputError as error:
            problems.append(str(error))
    counts = {"val sequences": len(names), "val frames": len(files), "val objects": objects}
    return Findings(counts, tuple(problems), tuple(files))
