"""DAVIS 2017: frames, palette masks and lists of sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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
    """One sequence: its frames and their masks, in time order.

    Attributes:
        merged: whether all objects are one (DAVIS 2016), whatever their numbers.
        marked: the frames that have a mask, by their places among the frames; none for all of them.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path, ...]
    merged: bool = False
    marked: tuple[int, ...] = ()

    @property
    def annotated(self) -> tuple[int, ...]:
        """Places among the frames of those that have a mask."""
        return self.marked or tuple(range(len(self.frames)))

    def labels(self, index: int) -> Labels:
        """(H, W) object numbers of one annotated frame; void counts as background unless all objects are merged.

        Raises:
            InputError: the mask or its frame cannot be read, or they differ in size.
        """
        mask = self.masks[self.annotated.index(index)]
        labels = read_labels(mask, gray=self.merged)
        _refuse_smoothed(labels, mask)
        width, height = _frame_size(self.frames[index])
        if labels.shape != (height, width):
            raise InputError(
                f"mask {mask} is {labels.shape[1]} x {labels.shape[0]} but its frame is "
                f"{width} x {height}; use frames and annotations of one resolution"
            )
        return (labels > 0).astype(np.uint8) if self.merged else np.where(labels == VOID, 0, labels)

    def refuse_no_object(self, first: Labels) -> None:
        """Raise InputError where the labels of the first mask hold no object."""
        if first.any():
            return
        void = "" if self.merged else f" ({VOID} is void here; in DAVIS 2016 it is the object: --task davis2016)"
        raise InputError(f"sequence {self.name}: its first mask {self.masks[0]} holds no object{void}")

    def entries(self) -> dict[int, tuple[int, ...]]:
        """Places of the frames where objects have their first mask, and the numbers of those objects.

        Where every frame has a mask (DAVIS), the first frame's objects are the ones that are followed.
        """
        if not self.marked:
            first = self.labels(0)
            return {0: tuple(np.unique(first[first > 0]).tolist())} if first.any() else {}
        known: set[int] = set()
        entries = {}
        for index in self.marked:
            new = set(np.unique(self.labels(index)).tolist()) - known - {0}
            if new:
                entries[index] = tuple(sorted(new))
            known |= new
        return entries

    def all_labels(self) -> Labels:
        """(T, H, W) object numbers of all annotated frames."""
        frames = [self.labels(index) for index in self.annotated]
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


def in_time(folder: Path) -> list[Path]:
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
    return replace(paired_video(name, root / _FRAMES / name, root / _MASKS / name), merged=merged)


def paired_video(name: str, frame_folder: Path, mask_folder: Path, *, every: bool = True) -> Video:
    """The frames of a folder, and the masks of another that have their names.

    Args:
        name: of the sequence.
        frame_folder: images.
        mask_folder: PNGs.
        every: whether each frame needs a mask.

    Raises:
        InputError: no frames, fewer than three masks, or a frame or mask without its partner.
    """
    frames = {path.stem: path for path in in_time(frame_folder)}
    masks = {path.stem: path for path in in_time(mask_folder) if path.suffix.lower() == ".png"}
    if not frames:
        raise InputError(f"sequence {name} has no frames at {frame_folder}; fetch it again or unlist it")
    _refuse_unpaired(name, frames, masks, every=every)
    if len(masks) < 3:
        raise InputError(f"sequence {name} has {len(masks)} masks; the first and last are not scored, so it needs 3")
    marked = () if every else tuple(place for place, stem in enumerate(frames) if stem in masks)
    return Video(name, tuple(frames.values()), tuple(masks[stem] for stem in frames if stem in masks), marked=marked)


def _refuse_unpaired(name: str, frames: Mapping[str, Path], masks: Mapping[str, Path], *, every: bool) -> None:
    for kind, have, need in (("mask", masks, frames), ("frame", frames, masks)):
        missing = sorted(set(need) - set(have)) if every or kind == "frame" else []
        if missing:
            raise InputError(
                f"sequence {name} lacks the {kind} {missing[0]} ({len(missing)} missing in all); fetch it again"
            )


def mask_files(root: Path, names: Iterable[str]) -> list[Path]:
    """Every mask of these sequences, in order."""
    root = _images_root(root)
    return [path for name in names for path in in_time(root / _MASKS / name)]


def frames_of(root: Path, name: str, sequences: tuple[str, ...]) -> ImageSet:
    """Every frame of `sequences` as an ImageSet."""
    return frames_below(_images_root(root), _FRAMES, name, sequences, "; unpack DAVIS at 480p")


def frames_below(root: Path, folder: Path, name: str, sequences: tuple[str, ...], hint: str = "") -> ImageSet:
    """Every frame of `sequences` in `root`/`folder` as an ImageSet; InputError with the hint where there are none."""
    files = [path for sequence in sequences for path in in_time(root / folder / sequence)]
    if not files:
        raise InputError(
            f"no frames below {root / folder} for the {len(sequences)} listed sequences ({first_few(sequences)}); "
            f"it holds {contents(root / folder)}{hint}"
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
