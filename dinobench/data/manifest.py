"""What exactly was scored: a digest of a set's names, labels and content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dinobench.data.content import Digest
from dinobench.data.dataset import ImageSet


@dataclass(frozen=True)
class Manifest:
    """Identity of an image set.

    Attributes:
        sha256: hex digest over every image's name, content and label, in order, and the class names.
        images: number of images.
        classes: number of classes.
    """

    sha256: str
    images: int
    classes: int


def manifest_of(images: ImageSet, *, full: bool = False) -> Manifest:
    """Digest of names, content and labels: a renamed, edited, relabeled or reordered image changes it.

    Files are read the first time, and again when they changed (see `dinobench.data.content`).

    Args:
        images: N images.
        full: read every file, whatever is remembered.

    Raises:
        InputError: a file has gone since the set was opened.
    """
    return manifest_from(images, images.digests(full=full))


def manifest_from(images: ImageSet, digests: Sequence[Digest]) -> Manifest:
    """The manifest of images whose (N,) digests are known."""
    return _build_manifest(images, (digest.hex() for digest in digests))


@dataclass(frozen=True)
class Contents:
    """What the images of a split are, to find those that another split holds too.

    Attributes:
        names: identity of each image.
        digests: of each image's bytes.
    """

    names: tuple[str, ...]
    digests: tuple[Digest, ...]

    def held_by(self, other: Contents) -> int:
        """How many of these images the other split holds too, under whatever name."""
        known = set(other.digests)
        return sum(digest in known for digest in self.digests)


def listing_of(images: ImageSet) -> Manifest:
    """Digest of names, byte sizes and labels, for which no file is read: an edit that keeps the size goes unseen.

    Raises:
        InputError: a file has gone since the set was opened.
    """
    return _build_manifest(images, images.byte_sizes().tolist())


def _build_manifest(images: ImageSet, facts: Iterable[object]) -> Manifest:
    digest = hashlib.sha256()
    # Fields end in NUL, which no path holds, so no two different sets spell the same bytes.
    for name in images.classes:
        digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
    rows = zip(images.names, facts, images.labels.tolist(), strict=True)
    for name, fact, label in rows:
        digest.update(f"{name}\0{fact}\0{label}\0".encode("utf-8", "surrogateescape"))
    return Manifest(digest.hexdigest(), len(images), len(images.classes))
