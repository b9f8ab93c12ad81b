"""ImageSet: named, labeled images, whatever holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.channels import ARRAY_SUFFIX, read_channels
from dinobench.data.content import Digest, digest_of, remembered_digests, stamp_of
from dinobench.data.decode import read_rgb
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes

UNLABELED = -1
_Scalar = TypeVar("_Scalar", bound=np.generic)


class ImageSource(Protocol):
    """Where an ImageSet's pixels come from. Sources are picklable, so that worker processes can read."""

    def read(self, index: int) -> Image.Image:
        """Decode one image to RGB; InputError names what cannot be decoded."""

    def byte_sizes(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Stored size of each image in bytes, for the manifest."""

    def digests(self, indices: NDArray[np.int64], *, full: bool = False) -> list[Digest]:
        """Digest of each image's stored bytes; `full` reads those that are remembered too."""

    def arrays(self, indices: NDArray[np.int64]) -> NDArray[np.uint8] | None:
        """(n, S, S, 3) pixels if they already lie in memory at one size, else None."""


@dataclass(frozen=True)
class FileSource:
    """One image file per name, under a root."""

    root: Path
    names: tuple[str, ...]

    def read(self, index: int) -> Image.Image:
        """Decode the file of that index."""
        path = self.root / self.names[index]
        return Image.fromarray(read_channels(path, 3)) if path.suffix == ARRAY_SUFFIX else read_rgb(path)

    def channels(self, index: int, count: int) -> NDArray[np.uint8]:
        """(H, W, count) pixels of the file of that index."""
        return read_channels(self.root / self.names[index], count)

    def byte_sizes(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """File sizes; InputError where a file has gone."""
        try:
            sizes = [(self.root / self.names[index]).stat().st_size for index in indices]
        except OSError as error:
            raise InputError(
                f"cannot read image {error.filename}: {error.strerror}; was the folder changed?"
            ) from error
        return np.array(sizes, dtype=np.int64)

    def digests(self, indices: NDArray[np.int64], *, full: bool = False) -> list[Digest]:
        """Of the files' bytes; InputError where a file has gone."""
        root = self.root.absolute()
        paths = [root / self.names[index] for index in indices]
        places = [str(path) for path in paths]
        stamps = [stamp_of(path) for path in paths]
        return remembered_digests(places, stamps, lambda number: read_bytes(paths[number]), full=full)

    def arrays(self, indices: NDArray[np.int64]) -> None:
        """Files are not in memory."""


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Pixels in memory: (N, S, S, 3) uint8."""

    pixels: NDArray[np.uint8]

    def read(self, index: int) -> Image.Image:
        """The image of that index, copied."""
        return Image.fromarray(self.pixels[index])

    def byte_sizes(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Size of the raw pixels, the same for all."""
        return np.full(len(indices), self.pixels[0].nbytes if len(self.pixels) else 0, dtype=np.int64)

    def digests(self, indices: NDArray[np.int64], *, full: bool = False) -> list[Digest]:
        """Of the pixels, which lie in memory."""
        return [digest_of(np.ascontiguousarray(self.pixels[index]).data) for index in indices]

    def arrays(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pixels themselves (no copy when every image is asked for in order)."""
        whole = len(indices) == len(self.pixels) and np.array_equal(indices, np.arange(len(indices)))
        return self.pixels if whole else self.pixels[indices]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with names and labels; immutable.

    Attributes:
        name: short name for tables and messages, e.g. "imagenette/val".
        root: folder that the names are relative to, or None for images that are drawn or streamed.
        classes: class names; `labels` index them.
        labels: (N,) int64, -1 where unlabeled.
        names: identity of each image: its relative path.
        source: where the pixels come from.
        positions: (N,) index of each image in `source`; all of them by default.
        notes: one line for each thing that was assumed or left out when the set was opened.
    """

    name: str
    root: Path | None
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    source: ImageSource
    positions: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the parts fit and freeze them."""
        positions = np.arange(len(self.names)) if self.positions is None else self.positions
        object.__setattr__(self, "labels", _read_only_view(self.labels))
        object.__setattr__(self, "positions", _read_only_view(positions))
        if not len(self.labels) == len(self.names) == len(positions):
            raise ValueError(f"{self.name}: {len(self.names)} names, {len(self.labels)} labels")
        if len(self.labels) and not UNLABELED <= self.labels.min() <= self.labels.max() < max(len(self.classes), 1):
            raise InputError(
                f"{self.name}: a label lies outside its {len(self.classes)} classes; check the annotations"
            )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.names)

    def read(self, index: int) -> Image.Image:
        """One image as Pillow RGB; InputError names a file that cannot be decoded."""
        return self.source.read(int(self._known_positions[index]))

    def pixels(self, index: int, channels: int = 3) -> NDArray[np.uint8]:
        """(H, W, channels) of one image: RGB for 3, luminance for 1, else what a file holds.

        Raises:
            InputError: the image cannot be decoded, or has no such channels.
        """
        if channels in (1, 3):
            return np.atleast_3d(np.asarray(self.read(index).convert("RGB" if channels == 3 else "L")))
        if not isinstance(self.source, FileSource):
            raise InputError(f"{self.name} holds RGB images; {channels} channels need a folder of .npy or image files")
        return self.source.channels(int(self._known_positions[index]), channels)

    def byte_sizes(self) -> NDArray[np.int64]:
        """(N,) stored size of each image in bytes."""
        return self.source.byte_sizes(self._known_positions)

    def digests(self, *, full: bool = False) -> list[Digest]:
        """Digest of each image's stored bytes, remembered for files that have not changed; `full` reads all again."""
        return self.source.digests(self._known_positions, full=full)

    def arrays(self) -> NDArray[np.uint8] | None:
        """(N, S, S, 3) uint8 where all images already lie in memory at one size, else None."""
        return self.source.arrays(self._known_positions)

    def files(self) -> list[Path]:
        """The image files; none where images are no files of their own."""
        if not isinstance(self.source, FileSource):
            return []
        return [self.source.root / name for name in self.names]

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> ImageSet:
        """The images of these indices, in this order; the classes stay."""
        chosen = np.asarray(indices, dtype=np.int64)
        names = tuple(self.names[index] for index in chosen)
        return replace(self, labels=self.labels[chosen], names=names, positions=self._known_positions[chosen])

    @property
    def labeled(self) -> bool:
        """Whether every image has a label."""
        return bool((self.labels != UNLABELED).all())

    @property
    def _known_positions(self) -> NDArray[np.int64]:
        assert self.positions is not None  # __post_init__ fills it
        return self.positions


def from_files(
    name: str,
    root: Path,
    names: Sequence[str],
    labels: Sequence[int] | NDArray[np.int64],
    classes: Sequence[str],
    notes: Sequence[str] = (),
) -> ImageSet:
    """An ImageSet of image files: `names` are paths relative to `root`."""
    files, numbers = tuple(names), np.asarray(labels, dtype=np.int64)
    return ImageSet(name, root, tuple(classes), numbers, files, FileSource(root, files), notes=tuple(notes))


def from_arrays(
    name: str,
    pixels: NDArray[np.uint8],
    labels: Sequence[int] | NDArray[np.int64],
    classes: Sequence[str],
    names: Sequence[str],
) -> ImageSet:
    """An ImageSet of pixels in memory: (N, S, S, 3) uint8."""
    source = ArraySource(_read_only_view(pixels))
    return ImageSet(name, None, tuple(classes), np.asarray(labels, dtype=np.int64), tuple(names), source)


def _read_only_view(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    view = array.view()
    view.setflags(write=False)
    return view
