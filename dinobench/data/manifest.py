"""What exactly was scored: a digest of a set's names, sizes and labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from dinobench.data.dataset import ImageSet


@dataclass(frozen=True)
class Manifest:
    """Identity of an image set.

    Attributes:
        sha256: hex digest over every image's name, byte size and label, in order, and the class names.
        images: number of images.
        classes: number of classes.
    """

    sha256: str
    images: int
    classes: int


def manifest_of(images: ImageSet) -> Manifest:
    """Digest of names, byte sizes and labels: a renamed, replaced, relabeled or reordered image changes it.

    Pixels are not read: an edit that keeps a file's size goes unseen.

    Raises:
        InputError: a file has gone since the set was opened.
    """
    digest = hashlib.sha256()
    # Fields end in NUL, which no path holds, so no two different sets spell the same bytes.
    for name in images.classes:
        digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
    rows = zip(images.names, images.byte_sizes().tolist(), images.labels.tolist(), strict=True)
    for name, size, label in rows:
        digest.update(f"{name}\0{size}\0{label}\0".encode("utf-8", "surrogateescape"))
    return Manifest(digest.hexdigest(), len(images), len(images.classes))
